//! Creating a key: for how long, for what, and what that comes to in words.
use crate::{
    error::{Error, Fault, Result},
    http::{
        form::{Form, Query},
        gate::Can,
        reauth::{Given, Proof},
    },
    model::{
        access::Entry,
        catalog::Plan,
        grant::Grant,
        id::ResourceId,
        permission::{OwnKeys, Permission, Permissions},
        text::{Name, counted},
        time::{DAY, Time},
    },
    store::{Scope, access::EVERYDAY, keys, scopable_resources},
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    expires: String,
    date: String,
    /// `all` or `some`.
    what: String,
    perm: Vec<String>,
    resources: Vec<String>,
    find: String,
    /// Not to be created yet: the list of resources is to be searched.
    look: String,
    #[serde(flatten)]
    proof: Given,
}
impl Default for Typed {
    fn default() -> Typed {
        let (empty, none) = (String::new, Vec::new);
        Typed {
            name: empty(),
            expires: "12m".into(),
            date: empty(),
            what: "all".into(),
            perm: none(),
            resources: none(),
            find: empty(),
            look: empty(),
            proof: Given::default(),
        }
    }
}

impl Typed {
    /// None: all that its maker may, but for what is ticked by hand.
    fn permissions(&self) -> Option<Permissions> {
        let ticked: Vec<Permission> = self.perm.iter().filter_map(|it| Permission::parse(it)).collect();
        (self.what == "some").then(|| Permissions::of(&ticked))
    }
    /// None: all.
    fn resources(&self) -> Option<Vec<ResourceId>> {
        let ids: Vec<ResourceId> = self.resources.iter().filter_map(|it| it.parse().ok()).collect();
        (self.what == "some" && !ids.is_empty()).then_some(ids)
    }
    fn ends(&self, now: Time, zone: &TimeZone) -> Result<Option<Time>, Fault> {
        Ok(Some(match self.expires.as_str() {
            "30d" => now.plus(30 * DAY),
            "90d" => now.plus(90 * DAY),
            "6m" => now.plus_months(6),
            "12m" => now.plus_months(12),
            "never" => return Ok(None),
            "date" => Time::end_of_day(self.date.trim(), zone)
                .ok_or_else(|| Fault::new("date", "invalid", "Choose the last day on which it works."))?,
            _ => return Err(Fault::new("expires", "invalid", "Choose how long it works.")),
        }))
    }
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

/// A permission that can be ticked.
struct Tick {
    key: &'static str,
    says: &'static str,
    checked: bool,
}

struct Offered {
    id: String,
    name: String,
    kind: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "keys/new.html")]
struct New {
    base: String,
    typed: Typed,
    faults: Faults,
    ends: &'static [(&'static str, &'static str)],
    zone: String,
    tomorrow: String,
    /// What a key holds only when it is ticked, with proof.
    grave: Vec<Tick>,
    ticks: Vec<Tick>,
    resources: Vec<Offered>,
    more_resources: bool,
    proof: Proof,
    summary: Summary,
}

/// What the key will do, in words.
#[derive(Template)]
#[template(path = "keys/summary.html")]
struct Summary {
    account: String,
    all: bool,
    may: Vec<&'static str>,
    more: usize,
    changes_nothing: bool,
    is_grave: bool,
    /// `2 resources`.
    reaches: String,
    /// None: never.
    ends: Option<When>,
    knows_end: bool,
    limits: String,
}

/// How many permissions are told one by one.
const TOLD: usize = 8;

impl Summary {
    fn of(me: &Entry, typed: &Typed, plan: Option<&Plan>, now: Time, zone: &TimeZone) -> Summary {
        let asked = typed.permissions();
        let all: Vec<Permission> = asked.into_iter().flat_map(|it| it.iter().collect::<Vec<_>>()).collect();
        let ends = typed.ends(now, zone);
        let only_looks = |it: &Permission| {
            it.key().rsplit_once('.').is_some_and(|it| it.1 == "view") || *it == Permission::RunResources
        };
        let reaches = typed.resources().map_or(0, |it| it.len());
        Summary {
            account: me.here.name.clone(),
            all: asked.is_none(),
            may: all.iter().take(TOLD).map(|it| it.says()).collect(),
            more: all.len().saturating_sub(TOLD),
            changes_nothing: !all.is_empty() && all.iter().all(only_looks),
            is_grave: asked.is_some_and(|it| it.without(EVERYDAY) != Permissions::NONE),
            reaches: if reaches == 0 {
                String::new()
            } else {
                counted(i64::try_from(reaches).unwrap_or(0), "resource")
            },
            knows_end: ends.is_ok(),
            ends: ends.ok().flatten().map(|at| When::day(at, zone)),
            limits: plan.map_or_else(String::new, Plan::limits_in_words),
        }
    }
}

pub(super) async fn show(can: Can<OwnKeys>, page: Page) -> Result<Response> {
    ask(&can, &page, Typed::default(), Faults::default()).await
}

/// For who changes a choice with a script.
pub(super) async fn summary(can: Can<OwnKeys>, page: Page, Query(typed): Query<Typed>) -> Result<Response> {
    let html = summed(&can, &page, &typed).render().map_err(|it| Error::Internal(it.to_string()))?;
    Ok(page.whole("", |_| html))
}

fn summed(can: &Can<OwnKeys>, page: &Page, typed: &Typed) -> Summary {
    let (me, kit) = (can.me(), can.kit());
    let plan = kit.catalog.plans.iter().find(|it| it.id == me.here.plan);
    Summary::of(me, typed, plan, kit.now(), &page.zone(me.time_zone.as_deref()))
}

async fn ask(can: &Can<OwnKeys>, page: &Page, typed: Typed, faults: Faults) -> Result<Response> {
    let me = can.me();
    let zone = page.zone(me.time_zone.as_deref());
    // Asked for only where something needs it.
    let grave = Permission::ALL.iter().any(|it| !EVERYDAY.has(*it) && me.may(*it));
    let proof = if grave { can.proof().await? } else { Proof::default() };
    let mut scope = can.read();
    let (resources, more_resources) = offered(&mut scope, &typed).await?;
    let (grave, ticks) = ticks(me, &typed)
        .into_iter()
        .partition(|it| Permission::parse(it.key).is_some_and(|it| !EVERYDAY.has(it)));
    let new = New {
        base: can.path("keys"),
        ends: ENDS,
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        tomorrow: can.kit().now().plus(DAY).date(&zone),
        grave,
        ticks,
        resources,
        more_resources,
        proof,
        summary: summed(can, page, &typed),
        typed,
        faults,
    };
    page.show(&mut scope, "Create API key", new).await
}

/// What the maker holds: about resources first, for that is what most keys are for.
fn ticks(me: &Entry, typed: &Typed) -> Vec<Tick> {
    let mut all: Vec<Permission> = Permission::ALL.iter().copied().filter(|it| me.may(*it)).collect();
    all.sort_by_key(|it| !it.is_of_resources());
    let tick = |it: Permission| Tick {
        key: it.key(),
        says: it.says(),
        checked: typed.perm.iter().any(|typed| typed == it.key()),
    };
    all.into_iter().map(tick).collect()
}

async fn offered(scope: &mut Scope, typed: &Typed) -> Result<(Vec<Offered>, bool)> {
    let chosen: Vec<uuid::Uuid> = typed.resources.iter().filter_map(|it| it.parse().ok()).collect();
    let catalog = scope.kit().catalog.clone();
    let mut found = scopable_resources::any(scope, &typed.find, &chosen).await?;
    let more = found.len() > scopable_resources::MOST;
    found.truncate(scopable_resources::MOST);
    let offered = |it: scopable_resources::Source| Offered {
        chosen: chosen.contains(&it.id.0),
        kind: catalog.kinds.iter().find(|kind| kind.id == it.kind).map_or(it.kind, |it| it.name.clone()),
        name: it.name,
        id: it.id.to_string(),
    };
    Ok((found.into_iter().map(offered).collect(), more))
}

#[derive(Template)]
#[template(path = "keys/created.html")]
pub(super) struct Created {
    pub base: String,
    pub name: String,
    pub secret: String,
    pub roles: Vec<String>,
    pub holds: String,
    pub expires: Option<When>,
    pub limits: String,
    pub call: String,
    /// Until when the key works that it takes the place of.
    pub old: Option<When>,
}

impl Created {
    /// The answer to the form itself: the secret is kept nowhere from which another page could show it.
    pub(super) async fn show(
        can: &Can<OwnKeys>,
        page: &Page,
        key: &keys::Key,
        secret: String,
        old: Option<When>,
    ) -> Result<Response> {
        let (me, zone) = (can.me(), page.zone(can.me().time_zone.as_deref()));
        let plan = can.kit().catalog.plans.iter().find(|it| it.id == me.here.plan);
        let created = Created {
            base: can.path("keys"),
            name: key.name.clone(),
            secret,
            roles: me.rights.grants.iter().map(Grant::title).collect(),
            holds: super::holds(key, true).join(", "),
            expires: key.expires_at.map(|at| When::minute(at, &zone)),
            limits: plan.map_or_else(String::new, Plan::limits_in_words),
            call: can.kit().url(&format!("/api/v1/accounts/{}", me.here.slug)),
            old,
        };
        page.show(&mut can.read(), "API key created", created).await
    }
}

pub(super) async fn create(can: Can<OwnKeys>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    if !it.look.is_empty() {
        return ask(&can, &page, it, Faults::default()).await;
    }
    let zone = page.zone(can.me().time_zone.as_deref());
    match make(&can, &it, &zone).await {
        Ok((key, secret)) => Created::show(&can, &page, &key, secret, None).await,
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), it, faults).await
        }
    }
}

async fn make(can: &Can<OwnKeys>, it: &Typed, zone: &TimeZone) -> Result<(keys::Key, String)> {
    let mut faults = vec![];
    let name = Name::parse(&it.name).map_err(|it| faults.push(Fault::new("name", it.code, it.detail))).ok();
    let expires_at = it.ends(can.kit().now(), zone).unwrap_or_else(|it| {
        faults.push(it);
        None
    });
    let permissions = it.permissions();
    if permissions == Some(Permissions::NONE) {
        faults.push(Fault::new("permissions", "required", "Choose at least one permission."));
    }
    let Some(name) = name.filter(|_| faults.is_empty()) else { return Err(Error::Invalid(faults)) };
    if let Some(missing) = permissions.into_iter().flat_map(Permissions::iter).find(|it| !can.me().may(*it)) {
        return Err(Error::Forbidden(missing));
    }
    let is_grave = permissions.is_some_and(|it| it.without(EVERYDAY) != Permissions::NONE);
    let proof = if is_grave { Some(can.prove(&it.proof).await?) } else { None };
    let new = keys::New { name: &name, expires_at, permissions, resources: it.resources() };
    let made = can
        .change(async |change| {
            let (id, secret) = keys::create(change, &new, proof.as_ref()).await?;
            Ok((keys::find(change, id).await?, secret))
        })
        .await;
    // The field of the form is called otherwise than that of the API.
    made.map_err(|error| match error {
        Error::Invalid(all) => Error::Invalid(
            all.into_iter()
                .map(|it| if it.field == "expires_at" { Fault { field: "date".into(), ..it } } else { it })
                .collect(),
        ),
        other => other,
    })
}
