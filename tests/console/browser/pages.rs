//! Every page of the route table in a browser, in both themes, at 1440 and at 390 px: axe finds nothing, the console is
//! silent, nothing overflows, and the HTML is valid.
use super::driver::{Browser, Theme};
use crate::harness::{PASSWORD, TestApp, TestUser, serve_on_sqlite};
use std::{collections::BTreeSet, path::Path, process::Command};

/// The user of the demo who sees everything.
const ADA: &str = "ada@acme.test";

/// A member in the demo, who requests more access.
const YUKI: &str = "yuki.tanaka@acme.test";

/// The ends of routes that answer a part of a form instead of a page.
const FRAGMENTS: [&str; 2] = ["/summary", "/effect"];

/// The paths of all pages, with ids that exist.
pub async fn paths(app: &TestApp, ada: &TestUser) -> Vec<String> {
    let mut found = BTreeSet::new();
    for route in
        guildhall::routes().table().iter().filter(|route| route.method == "GET" && route.gate != "key")
    {
        // Pages behind a mailed link are covered by the journeys.
        if route.path.contains("{token}")
            || route.path.contains("/passkeys/{id}")
            || route.path == "/"
            || (route.path.starts_with("/sso/") && !route.path.ends_with("/break-glass"))
            || FRAGMENTS.iter().any(|end| route.path.ends_with(end))
        {
            continue;
        }
        let mut path = route.path.replace("{slug}", "acme").replace("{number}", "upcoming");
        if path.contains("{id}") {
            let Some(id) = id_for(app, route.path).await else {
                panic!("which id goes into {}?", route.path)
            };
            path = path.replace("{id}", &id);
        }
        let response = ada.get(&path).await;
        if response.status == 200
            && response.header("content-type").starts_with("text/html")
            && !path.ends_with("/html")
        {
            found.insert(path);
        } else {
            let is_known = response.status == 303
                || response.status == 200
                || path.starts_with("/dev/mail")
                || path.starts_with("/auth/")
                || path.ends_with("/bulk")
                || path.ends_with("/leave");
            assert!(is_known, "{path} answers {}", response.status);
        }
    }
    found.insert("/a/acme/members?q=nobody-is-called-this".into());
    found.insert("/a/acme/members?sort=-name&status=active".into());
    found.into_iter().collect()
}

async fn id_for(app: &TestApp, path: &str) -> Option<String> {
    if path == "/api/docs/{id}" {
        return Some("members".into());
    }
    let member = "select cast(m.id as text) from memberships m join accounts a on a.id = m.account_id
        where a.slug = 'acme' and not m.is_owner order by m.joined_at limit 1";
    let sql = match path {
        path if path.ends_with("/restored") => {
            "select cast(membership_id as text) from removals where outcome is not null"
        }
        path if path.contains("/members/{id}") => member,
        path if path.contains("/audit/{id}") => {
            "select cast(e.id as text) from audit_events e join accounts a on a.id = e.chain
             where a.slug = 'acme' and e.action = 'member.role_changed' order by e.seq desc limit 1"
        }
        path if path.contains("/resources/{id}") => {
            "select cast(r.id as text) from resources r join accounts a on a.id = r.account_id
             where a.slug = 'acme' order by r.id limit 1"
        }
        path if path.contains("/budgets/{id}") => {
            "select cast(b.id as text) from budgets b join accounts a on a.id = b.account_id where a.slug = 'acme' limit 1"
        }
        path if path.contains("/roles/{id}") => {
            "select cast(r.id as text) from roles r join accounts a on a.id = r.account_id where a.slug = 'acme' limit 1"
        }
        path if path.contains("/domains/{id}") => {
            "select cast(d.id as text) from domains d join accounts a on a.id = d.account_id
             where a.slug = 'acme' and d.verified_at is not null limit 1"
        }
        path if path.contains("/keys/{id}") => {
            "select cast(k.id as text) from api_keys k join accounts a on a.id = k.account_id join users u on u.id = k.user_id
             where a.slug = 'acme' and u.email = 'ada@acme.test' and k.revoked_at is null order by k.id desc limit 1"
        }
        path if path.contains("/requests/{id}") => {
            "select cast(r.id as text) from access_requests r join accounts a on a.id = r.account_id
             where a.slug = 'acme' limit 1"
        }
        path if path.contains("/operator/accounts/{id}") => {
            "select cast(id as text) from accounts where slug = 'acme'"
        }
        path if path.contains("/operator/invoices/{id}") => {
            "select cast(id as text) from invoices where status = 'open' order by id desc limit 1"
        }
        path if path.contains("/dev/mail/{id}") => {
            "select cast(id as text) from mails where body is not null limit 1"
        }
        _ => return None,
    };
    // An id is a blob on SQLite, so it is read without the cast.
    let sql = sql.replace("cast(", "").replace(" as text)", "");
    let found: Option<(uuid::Uuid,)> =
        app.db.read().await.unwrap().query(Box::leak(sql.into_boxed_str())).fetch_optional().await.unwrap();
    found.map(|(id,)| id.to_string())
}

/// The membership in Acme of the user with this local part in their address.
async fn membership(app: &TestApp, name: &str) -> uuid::Uuid {
    let sql = "select m.id from memberships m join users u on u.id = m.user_id join accounts a on a.id = m.account_id
        where a.slug = 'acme' and u.email_key = $1";
    let mut conn = app.db.read().await.unwrap();
    conn.query(sql).bind(format!("{name}@acme.test")).fetch_one::<(uuid::Uuid,)>().await.unwrap().0
}

async fn signed_in(app: &TestApp, theme: Theme, width: u32) -> Browser {
    let browser = Browser::open(theme, width).await;
    browser.goto(&app.url("/sign-in")).await;
    browser.fill("E-mail", ADA).await;
    browser.click("Continue").await;
    browser.wait_for("Forgot your password?").await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
    browser.wait_for("Acme").await;
    browser
}

async fn faults_of_all(app: &TestApp, theme: Theme, width: u32, paths: &[String]) -> Vec<String> {
    let mut wrong = vec![];
    let browser = signed_in(app, theme, width).await;
    for path in paths {
        let is_for_visitors =
            ["/sign-in", "/sign-up", "/forgot-password", "/leaked-key"].contains(&path.as_str());
        if is_for_visitors {
            continue;
        }
        browser.goto(&app.url(path)).await;
        wrong.extend(faults(&browser, path, theme, width).await);
    }
    let visitor = Browser::open(theme, width).await;
    for path in ["/sign-in", "/sign-in?own=1", "/sign-up", "/forgot-password", "/leaked-key"] {
        visitor.goto(&app.url(path)).await;
        wrong.extend(faults(&visitor, path, theme, width).await);
    }
    wrong
}

async fn faults(browser: &Browser, path: &str, theme: Theme, width: u32) -> Vec<String> {
    let mut all = browser.axe().await;
    all.extend(browser.console_errors().await);
    let overflow = browser.overflow().await;
    if overflow > 0 {
        all.push(format!("overflows by {overflow} px"));
    }
    all.into_iter().map(|fault| format!("{path} ({theme:?}, {width}): {fault}")).collect()
}

/// Fills the app with the demo. Answers Ada, signed in as the operator, with an access request to decide.
pub async fn fill_with_demo(app: &TestApp) -> TestUser {
    guildhall::demo::fill(&app.db, &app.kit).await.unwrap();
    app.raw_sql("update users set operator = true where email = 'ada@acme.test'").await;
    app.set_password(ADA, PASSWORD).await;
    app.set_password(YUKI, PASSWORD).await;
    let yuki = app.visitor();
    yuki.post("/sign-in", &[("email", YUKI), ("password", PASSWORD)]).await.assert_status(303);
    yuki.post("/a/acme/requests", &[("permission", "members.view"), ("note", "To find my team")])
        .await
        .assert_status(303);
    let ada = app.visitor();
    ada.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await.assert_status(303);
    // A member who was removed and restored, and one who can still be restored.
    for (name, is_undone) in [("mateo.ibanez", true), ("seun.adeyemi", false)] {
        let membership = membership(app, name).await;
        ada.post(&format!("/a/acme/members/{membership}/remove"), &[]).await.assert_status(303);
        if is_undone {
            ada.post(&format!("/a/acme/members/{membership}/restore"), &[]).await.assert_status(303);
        }
    }
    ada
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_and_valid() {
    let app = serve_on_sqlite().await;
    let ada = fill_with_demo(&app).await;
    let paths = paths(&app, &ada).await;
    assert!(paths.len() > 20, "{paths:?}");

    assert_valid_html(&ada, &paths).await;
    let (light, dark) = tokio::join!(
        async {
            let mut all = faults_of_all(&app, Theme::Light, 1440, &paths).await;
            all.extend(faults_of_all(&app, Theme::Light, 390, &paths).await);
            all
        },
        async {
            let mut all = faults_of_all(&app, Theme::Dark, 1440, &paths).await;
            all.extend(faults_of_all(&app, Theme::Dark, 390, &paths).await);
            all
        },
    );
    let wrong: Vec<String> = light.into_iter().chain(dark).collect();
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

/// Asserts that the Nu Html Checker finds no error in any page.
async fn assert_valid_html(ada: &TestUser, paths: &[String]) {
    let dir = tempfile::tempdir().unwrap();
    for (at, path) in paths.iter().enumerate() {
        let response = ada.get(path).await;
        std::fs::write(dir.path().join(format!("{at}.html")), format!("{}<!-- {path} -->", response.body))
            .unwrap();
    }
    let found = check_html(dir.path());
    let named = |line: &str| {
        let at = line
            .split(".html")
            .next()
            .and_then(|path| path.rsplit('/').next())
            .and_then(|name| name.parse::<usize>().ok());
        format!("{}: {line}", at.map_or("", |index| &paths[index]))
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
