//! The settings of an account: its name and address, its policies, its owner, and its deletion.
mod deletion;
mod second_factor;
mod transfer;

use crate::{
    error::{Error, FieldError, Result},
    http::{form::Form, gate::Can, routes::Routes},
    model::{
        access::Access,
        account::Kind,
        catalog::{Catalog, RateLimit},
        permission::{Needs, Permission, UpdateAccount, ViewAccount},
        text::{Name, Slug, counted, grouped},
    },
    store::{
        accounts::{self, Account, AccountUpdate},
        transfers::{self, Transfer},
    },
    view::{form_errors::FormErrors, page::Page, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

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
struct GeneralForm {
    name: String,
    slug: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PoliciesForm {
    admins_may_delete: String,
}

#[expect(clippy::struct_excessive_bools, reason = "the page asks each by itself")]
#[derive(Template)]
#[template(path = "settings/index.html")]
struct SettingsPage {
    slug: String,
    name: String,
    noun: &'static str,
    avatar_class: &'static str,
    form: GeneralForm,
    errors: FormErrors,
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
    offer: Option<OwnershipOffer>,
}

struct OwnershipOffer {
    to: String,
    to_me: bool,
    until: When,
}

impl SettingsPage {
    fn is_offered_to_me(&self) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.to_me)
    }
    fn facts_title(&self) -> &'static str {
        if self.may_update { "Plan and limits" } else { "About it" }
    }
    fn has_danger(&self) -> bool {
        self.may_delete || self.may_leave
    }
    fn of(
        access: &Access,
        account: Account,
        offer: Option<Transfer>,
        catalog: &Catalog,
        zone: &TimeZone,
    ) -> SettingsPage {
        let is_personal = account.kind == Kind::Personal;
        let is_side = |offer: &Transfer| access.is_owner || access.is_user(offer.to.id);
        SettingsPage {
            form: GeneralForm { name: account.name.clone(), slug: account.slug.clone() },
            errors: FormErrors::default(),
            noun: account.kind.noun(),
            avatar_class: match account.kind {
                Kind::Personal => "",
                Kind::Organization => "org",
                Kind::Team => "team",
            },
            is_personal,
            is_owner: access.is_owner,
            may_update: access.may(Permission::UpdateAccount),
            may_transfer: access.may(Permission::TransferAccount),
            may_delete: access.may(Permission::DeleteAccount),
            may_leave: access.membership.is_some() && !access.is_owner,
            admins_may_delete: account.admins_may_delete,
            is_organization: account.kind == Kind::Organization,
            requires_second_factor: account.requires_second_factor,
            members: counted(account.member_count, "member"),
            plan: catalog.plan_name(&account.plan).to_owned(),
            payer: account.parent().map(|parent| parent.name).unwrap_or_default(),
            limits: catalog
                .plan(&account.plan)
                .map_or_else(Vec::new, |plan| plan.limits.iter().map(limit).collect()),
            opened: When::day(account.created_at, zone),
            offer: offer.filter(is_side).map(|offer| OwnershipOffer {
                to_me: access.is_user(offer.to.id),
                to: offer.to.name,
                until: When::minute(offer.expires_at, zone),
            }),
            slug: account.slug,
            name: account.name,
            owner_tint: tint(&account.owner_id.to_string()),
            owner_name: account.owner_name,
            owner_email: account.owner_email,
        }
    }
}

/// `600 requests a minute`.
fn limit(limit: &RateLimit) -> String {
    let span = match limit.seconds {
        1 => "a second".to_owned(),
        60 => "a minute".to_owned(),
        3600 => "an hour".to_owned(),
        86_400 => "a day".to_owned(),
        other => format!("in {other} seconds"),
    };
    format!("{} requests {span}", grouped(limit.requests.into()))
}

async fn show(can: Can<ViewAccount>, page: Page) -> Result<Response> {
    settings(&can, &page, None, FormErrors::default()).await
}

async fn settings<P: Needs>(
    can: &Can<P>,
    page: &Page,
    form: Option<GeneralForm>,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let account = accounts::get(&mut scope).await?;
    let offer = transfers::find(&mut scope).await?;
    let zone = page.zone(can.actor().time_zone());
    let mut body = SettingsPage::of(can.access(), account, offer, &can.context().catalog, &zone);
    body.errors = errors;
    body.form = form.unwrap_or(body.form);
    page.show(&mut scope, "Settings", body).await
}

async fn save(can: Can<UpdateAccount>, page: Page, Form(form): Form<GeneralForm>) -> Result<Response> {
    match rename(&can, &form).await {
        Ok(slug) => Ok(page.done(&format!("/a/{slug}/settings"), "The settings are saved.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            settings(&can, &page.with(status), Some(form), errors).await
        }
    }
}

async fn rename(can: &Can<UpdateAccount>, form: &GeneralForm) -> Result<String> {
    let mut errors = vec![];
    let mut report = |field: &str, error: crate::model::text::ValidationError| {
        errors.push(FieldError::new(field, error.code, error.detail));
    };
    let name = Name::parse(&form.name).map_err(|error| report("name", error)).ok();
    let slug = Slug::parse(&form.slug).map_err(|error| report("slug", error)).ok();
    let (Some(name), Some(slug)) = (name, slug) else { return Err(Error::Validation(errors)) };
    let to = slug.as_str().to_owned();
    let update = AccountUpdate { name: Some(name), slug: Some(slug), admins_may_delete: None };
    can.change(async |change| accounts::update(change, update).await).await?;
    Ok(to)
}

async fn save_policies(
    can: Can<UpdateAccount>,
    page: Page,
    Form(form): Form<PoliciesForm>,
) -> Result<Response> {
    let policy = !form.admins_may_delete.is_empty();
    let update = AccountUpdate { admins_may_delete: Some(policy), ..AccountUpdate::default() };
    match can.change(async |change| accounts::update(change, update).await).await {
        Ok(()) => Ok(page.done(&can.path("settings"), "The policies are saved.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            settings(&can, &page.with(status), None, errors).await
        }
    }
}
