//! The signed-in user's own page: name, address, time zone, the invitations that wait, the accounts that they are in.
mod authenticator;
mod codes;
mod delete;
mod passkeys;
mod reauth;
mod security;

use crate::{
    error::{Error, Fault, Result},
    http::{
        form::Form,
        gate::{At, SignedIn},
        reauth::{Given, Proof},
        routes::Routes,
        sign_in,
    },
    model::{
        account::{Kind, LoginType},
        grant::Grant,
        id::InvitationId,
        text::{Email, Name},
    },
    store::{
        email_tokens,
        invitations::{self, Offer},
        me,
        shell::{Seat, seats},
    },
    view::{
        audit_sentences,
        page::{Faults, Page, When},
        shell::{Theme, tint},
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

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/me", show)
        .post("/me", save)
        .get("/me/email", back)
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

/// What all pages of the user begin with.
struct Head {
    name: String,
    tint: u8,
    tab: &'static str,
}

impl Head {
    fn of(signed: &SignedIn, seats: &[Seat], tab: &'static str) -> Head {
        let personal = seats.iter().find(|it| it.kind == Kind::Personal);
        let name = signed.me().person.name.clone();
        Head { name, tint: tint(personal.map_or("", |it| &it.slug)), tab }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    name: String,
    time_zone: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewEmail {
    email: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "me/index.html")]
struct Index {
    head: Head,
    it: Profile,
    zones: &'static [String],
    email: String,
    new_email: String,
    proof: Proof,
    faults: Faults,
    waiting: Vec<Waiting>,
    places: Vec<Place>,
    owned: Vec<String>,
}

/// An invitation that waits for an answer.
struct Waiting {
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

impl Waiting {
    fn of(it: Offer, zone: &TimeZone) -> Waiting {
        let roles: Vec<String> = it.grants.iter().map(Grant::title).collect();
        Waiting {
            id: it.id,
            tint: tint(&it.account.to_string()),
            account: it.account_name,
            noun: it.kind.noun(),
            class: class(it.kind),
            inviter: it.inviter,
            roles: roles.join(", "),
            organization: it.organization,
            login: (it.login_type != LoginType::Any).then(|| it.login_type.title()),
            until: When::day(it.expires_at, zone),
        }
    }
}

/// An account that the user is in.
struct Place {
    name: String,
    slug: String,
    class: &'static str,
    noun: &'static str,
    role: String,
}

impl Place {
    /// None where they are not a member: an organization's leader can enter its teams all the same.
    fn of(it: &Seat) -> Option<Place> {
        let role = match (&it.role, it.is_owner) {
            (_, true) => "Owner".to_owned(),
            (Some(label), _) => audit_sentences::title(label),
            (None, _) => return None,
        };
        let (name, slug) = (it.name.clone(), it.slug.clone());
        Some(Place { name, slug, class: class(it.kind), noun: it.kind.noun(), role })
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Personal => "",
        Kind::Organization => "org",
        Kind::Team => "team",
    }
}

/// Zones that people live in, by their IANA names.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let areas = "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific";
    let is_lived_in = |it: &String| {
        *it == "UTC"
            || it.split_once('/').is_some_and(|(area, _)| areas.split(' ').any(|known| known == area))
    };
    let mut zones: Vec<String> = jiff::tz::db().available().map(|it| it.as_str().to_owned()).collect();
    zones.retain(is_lived_in);
    zones.sort();
    zones.dedup();
    zones
});

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    ask(&signed, &page, None, String::new(), Faults::default()).await
}

/// The page, with what was typed where a form was refused.
async fn ask(
    signed: &SignedIn,
    page: &Page,
    typed: Option<Profile>,
    new_email: String,
    faults: Faults,
) -> Result<Response> {
    let proof = signed.proof().await?;
    let mut scope = signed.read();
    let me = signed.me();
    let zone = page.zone(me.time_zone.as_deref());
    let offers = invitations::waiting(&mut scope).await?;
    let seats = seats(&mut scope, me.person.id).await?;
    let stored =
        Profile { name: me.person.name.clone(), time_zone: me.time_zone.clone().unwrap_or_default() };
    let index = Index {
        head: Head::of(signed, &seats, "profile"),
        it: typed.unwrap_or(stored),
        zones: &ZONES,
        email: me.person.email.clone(),
        new_email,
        proof,
        faults,
        waiting: offers.into_iter().map(|it| Waiting::of(it, &zone)).collect(),
        places: seats.iter().filter_map(Place::of).collect(),
        owned: owned(&seats).into_iter().map(|it| it.name.clone()).collect(),
    };
    page.show_among(&scope, &seats, "Profile", index)
}

/// What a user must hand over or delete before they can be deleted.
fn owned(seats: &[Seat]) -> Vec<&Seat> {
    seats.iter().filter(|it| it.is_owner && it.kind != Kind::Personal).collect()
}

async fn save(signed: SignedIn, page: Page, Form(it): Form<Profile>) -> Result<Response> {
    let parsed = parse(&it);
    let done = match parsed {
        Ok((name, zone)) => signed.change(async |change| me::update(change, &name, zone).await).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(page.done("/me", "Your profile is saved.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), Some(it), String::new(), faults).await
        }
    }
}

fn parse(it: &Profile) -> Result<(Name, Option<&str>)> {
    let mut faults = vec![];
    let name = Name::parse(&it.name).map_err(|it| faults.push(Fault::new("name", it.code, it.detail))).ok();
    let zone = (!it.time_zone.is_empty()).then_some(it.time_zone.as_str());
    if zone.is_some_and(|it| !ZONES.iter().any(|known| known == it)) {
        faults.push(Fault::new("time_zone", "unknown", "Choose a time zone out of the list."));
    }
    match name {
        Some(name) if faults.is_empty() => Ok((name, zone)),
        _ => Err(Error::Invalid(faults)),
    }
}

/// Where a refused change of address was shown, when it is opened again.
async fn back(_: SignedIn, page: Page) -> Response {
    page.to("/me")
}

async fn change_email(signed: SignedIn, page: Page, Form(it): Form<NewEmail>) -> Result<Response> {
    match ask_change(&signed, &it).await {
        Ok(email) => {
            let told =
                format!("We wrote to {email}. Your address changes once you follow the link in that mail.");
            Ok(page.done("/me", told))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), None, it.email, faults).await
        }
    }
}

async fn ask_change(signed: &SignedIn, it: &NewEmail) -> Result<Email> {
    let email = Email::parse(&it.email).map_err(Error::at("email"))?;
    if email.as_str() == signed.me().person.email {
        return Err(Error::invalid("email", "same", "This is your address already."));
    }
    let fresh = signed.prove(&it.proof).await?;
    // Mails cost the reader's time: whoever it is, they are written to only so often.
    let keys = [
        (format!("new address of {}", signed.me().person.id), 10),
        (format!("new address {}", email.key()), 5),
    ];
    let _ = signed.app().throttle().attempt(&keys)?;
    signed.change(async |change| email_tokens::ask_email_change(change, &fresh, &email).await).await?;
    Ok(email)
}

async fn accept(signed: SignedIn, page: Page, At(id): At<InvitationId>) -> Result<Response> {
    let offer = invitations::find_by_id(&mut signed.read(), id).await?.ok_or(Error::NotFound)?;
    match signed.change(async |change| invitations::accept(change, &offer).await).await {
        Ok(slug) => {
            Ok(page.done(&format!("/a/{slug}/overview"), format!("You joined {}.", offer.account_name)))
        }
        Err(Error::Conflict { detail, .. }) => Ok(page.failed("/me", detail)),
        Err(other) => Err(other),
    }
}

async fn decline(signed: SignedIn, page: Page, At(id): At<InvitationId>) -> Result<Response> {
    let offer = invitations::find_by_id(&mut signed.read(), id).await?.ok_or(Error::NotFound)?;
    match signed.change(async |change| invitations::decline(change, &offer).await).await {
        Ok(()) => Ok(page.done("/me", format!("You declined the invitation into {}.", offer.account_name))),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed("/me", detail)),
        Err(other) => Err(other),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chosen {
    theme: String,
}

/// Back to the page from which it was chosen, if that is one of ours.
async fn set_theme(signed: SignedIn, page: Page, headers: HeaderMap, Form(it): Form<Chosen>) -> Response {
    let from = headers.get(header::REFERER).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let back = from.strip_prefix(&signed.kit().rules.base_url).and_then(sign_in::safe_next).unwrap_or("/me");
    let mut response = page.to(back);
    page.set_theme(response.headers_mut(), Theme::from_cookie(&it.theme));
    response
}
