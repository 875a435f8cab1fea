//! Security & SSO › Domains & enforcement: whose people come through the provider, and whether they must.
mod remove;

use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
        reauth::{Given, Proof},
        routes::Routes,
    },
    model::{
        account::{Kind, LoginType},
        domain::Domain,
        id::{DomainId, JoinId},
        permission::{InviteMembers, ManageSso},
    },
    store::{
        Change,
        domains::{
            self, Claimed, joining,
            overview::{self, Overview, Touched},
        },
        sso::announce,
    },
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/sso/domains", show)
        .post("/a/{slug}/sso/domains", add)
        .post("/a/{slug}/sso/domains/{id}/check", check)
        .post("/a/{slug}/sso/joining", set_joining)
        .post("/a/{slug}/sso/joins/{id}/accept", accept)
        .post("/a/{slug}/sso/joins/{id}/decline", decline)
        .post("/a/{slug}/sso/prove", prove)
        .merge(remove::routes())
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    domain: String,
    joining: String,
    #[serde(flatten)]
    pub(super) proof: Given,
}

/// What was typed and refused, and what is shown once.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) typed: Typed,
    pub(super) faults: Faults,
    pub(super) codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "sso/domains/index.html")]
struct Index {
    slug: String,
    typed: Typed,
    faults: Faults,
    proof: Proof,
    is_owner: bool,
    domains: Vec<Row>,
    joining: String,
    asking: Vec<Asking>,
    is_connected: bool,
    is_enforced: bool,
    confirm_by: Option<When>,
    since: Option<When>,
    all: i64,
    locked_out: i64,
    told: Option<When>,
    touched: Vec<Touch>,
    codes: Vec<String>,
    codes_left: i64,
}

struct Row {
    id: DomainId,
    domain: String,
    note: String,
    is_verified: bool,
    is_missing: bool,
    vouched: bool,
    record: String,
    value: String,
}

struct Asking {
    id: JoinId,
    name: String,
    email: String,
    at: When,
}

struct Touch {
    name: String,
    email: String,
    method: String,
    why: String,
}

fn touch(it: Touched, zone: &TimeZone) -> Touch {
    let why = match it.used_at {
        None => "Never used SSO".to_owned(),
        Some(at) => format!("Last used SSO {}", When::day(at, zone).text),
    };
    let method = it
        .method
        .map_or("Not lately".to_owned(), |it| LoginType::parse(&it).map_or(it, |it| it.title().to_owned()));
    Touch { name: it.name, email: it.email, method, why }
}

async fn show(can: Can<ManageSso>, page: Page) -> Result<Response> {
    ask(&can, &page, Shown::default()).await
}

fn row(it: Claimed, zone: &TimeZone) -> Row {
    Row {
        note: match (it.vouched, it.checked_at) {
            (true, _) => "The operator vouches for it".to_owned(),
            (_, Some(at)) => format!("Checked {}", When::minute(at, zone).text),
            (_, None) => format!("Added {}", When::minute(it.created_at, zone).text),
        },
        is_verified: it.verified_at.is_some(),
        is_missing: it.missing_since.is_some(),
        vouched: it.vouched,
        record: it.record(),
        value: it.value(),
        id: it.id,
        domain: it.domain,
    }
}

pub(super) async fn ask(can: &Can<ManageSso>, page: &Page, shown: Shown) -> Result<Response> {
    if can.me().here.kind != Kind::Organization {
        return Err(Error::NotFound);
    }
    let zone = page.zone(can.me().time_zone.as_deref());
    let proof = can.proof().await?;
    let mut scope = can.read();
    let Overview { domains, state } = overview::read(&mut scope).await?;
    let (asking, touched) = overview::people(&mut scope).await?;
    let now = can.kit().now();
    let Shown { typed, faults, codes } = shown;
    let told = state.told_at.filter(|it| now.since(*it) < announce::PAUSE);
    let index = Index {
        slug: can.slug().to_owned(),
        typed,
        faults,
        proof,
        is_owner: can.me().is_owner,
        domains: domains.into_iter().map(|it| row(it, &zone)).collect(),
        joining: state.joining.clone(),
        asking: asking
            .into_iter()
            .map(|it| Asking {
                id: it.id,
                name: it.name,
                email: it.email,
                at: When::day(it.created_at, &zone),
            })
            .collect(),
        is_connected: state.is_connected,
        is_enforced: state.is_enforced(now),
        confirm_by: state.confirm_by.map(|it| When::minute(it, &zone)),
        since: state.enforced_at.map(|it| When::day(it, &zone)),
        all: state.people,
        locked_out: state.locked_out,
        told: told.map(|it| When::minute(it, &zone)),
        touched: touched.into_iter().map(|it| touch(it, &zone)).collect(),
        codes,
        codes_left: state.codes_left,
    };
    page.show(&mut scope, "Security & SSO", index).await
}

/// Says what was done, or shows the page with what is wrong.
pub(super) async fn told(can: &Can<ManageSso>, page: Page, typed: Typed, done: Result<String>) -> Result<Response> {
    match done {
        Ok(said) => Ok(page.done(&can.path("sso/domains"), said)),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(can, &page.with(status), Shown { typed, faults, codes: vec![] }).await
        }
    }
}

/// Proves once what the acts of this page ask for: there are several, and no room for a password in each.
async fn prove(can: Can<ManageSso>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let done = can.prove(&it.proof).await;
    told(&can, page, it, done.map(|_| "Confirmed. You are not asked again for ten minutes.".to_owned())).await
}

async fn add(can: Can<ManageSso>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let done = async {
        let domain = Domain::parse(&it.domain).map_err(Error::at("domain"))?;
        let fresh = can.prove(&it.proof).await?;
        can.change(async |change| domains::add(change, &fresh, &domain).await).await?;
        Ok(format!("{domain} is listed. Add its record to the DNS, then check it."))
    };
    let done = done.await;
    told(&can, page, it, done).await
}

async fn check(can: Can<ManageSso>, page: Page, At(id): At<DomainId>) -> Result<Response> {
    let done = async {
        let it = domains::find(&mut can.read(), id).await?;
        let found = can.kit().outgoing.txt(&it.record()).await.map_err(domains::unreachable)?;
        let is_there = it.is_in(&found);
        let noted = async |change: &mut Change| {
            domains::checked(change, id, is_there).await?;
            domains::find(change, id).await
        };
        can.change(noted).await?.outcome(&found)
    };
    let done = done.await;
    told(&can, page, Typed::default(), done).await
}

async fn set_joining(can: Can<ManageSso>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let done = can.change(async |change| joining::set(change, &it.joining).await).await;
    let done = done.map(|()| "Saved.".to_owned());
    told(&can, page, it, done).await
}

async fn accept(can: Can<InviteMembers>, page: Page, At(id): At<JoinId>) -> Result<Response> {
    let name = can.change(async |change| joining::answer(change, id, true).await).await?;
    Ok(page.done(&can.path("sso/domains"), format!("{name} is a member now.")))
}

async fn decline(can: Can<InviteMembers>, page: Page, At(id): At<JoinId>) -> Result<Response> {
    let name = can.change(async |change| joining::answer(change, id, false).await).await?;
    Ok(page.done(&can.path("sso/domains"), format!("{name} does not join.")))
}
