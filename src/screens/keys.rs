//! API keys: listed, made, revoked.
use crate::{
    app::{
        form::{Form, Query},
        gate::{At, Can},
        page::{Faults, Page, When},
        routes::Routes,
        shell::tint,
    },
    error::{Error, Fault, Result},
    model::{
        id::KeyId,
        permission::{OwnKeys, Permission, SeeKeys},
        text::{Name, counted},
        time::{DAY, Time},
    },
    store::keys::{self, Key},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/keys", list)
        .post("/a/{slug}/keys", create)
        .get("/a/{slug}/keys/new", show)
        .post("/a/{slug}/keys/{id}/revoke", revoke)
}

/// How many a page lists.
const MOST: i64 = 50;
/// From when on a list warns.
const SOON: std::time::Duration = DAY.saturating_mul(30);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paged {
    after: String,
}

#[derive(Template)]
#[template(path = "keys/index.html")]
struct Index {
    slug: String,
    account: String,
    may_create: bool,
    shows_owners: bool,
    rows: Vec<Row>,
    newest: String,
    older: String,
}

struct Row {
    id: String,
    name: String,
    last4: String,
    owner: String,
    owner_tint: u8,
    used: Option<When>,
    expires: Option<When>,
    left: String,
    status: &'static str,
    state: &'static str,
    works: bool,
}

impl Row {
    fn of(it: Key, now: Time, zone: &TimeZone) -> Row {
        let status = it.status(now);
        let left = it.expires_at.map(|end| end.since(now)).filter(|it| *it < SOON && status == "active");
        let (status, state) = match (status, left) {
            ("active", Some(_)) => ("Expires soon", "wait"),
            ("active", None) => ("Active", ""),
            ("expired", _) => ("Expired", "off"),
            _ => ("Revoked", "off"),
        };
        let days = |it: std::time::Duration| i64::try_from(it.as_secs() / DAY.as_secs()).unwrap_or(0);
        Row {
            id: it.id.to_string(),
            name: it.name,
            last4: it.last4,
            owner: it.owner_name.unwrap_or_else(|| "Somebody who left".into()),
            owner_tint: tint(&it.user_id.map_or_else(String::new, |it| it.to_string())),
            used: it.used_at.map(|at| When::minute(at, zone)),
            expires: it.expires_at.map(|at| When::day(at, zone)),
            left: left.map(days).map_or_else(String::new, |it| match it {
                0 => "within a day".to_owned(),
                it => format!("in {}", counted(it, "day")),
            }),
            status,
            state,
            works: state != "off",
        }
    }
}

async fn list(can: Can<SeeKeys>, page: Page, Query(it): Query<Paged>) -> Result<Response> {
    let (me, now) = (can.me(), can.kit().now());
    let zone = page.zone(me.time_zone.as_deref());
    let after: Option<KeyId> = it.after.parse().ok();
    let mut scope = can.read().await?;
    let mut found = keys::list(&mut scope, after, MOST + 1).await?;
    let more = i64::try_from(found.len()).unwrap_or(i64::MAX) > MOST;
    found.truncate(usize::try_from(MOST).unwrap_or(0));
    let older = found.last().filter(|_| more).map(|it| format!("{}?after={}", can.path("keys"), it.id));
    let index = Index {
        slug: me.here.slug.clone(),
        account: me.here.name.clone(),
        may_create: me.may(Permission::OwnKeys) && me.membership.is_some(),
        shows_owners: me.may(Permission::ManageKeys),
        rows: found.into_iter().map(|it| Row::of(it, now, &zone)).collect(),
        newest: after.map_or_else(String::new, |_| can.path("keys")),
        older: older.unwrap_or_default(),
    };
    page.show(&mut scope, "API keys", index).await
}

#[derive(Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    expires: String,
    date: String,
}
impl Default for Typed {
    fn default() -> Typed {
        Typed { name: String::new(), expires: "12m".into(), date: String::new() }
    }
}

#[derive(Template)]
#[template(path = "keys/new.html")]
struct New {
    slug: String,
    account: String,
    typed: Typed,
    faults: Faults,
    ends: Vec<(&'static str, &'static str)>,
    zone: String,
    tomorrow: String,
}

/// How long a key may live: its word, and as people say it.
const ENDS: &[(&str, &str)] = &[
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("6m", "6 months"),
    ("12m", "12 months"),
    ("date", "Date"),
    ("never", "Never"),
];

#[derive(Template)]
#[template(path = "keys/created.html")]
struct Created {
    slug: String,
    name: String,
    secret: String,
    roles: Vec<String>,
    expires: Option<When>,
    call: String,
}

async fn show(can: Can<OwnKeys>, page: Page) -> Result<Response> {
    ask(&can, &page, Typed::default(), Faults::default()).await
}

async fn ask(can: &Can<OwnKeys>, page: &Page, typed: Typed, faults: Faults) -> Result<Response> {
    let me = can.me();
    let zone = page.zone(me.time_zone.as_deref());
    let new = New {
        slug: me.here.slug.clone(),
        account: me.here.name.clone(),
        typed,
        faults,
        ends: ENDS.to_vec(),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        tomorrow: can.kit().now().plus(DAY).date(&zone),
    };
    page.show(&mut can.read().await?, "Create API key", new).await
}

async fn create(can: Can<OwnKeys>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let (expires_at, secret) = match make(&can, &it, &zone).await {
        Ok(made) => made,
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            return ask(&can, &page.with(status), it, faults).await;
        }
    };
    let me = can.me();
    let created = Created {
        slug: me.here.slug.clone(),
        name: it.name,
        secret,
        roles: me.rights.grants.iter().map(crate::model::grant::Grant::title).collect(),
        expires: expires_at.map(|at| When::minute(at, &zone)),
        call: can.kit().url(&format!("/api/v1/accounts/{}", me.here.slug)),
    };
    // The answer to the form itself: the secret is kept nowhere from which another page could show it.
    page.show(&mut can.read().await?, "API key created", created).await
}

async fn make(can: &Can<OwnKeys>, it: &Typed, zone: &TimeZone) -> Result<(Option<Time>, String)> {
    let mut faults = vec![];
    let name = Name::parse(&it.name).map_err(|it| faults.push(Fault::new("name", it.code, it.detail))).ok();
    let now = can.kit().now();
    let expires_at = match it.expires.as_str() {
        "30d" => Some(now.plus(30 * DAY)),
        "90d" => Some(now.plus(90 * DAY)),
        "6m" => Some(now.plus_months(6)),
        "12m" => Some(now.plus_months(12)),
        "never" => None,
        "date" => {
            let end = Time::end_of_day(it.date.trim(), zone);
            if end.is_none() {
                faults.push(Fault::new("date", "invalid", "Choose the last day on which it works."));
            }
            end
        }
        _ => {
            faults.push(Fault::new("expires", "invalid", "Choose how long it works."));
            None
        }
    };
    let Some(name) = name.filter(|_| faults.is_empty()) else { return Err(Error::Invalid(faults)) };
    let new = keys::New { name: &name, expires_at, permissions: None, resources: None };
    let made = can.change(async |change| keys::create(change, &new, None).await).await;
    // The field of the form is called otherwise than that of the API.
    let (_, secret) = made.map_err(|error| match error {
        Error::Invalid(all) => {
            Error::Invalid(all.into_iter().map(|it| Fault { field: "date".into(), ..it }).collect())
        }
        other => other,
    })?;
    Ok((expires_at, secret))
}

async fn revoke(can: Can<SeeKeys>, page: Page, At(id): At<KeyId>) -> Result<Response> {
    can.change(async |change| keys::revoke(change, id).await).await?;
    Ok(page.done(&can.path("keys"), "The key is revoked. It stopped at once."))
}
