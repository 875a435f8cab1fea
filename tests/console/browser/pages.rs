//! Every page of the route table, seen in a browser: axe finds nothing, the console is silent, nothing runs over the edge, the
//! HTML is valid. In both themes, at 1440 and at 390 px.
use super::driver::{Browser, Theme};
use crate::harness::{House, PASSWORD, Person, one_served};
use std::{collections::BTreeSet, path::Path, process::Command};

/// Somebody in the demonstration who sees everything.
const ADA: &str = "ada@acme.test";

/// A member in the demonstration, who asks for more.
const YUKI: &str = "yuki.tanaka@acme.test";

/// What is swapped into a form, and is no page.
const FRAGMENTS: [&str; 2] = ["/summary", "/effect"];

/// Every address that answers HTML, with ids that are there.
pub async fn addresses(house: &House, ada: &Person) -> Vec<String> {
    let mut found = BTreeSet::new();
    for route in guildhall::routes().table().iter().filter(|it| it.method == "GET" && it.gate != "key") {
        // Pages of their own links are seen in the stories.
        if route.path.contains("{token}")
            || route.path.contains("/passkeys/{id}")
            || route.path == "/"
            || (route.path.starts_with("/sso/") && !route.path.ends_with("/break-glass"))
            || FRAGMENTS.iter().any(|it| route.path.ends_with(it))
        {
            continue;
        }
        let mut path = route.path.replace("{slug}", "acme").replace("{number}", "upcoming");
        if path.contains("{id}") {
            let Some(id) = id_for(house, route.path).await else {
                panic!("which id goes into {}?", route.path)
            };
            path = path.replace("{id}", &id);
        }
        let said = ada.get(&path).await;
        if said.status == 200
            && said.field("content-type").starts_with("text/html")
            && !path.ends_with("/html")
        {
            found.insert(path);
        } else {
            let is_known = said.status == 303
                || said.status == 200
                || path.starts_with("/dev/mail")
                || path.starts_with("/auth/")
                || path.ends_with("/bulk")
                || path.ends_with("/leave");
            assert!(is_known, "{path} says {}", said.status);
        }
    }
    found.insert("/a/acme/members?q=nobody-is-called-this".into());
    found.insert("/a/acme/members?sort=-name&status=active".into());
    found.into_iter().collect()
}

async fn id_for(house: &House, path: &str) -> Option<String> {
    if path == "/api/docs/{id}" {
        return Some("members".into());
    }
    let member = "select cast(m.id as text) from memberships m join accounts a on a.id = m.account_id
        where a.slug = 'acme' and not m.is_owner order by m.joined_at limit 1";
    let sql = match path {
        it if it.ends_with("/restored") => {
            "select cast(membership_id as text) from removals where outcome is not null"
        }
        it if it.contains("/members/{id}") => member,
        it if it.contains("/audit/{id}") => {
            "select cast(e.id as text) from audit_events e join accounts a on a.id = e.chain
             where a.slug = 'acme' and e.action = 'member.role_changed' order by e.seq desc limit 1"
        }
        it if it.contains("/resources/{id}") => {
            "select cast(r.id as text) from resources r join accounts a on a.id = r.account_id
             where a.slug = 'acme' order by r.id limit 1"
        }
        it if it.contains("/budgets/{id}") => {
            "select cast(b.id as text) from budgets b join accounts a on a.id = b.account_id where a.slug = 'acme' limit 1"
        }
        it if it.contains("/roles/{id}") => {
            "select cast(r.id as text) from roles r join accounts a on a.id = r.account_id where a.slug = 'acme' limit 1"
        }
        it if it.contains("/domains/{id}") => {
            "select cast(d.id as text) from domains d join accounts a on a.id = d.account_id
             where a.slug = 'acme' and d.verified_at is not null limit 1"
        }
        it if it.contains("/keys/{id}") => {
            "select cast(k.id as text) from api_keys k join accounts a on a.id = k.account_id join users u on u.id = k.user_id
             where a.slug = 'acme' and u.email = 'ada@acme.test' and k.revoked_at is null order by k.id desc limit 1"
        }
        it if it.contains("/requests/{id}") => {
            "select cast(r.id as text) from access_requests r join accounts a on a.id = r.account_id
             where a.slug = 'acme' limit 1"
        }
        it if it.contains("/operator/accounts/{id}") => {
            "select cast(id as text) from accounts where slug = 'acme'"
        }
        it if it.contains("/operator/invoices/{id}") => {
            "select cast(id as text) from invoices where status = 'open' order by id desc limit 1"
        }
        it if it.contains("/dev/mail/{id}") => {
            "select cast(id as text) from mails where body is not null limit 1"
        }
        _ => return None,
    };
    // On SQLite an id is a blob: it is read as one.
    let sql = sql.replace("cast(", "").replace(" as text)", "");
    let found: Option<(uuid::Uuid,)> =
        house.db.read().await.unwrap().query(Box::leak(sql.into_boxed_str())).maybe().await.unwrap();
    found.map(|it| it.0.to_string())
}

/// The membership in Acme of who has this before the @.
async fn seat(house: &House, name: &str) -> uuid::Uuid {
    let sql = "select m.id from memberships m join users u on u.id = m.user_id join accounts a on a.id = m.account_id
        where a.slug = 'acme' and u.email_key = $1";
    let mut conn = house.db.read().await.unwrap();
    conn.query(sql).bind(format!("{name}@acme.test")).one::<(uuid::Uuid,)>().await.unwrap().0
}

async fn signed_in(house: &House, theme: Theme, width: u32) -> Browser {
    let browser = Browser::open(theme, width).await;
    browser.goto(&house.url("/sign-in")).await;
    browser.fill("E-mail", ADA).await;
    browser.click("Continue").await;
    browser.wait_for("Forgot your password?").await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
    browser.wait_for("Acme").await;
    browser
}

async fn look(house: &House, theme: Theme, width: u32, paths: &[String]) -> Vec<String> {
    let mut wrong = vec![];
    let browser = signed_in(house, theme, width).await;
    for path in paths {
        let out = ["/sign-in", "/sign-up", "/forgot-password", "/leaked-key"].contains(&path.as_str());
        if out {
            continue;
        }
        browser.goto(&house.url(path)).await;
        wrong.extend(faults(&browser, path, theme, width).await);
    }
    let visitor = Browser::open(theme, width).await;
    for path in ["/sign-in", "/sign-in?own=1", "/sign-up", "/forgot-password", "/leaked-key"] {
        visitor.goto(&house.url(path)).await;
        wrong.extend(faults(&visitor, path, theme, width).await);
    }
    wrong
}

async fn faults(browser: &Browser, path: &str, theme: Theme, width: u32) -> Vec<String> {
    let mut all = browser.axe().await;
    all.extend(browser.console_errors().await);
    let over = browser.overflow().await;
    if over > 0 {
        all.push(format!("{over} px run over the edge"));
    }
    all.into_iter().map(|it| format!("{path} ({theme:?}, {width}): {it}")).collect()
}

/// The demonstration, with Ada as its operator, signed in, and with somebody's request before her.
pub async fn furnished(house: &House) -> Person {
    guildhall::demo::fill(&house.db, &house.kit).await.unwrap();
    house.tamper("update users set operator = true where email = 'ada@acme.test'").await;
    house.set_password(ADA, PASSWORD).await;
    house.set_password(YUKI, PASSWORD).await;
    let yuki = house.visitor();
    yuki.post("/sign-in", &[("email", YUKI), ("password", PASSWORD)]).await.is(303);
    yuki.post("/a/acme/requests", &[("permission", "members.view"), ("note", "To find my team")])
        .await
        .is(303);
    let ada = house.visitor();
    ada.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await.is(303);
    // Somebody who is removed and comes back, and somebody who can still come back.
    for (name, is_undone) in [("mateo.ibanez", true), ("seun.adeyemi", false)] {
        let seat = seat(house, name).await;
        ada.post(&format!("/a/acme/members/{seat}/remove"), &[]).await.is(303);
        if is_undone {
            ada.post(&format!("/a/acme/members/{seat}/restore"), &[]).await.is(303);
        }
    }
    ada
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound() {
    let house = one_served().await;
    let ada = furnished(&house).await;
    let paths = addresses(&house, &ada).await;
    assert!(paths.len() > 20, "{paths:?}");

    valid(&ada, &paths).await;
    let (light, dark) = tokio::join!(
        async {
            let mut all = look(&house, Theme::Light, 1440, &paths).await;
            all.extend(look(&house, Theme::Light, 390, &paths).await);
            all
        },
        async {
            let mut all = look(&house, Theme::Dark, 1440, &paths).await;
            all.extend(look(&house, Theme::Dark, 390, &paths).await);
            all
        },
    );
    let wrong: Vec<String> = light.into_iter().chain(dark).collect();
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

/// The checker of the standard's own editors finds no error in any page, whole or partial's whole.
async fn valid(ada: &Person, paths: &[String]) {
    let dir = tempfile::tempdir().unwrap();
    for (at, path) in paths.iter().enumerate() {
        let said = ada.get(path).await;
        std::fs::write(dir.path().join(format!("{at}.html")), format!("{}<!-- {path} -->", said.body))
            .unwrap();
    }
    let found = check_html(dir.path());
    let named = |line: &str| {
        let at = line
            .split(".html")
            .next()
            .and_then(|it| it.rsplit('/').next())
            .and_then(|it| it.parse::<usize>().ok());
        format!("{}: {line}", at.map_or("", |it| &paths[it]))
    };
    let wrong: Vec<String> = found.lines().map(named).collect();
    assert!(wrong.is_empty(), "HTML that is not valid:\n{}", wrong.join("\n"));
}

pub(super) fn check_html(dir: &Path) -> String {
    let vnu = std::env::var("VNU").expect("VNU names the HTML checker: run ./scripts/test");
    let done =
        Command::new("java").args(["-Xss1024k", "-jar", &vnu, "--errors-only"]).arg(dir).output().unwrap();
    String::from_utf8_lossy(&done.stderr).into_owned()
}
