//! Security & SSO › Domains & enforcement: which domains use the provider, and whether their people must.
mod remove;

use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    model::{
        access::Access,
        account::{Kind, LoginType},
        domain::Domain,
        id::{DomainId, JoinId},
        permission::{InviteMembers, ManageSso},
    },
    store::{
        Change,
        domains::{
            self, DomainClaim, joining,
            overview::{self, AffectedMember, DomainsOverview},
        },
        sso::announce,
    },
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

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
pub(super) struct DomainsForm {
    domain: String,
    joining: String,
    #[serde(flatten)]
    pub(super) reauth: ReauthInput,
}

/// What the page shows beside its state: the refused form, and break-glass codes that are shown once.
#[derive(Default)]
pub(super) struct DomainsFeedback {
    pub(super) form: DomainsForm,
    pub(super) errors: FormErrors,
    pub(super) codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "sso/domains/index.html")]
struct DomainsPage {
    slug: String,
    form: DomainsForm,
    errors: FormErrors,
    reauth: ReauthForm,
    is_owner: bool,
    domains: Vec<DomainRow>,
    joining: String,
    join_requests: Vec<JoinRequestRow>,
    is_connected: bool,
    is_enforced: bool,
    confirm_by: Option<When>,
    since: Option<When>,
    all: i64,
    locked_out: i64,
    announced: Option<When>,
    affected: Vec<AffectedMemberRow>,
    codes: Vec<String>,
    codes_left: i64,
}

struct DomainRow {
    id: DomainId,
    domain: String,
    note: String,
    is_verified: bool,
    is_missing: bool,
    vouched: bool,
    record: String,
    value: String,
}

struct JoinRequestRow {
    id: JoinId,
    name: String,
    email: String,
    at: When,
}

struct AffectedMemberRow {
    name: String,
    email: String,
    method: String,
    why: String,
}

fn affected_member(affected: AffectedMember, zone: &TimeZone) -> AffectedMemberRow {
    let why = match affected.used_at {
        None => "Never used SSO".to_owned(),
        Some(at) => format!("Last used SSO {}", When::day(at, zone).text),
    };
    let method = affected.method.map_or("Not lately".to_owned(), |method| {
        LoginType::parse(&method).map_or(method, |login_type| login_type.label().to_owned())
    });
    AffectedMemberRow { name: affected.name, email: affected.email, method, why }
}

async fn show(can: Can<ManageSso>, page: Page) -> Result<Response> {
    ask(&can, &page, DomainsFeedback::default()).await
}

fn row(domain: DomainClaim, zone: &TimeZone) -> DomainRow {
    DomainRow {
        note: match (domain.vouched, domain.checked_at) {
            (true, _) => "The operator vouches for it".to_owned(),
            (_, Some(at)) => format!("Checked {}", When::minute(at, zone).text),
            (_, None) => format!("Added {}", When::minute(domain.created_at, zone).text),
        },
        is_verified: domain.verified_at.is_some(),
        is_missing: domain.missing_since.is_some(),
        vouched: domain.vouched,
        record: domain.record(),
        value: domain.value(),
        id: domain.id,
        domain: domain.domain,
    }
}

pub(super) async fn ask(can: &Can<ManageSso>, page: &Page, feedback: DomainsFeedback) -> Result<Response> {
    if can.access().account.kind != Kind::Organization {
        return Err(Error::NotFound);
    }
    let zone = page.zone(can.actor().time_zone());
    let reauth = can.reauth_form().await?;
    let mut scope = can.read();
    let DomainsOverview { domains, state } = overview::read(&mut scope).await?;
    let (join_requests, affected) = overview::people(&mut scope).await?;
    let now = can.context().now();
    let DomainsFeedback { form, errors, codes } = feedback;
    let announced_at = state.told_at.filter(|time| now.since(*time) < announce::PAUSE);
    let body = DomainsPage {
        slug: can.slug().to_owned(),
        form,
        errors,
        reauth,
        is_owner: can.access().is_owner,
        domains: domains.into_iter().map(|domain| row(domain, &zone)).collect(),
        joining: state.join_policy.clone(),
        join_requests: join_requests
            .into_iter()
            .map(|person| JoinRequestRow {
                id: person.id,
                name: person.name,
                email: person.email,
                at: When::day(person.created_at, &zone),
            })
            .collect(),
        is_connected: state.is_connected,
        is_enforced: state.is_enforced(now),
        confirm_by: state.confirm_by.map(|time| When::minute(time, &zone)),
        since: state.enforced_at.map(|time| When::day(time, &zone)),
        all: state.people,
        locked_out: state.locked_out,
        announced: announced_at.map(|time| When::minute(time, &zone)),
        affected: affected.into_iter().map(|affected| affected_member(affected, &zone)).collect(),
        codes,
        codes_left: state.codes_left,
    };
    page.show(&mut scope, "Security & SSO", body).await
}

/// Redirects with a message, or shows the form again with its errors.
pub(super) async fn respond(
    can: &Can<ManageSso>,
    page: Page,
    form: DomainsForm,
    done: Result<String>,
) -> Result<Response> {
    match done {
        Ok(message) => Ok(page.done(&can.path("sso/domains"), message)),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(can, &page.with(status), DomainsFeedback { form, errors, codes: vec![] }).await
        }
    }
}

/// Confirms the identity once for all forms of this page, which have no room for a password each.
async fn prove(can: Can<ManageSso>, page: Page, Form(form): Form<DomainsForm>) -> Result<Response> {
    let done = can.reauthenticate(&form.reauth).await;
    respond(&can, page, form, done.map(|_| "Confirmed. You are not asked again for ten minutes.".to_owned()))
        .await
}

async fn add(can: Can<ManageSso>, page: Page, Form(form): Form<DomainsForm>) -> Result<Response> {
    let done = async {
        let domain = Domain::parse(&form.domain).map_err(Error::at("domain"))?;
        let fresh = can.reauthenticate(&form.reauth).await?;
        can.change(async |change| domains::add(change, &fresh, &domain).await).await?;
        Ok(format!("{domain} is listed. Add its record to the DNS, then check it."))
    };
    let done = done.await;
    respond(&can, page, form, done).await
}

async fn check(can: Can<ManageSso>, page: Page, PathId(id): PathId<DomainId>) -> Result<Response> {
    let done = async {
        let domain = domains::find(&mut can.read(), id).await?;
        let records =
            can.context().outgoing.lookup_txt(&domain.record()).await.map_err(domains::unreachable)?;
        let has_record = domain.is_in(&records);
        let store_result = async |change: &mut Change<Access>| {
            domains::record_check(change, id, has_record).await?;
            domains::find(change, id).await
        };
        can.change(store_result).await?.outcome(&records)
    };
    let done = done.await;
    respond(&can, page, DomainsForm::default(), done).await
}

async fn set_joining(can: Can<ManageSso>, page: Page, Form(form): Form<DomainsForm>) -> Result<Response> {
    let done = can.change(async |change| joining::set(change, &form.joining).await).await;
    let done = done.map(|()| "Saved.".to_owned());
    respond(&can, page, form, done).await
}

async fn accept(can: Can<InviteMembers>, page: Page, PathId(id): PathId<JoinId>) -> Result<Response> {
    let name = can.change(async |change| joining::answer(change, id, true).await).await?;
    Ok(page.done(&can.path("sso/domains"), format!("{name} is a member now.")))
}

async fn decline(can: Can<InviteMembers>, page: Page, PathId(id): PathId<JoinId>) -> Result<Response> {
    let name = can.change(async |change| joining::answer(change, id, false).await).await?;
    Ok(page.done(&can.path("sso/domains"), format!("{name} does not join.")))
}
