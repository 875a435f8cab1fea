//! The settings of an account: its name and address, its policies, who owns it, and its end.
mod deletion;
mod second_factor;
mod transfer;

use crate::{
    error::{Error, Fault, Result},
    http::{form::Form, gate::Can, routes::Routes},
    model::{
        access::Entry,
        account::Kind,
        catalog::{Catalog, RateLimit},
        permission::{Needs, Permission, UpdateAccount, ViewAccount},
        text::{Name, Slug, counted, grouped},
    },
    store::{
        accounts::{self, Account, Update},
        transfers::{self, Transfer},
    },
    view::{
        page::{Faults, Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/settings", show)
        .post("/a/{slug}/settings", save)
        .post("/a/{slug}/settings/policies", save_policies)
        .merge(transfer::routes())
        .merge(deletion::routes())
        .merge(second_factor::routes())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct General {
    name: String,
    slug: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Policies {
    admins_may_delete: String,
}

#[expect(clippy::struct_excessive_bools, reason = "what the page offers to this visitor, one by one")]
#[derive(Template)]
#[template(path = "settings/index.html")]
struct Index {
    slug: String,
    name: String,
    noun: &'static str,
    class: &'static str,
    typed: General,
    faults: Faults,
    is_personal: bool,
    is_owner: bool,
    may_update: bool,
    may_transfer: bool,
    may_delete: bool,
    may_leave: bool,
    admins_may_delete: bool,
    is_organization: bool,
    requires_second_factor: bool,
    owner_name: String,
    owner_email: String,
    owner_tint: u8,
    members: String,
    plan: String,
    payer: String,
    limits: Vec<String>,
    opened: When,
    offer: Option<Offer>,
}

/// An offer of ownership, as one of its two sides sees it.
struct Offer {
    to: String,
    to_me: bool,
    until: When,
}

impl Index {
    fn is_offered_to_me(&self) -> bool {
        self.offer.as_ref().is_some_and(|it| it.to_me)
    }
    fn facts_title(&self) -> &'static str {
        if self.may_update { "Plan and limits" } else { "About it" }
    }
    /// What can be undone by nobody is offered in a place of its own.
    fn has_danger(&self) -> bool {
        self.may_delete || self.may_leave
    }
    fn of(who: &Entry, it: Account, offer: Option<Transfer>, catalog: &Catalog, zone: &TimeZone) -> Index {
        let is_personal = it.kind == Kind::Personal;
        let is_side = |offer: &Transfer| who.is_owner || offer.to.id == who.person.id;
        Index {
            typed: General { name: it.name.clone(), slug: it.slug.clone() },
            faults: Faults::default(),
            noun: it.kind.noun(),
            class: match it.kind {
                Kind::Personal => "",
                Kind::Organization => "org",
                Kind::Team => "team",
            },
            is_personal,
            is_owner: who.is_owner,
            may_update: who.may(Permission::UpdateAccount),
            may_transfer: who.may(Permission::TransferAccount),
            may_delete: who.may(Permission::DeleteAccount),
            may_leave: who.membership.is_some() && !who.is_owner,
            admins_may_delete: it.admins_may_delete,
            is_organization: it.kind == Kind::Organization,
            requires_second_factor: it.requires_second_factor,
            members: counted(it.member_count, "member"),
            plan: catalog.plan_name(&it.plan).to_owned(),
            payer: it.parent().map(|it| it.name).unwrap_or_default(),
            limits: catalog.plan(&it.plan).map_or_else(Vec::new, |it| it.limits.iter().map(limit).collect()),
            opened: When::day(it.created_at, zone),
            offer: offer.filter(is_side).map(|offer| Offer {
                to_me: offer.to.id == who.person.id,
                to: offer.to.name,
                until: When::minute(offer.expires_at, zone),
            }),
            slug: it.slug,
            name: it.name,
            owner_tint: tint(&it.owner_id.to_string()),
            owner_name: it.owner_name,
            owner_email: it.owner_email,
        }
    }
}

/// `600 requests a minute`.
fn limit(it: &RateLimit) -> String {
    let span = match it.seconds {
        1 => "a second".to_owned(),
        60 => "a minute".to_owned(),
        3600 => "an hour".to_owned(),
        86_400 => "a day".to_owned(),
        other => format!("in {other} seconds"),
    };
    format!("{} requests {span}", grouped(it.requests.into()))
}

async fn show(can: Can<ViewAccount>, page: Page) -> Result<Response> {
    settings(&can, &page, None, Faults::default()).await
}

async fn settings<P: Needs>(
    can: &Can<P>,
    page: &Page,
    typed: Option<General>,
    faults: Faults,
) -> Result<Response> {
    let mut scope = can.read();
    let account = accounts::here(&mut scope).await?;
    let offer = transfers::find(&mut scope).await?;
    let zone = page.zone(can.me().time_zone.as_deref());
    let mut index = Index::of(can.me(), account, offer, &can.kit().catalog, &zone);
    index.faults = faults;
    index.typed = typed.unwrap_or(index.typed);
    page.show(&mut scope, "Settings", index).await
}

async fn save(can: Can<UpdateAccount>, page: Page, Form(it): Form<General>) -> Result<Response> {
    match rename(&can, &it).await {
        Ok(slug) => Ok(page.done(&format!("/a/{slug}/settings"), "The settings are saved.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            settings(&can, &page.with(status), Some(it), faults).await
        }
    }
}

async fn rename(can: &Can<UpdateAccount>, it: &General) -> Result<String> {
    let mut faults = vec![];
    let mut fault = |field: &str, it: crate::model::text::Refusal| {
        faults.push(Fault::new(field, it.code, it.detail));
    };
    let name = Name::parse(&it.name).map_err(|it| fault("name", it)).ok();
    let slug = Slug::parse(&it.slug).map_err(|it| fault("slug", it)).ok();
    let (Some(name), Some(slug)) = (name, slug) else { return Err(Error::Invalid(faults)) };
    let to = slug.as_str().to_owned();
    let update = Update { name: Some(name), slug: Some(slug), admins_may_delete: None };
    can.change(async |change| accounts::update(change, update).await).await?;
    Ok(to)
}

async fn save_policies(can: Can<UpdateAccount>, page: Page, Form(it): Form<Policies>) -> Result<Response> {
    let policy = !it.admins_may_delete.is_empty();
    let update = Update { admins_may_delete: Some(policy), ..Update::default() };
    match can.change(async |change| accounts::update(change, update).await).await {
        Ok(()) => Ok(page.done(&can.path("settings"), "The policies are saved.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            settings(&can, &page.with(status), None, faults).await
        }
    }
}
