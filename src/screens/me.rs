//! The signed-in user's own page: name, address, time zone, pending invitations, accounts.
mod authenticator;
mod codes;
mod delete;
mod passkeys;
mod reauth;
mod security;

use crate::{
    error::{Error, FieldError, Result},
    http::{
        form::Form,
        gate::{PathId, SignedIn},
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
        sign_in,
    },
    model::{
        account::{Kind, LoginType},
        grant::Grant,
        id::InvitationId,
        text::{EmailAddress, Name},
    },
    store::{
        email_tokens,
        invitations::{self, Offer},
        me,
        shell::{SwitcherRow, switcher},
    },
    view::{
        audit_sentences,
        form_errors::FormErrors,
        page::Page,
        shell::{Theme, tint},
        when::When,
    },
};
use askama::Template;
use axum::{
    http::{HeaderMap, header},
    response::Response,
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::sync::LazyLock;

pub fn routes() -> Routes {
    Routes::default()
        .get("/me", show)
        .post("/me", save)
        .get("/me/email", redirect_to_profile)
        .post("/me/email", change_email)
        .post("/me/invitations/{id}/accept", accept)
        .post("/me/invitations/{id}/decline", decline)
        .post("/me/theme", set_theme)
        .merge(security::routes())
        .merge(passkeys::routes())
        .merge(authenticator::routes())
        .merge(codes::routes())
        .merge(reauth::routes())
        .merge(delete::routes())
}

/// The head of all pages about the user.
struct MeHead {
    name: String,
    tint: u8,
    tab: &'static str,
}

impl MeHead {
    fn of(signed: &SignedIn, accounts: &[SwitcherRow], tab: &'static str) -> MeHead {
        let personal = accounts.iter().find(|account| account.kind == Kind::Personal);
        let name = signed.user().name.clone();
        MeHead { name, tint: tint(personal.map_or("", |account| &account.slug)), tab }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ProfileForm {
    name: String,
    time_zone: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChangeEmailForm {
    email: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "me/index.html")]
struct ProfilePage {
    head: MeHead,
    form: ProfileForm,
    zones: &'static [String],
    email: String,
    new_email: String,
    reauth: ReauthForm,
    errors: FormErrors,
    waiting: Vec<WaitingInvitation>,
    accounts: Vec<AccountRow>,
    owned: Vec<String>,
}

/// An invitation that is not answered yet.
struct WaitingInvitation {
    id: InvitationId,
    account: String,
    noun: &'static str,
    tint: u8,
    class: &'static str,
    inviter: Option<(String, String)>,
    roles: String,
    organization: Option<String>,
    login: Option<&'static str>,
    until: When,
}

impl WaitingInvitation {
    fn of(offer: Offer, zone: &TimeZone) -> WaitingInvitation {
        let roles: Vec<String> = offer.grants.iter().map(Grant::title).collect();
        WaitingInvitation {
            id: offer.id,
            tint: tint(&offer.account.to_string()),
            account: offer.account_name,
            noun: offer.kind.noun(),
            class: class(offer.kind),
            inviter: offer.inviter,
            roles: roles.join(", "),
            organization: offer.organization,
            login: (offer.login_type != LoginType::Any).then(|| offer.login_type.label()),
            until: When::day(offer.expires_at, zone),
        }
    }
}

/// An account that the user is a member of.
struct AccountRow {
    name: String,
    slug: String,
    class: &'static str,
    noun: &'static str,
    role: String,
}

impl AccountRow {
    /// `None` if they are not a member: an organization's admins can enter its teams all the same.
    fn of(account: &SwitcherRow) -> Option<AccountRow> {
        let role = match (&account.role, account.is_owner) {
            (_, true) => "Owner".to_owned(),
            (Some(label), _) => audit_sentences::title(label),
            (None, _) => return None,
        };
        let (name, slug) = (account.name.clone(), account.slug.clone());
        Some(AccountRow { name, slug, class: class(account.kind), noun: account.kind.noun(), role })
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Personal => "",
        Kind::Organization => "org",
        Kind::Team => "team",
    }
}

/// Time zones of places, by their IANA names, without aliases such as `EST5EDT`.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let areas = "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific";
    let is_place = |zone: &String| {
        *zone == "UTC"
            || zone.split_once('/').is_some_and(|(area, _)| areas.split(' ').any(|known| known == area))
    };
    let mut zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
    zones.retain(is_place);
    zones.sort();
    zones.dedup();
    zones
});

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    show_profile(&signed, &page, None, String::new(), FormErrors::default()).await
}

/// The page, with the values of a form that was refused.
async fn show_profile(
    signed: &SignedIn,
    page: &Page,
    form: Option<ProfileForm>,
    new_email: String,
    errors: FormErrors,
) -> Result<Response> {
    let reauth = signed.reauth_form().await?;
    let mut scope = signed.read();
    let me = signed.signed_in_user();
    let zone = page.zone(me.time_zone.as_deref());
    let offers = invitations::waiting(&mut scope).await?;
    let accounts = switcher(&mut scope, me.user.id).await?;
    let stored =
        ProfileForm { name: me.user.name.clone(), time_zone: me.time_zone.clone().unwrap_or_default() };
    let profile_page = ProfilePage {
        head: MeHead::of(signed, &accounts, "profile"),
        form: form.unwrap_or(stored),
        zones: &ZONES,
        email: me.user.email.clone(),
        new_email,
        reauth,
        errors,
        waiting: offers.into_iter().map(|offer| WaitingInvitation::of(offer, &zone)).collect(),
        accounts: accounts.iter().filter_map(AccountRow::of).collect(),
        owned: owned(&accounts).into_iter().map(|account| account.name.clone()).collect(),
    };
    page.show_with_accounts(&scope, &accounts, "Profile", profile_page)
}

/// The accounts that a user must hand over or delete before they can be deleted.
fn owned(accounts: &[SwitcherRow]) -> Vec<&SwitcherRow> {
    accounts.iter().filter(|account| account.is_owner && account.kind != Kind::Personal).collect()
}

async fn save(signed: SignedIn, page: Page, Form(form): Form<ProfileForm>) -> Result<Response> {
    let result = match parse(&form) {
        Ok((name, zone)) => signed.change(async |change| me::update(change, &name, zone).await).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(page.done("/me", "Your profile is saved.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_profile(&signed, &page.with(status), Some(form), String::new(), errors).await
        }
    }
}

fn parse(form: &ProfileForm) -> Result<(Name, Option<&str>)> {
    let mut errors = vec![];
    let name = Name::parse(&form.name)
        .map_err(|error| errors.push(FieldError::new("name", error.code, error.detail)))
        .ok();
    let zone = (!form.time_zone.is_empty()).then_some(form.time_zone.as_str());
    if zone.is_some_and(|zone| !ZONES.iter().any(|known| known == zone)) {
        errors.push(FieldError::new("time_zone", "unknown", "Choose a time zone from the list."));
    }
    match name {
        Some(name) if errors.is_empty() => Ok((name, zone)),
        _ => Err(Error::Validation(errors)),
    }
}

/// A refused change of address is shown at this URL; opened again, it leads to the profile.
async fn redirect_to_profile(_: SignedIn, page: Page) -> Response {
    page.to("/me")
}

async fn change_email(signed: SignedIn, page: Page, Form(form): Form<ChangeEmailForm>) -> Result<Response> {
    match request_email_change(&signed, &form).await {
        Ok(email) => {
            let message =
                format!("We wrote to {email}. Your address changes once you follow the link in that mail.");
            Ok(page.done("/me", message))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_profile(&signed, &page.with(status), None, form.email, errors).await
        }
    }
}

async fn request_email_change(signed: &SignedIn, form: &ChangeEmailForm) -> Result<EmailAddress> {
    let email = EmailAddress::parse(&form.email).map_err(Error::at("email"))?;
    if email.as_str() == signed.user().email {
        return Err(Error::invalid("email", "same", "This is already your address."));
    }
    let recent_auth = signed.reauthenticate(&form.reauth).await?;
    // Protects the owner of the new address, whoever that is, from many mails.
    let keys =
        [(format!("new address of {}", signed.user().id), 10), (format!("new address {}", email.key()), 5)];
    let _ = signed.app().throttle().attempt(&keys)?;
    signed.change(async |change| email_tokens::ask_email_change(change, &recent_auth, &email).await).await?;
    Ok(email)
}

async fn accept(signed: SignedIn, page: Page, PathId(id): PathId<InvitationId>) -> Result<Response> {
    let offer = invitations::find_by_id(&mut signed.read(), id).await?.ok_or(Error::NotFound)?;
    match signed.change(async |change| invitations::accept(change, &offer).await).await {
        Ok(slug) => {
            Ok(page.done(&format!("/a/{slug}/overview"), format!("You joined {}.", offer.account_name)))
        }
        Err(Error::Conflict { detail, .. }) => Ok(page.failed("/me", detail)),
        Err(other) => Err(other),
    }
}

async fn decline(signed: SignedIn, page: Page, PathId(id): PathId<InvitationId>) -> Result<Response> {
    let offer = invitations::find_by_id(&mut signed.read(), id).await?.ok_or(Error::NotFound)?;
    match signed.change(async |change| invitations::decline(change, &offer).await).await {
        Ok(()) => Ok(page.done("/me", format!("You declined the invitation to {}.", offer.account_name))),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed("/me", detail)),
        Err(other) => Err(other),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ThemeForm {
    theme: String,
}

/// Redirects to the page on which the theme was chosen, if that is one of ours.
async fn set_theme(
    signed: SignedIn,
    page: Page,
    headers: HeaderMap,
    Form(form): Form<ThemeForm>,
) -> Response {
    let from = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let back =
        from.strip_prefix(&signed.context().config.base_url).and_then(sign_in::safe_next).unwrap_or("/me");
    let mut response = page.to(back);
    page.set_theme(response.headers_mut(), Theme::from_cookie(&form.theme));
    response
}
