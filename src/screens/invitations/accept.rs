//! The invited person's side: the link shows the invitation, two forms accept or decline it. A GET changes nothing, so a
//! mail scanner that follows the link does no harm.
use crate::{
    clients::social::Provider,
    crypto::password,
    error::{Error, FieldError, Result},
    http::{
        form::Form,
        gate::{Anyone, PathToken, SignedIn},
        routes::Routes,
        sign_in::{self, VerifiedUser},
    },
    model::{
        account::{Kind, LoginType},
        catalog::Catalog,
        grant::Grant,
        text::Name,
    },
    store::invitations::{self, Offer, Proof},
    view::{form_errors::FormErrors, page::Page, role_picker::Badge, shell::tint, when::When},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/invitations/{token}", show)
        .post("/invitations/{token}/accept", accept)
        .post("/invitations/{token}/decline", decline)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JoinForm {
    name: String,
    password: String,
}

/// What every page about an invitation shows of it.
struct OfferCard {
    token: String,
    account: String,
    shape: &'static str,
    tint: u8,
    noun: &'static str,
    organization: String,
    inviter: String,
    inviter_email: String,
    email: String,
    badges: Vec<Badge>,
    rights: Vec<String>,
    /// The required way to sign in; empty for any.
    login: &'static str,
    expires: When,
}

impl OfferCard {
    fn of(token: &str, offer: &Offer, page: &Page, catalog: &Catalog, time_zone: Option<&str>) -> OfferCard {
        let (inviter, inviter_email) = offer.inviter.clone().unwrap_or_default();
        OfferCard {
            token: token.to_owned(),
            account: offer.account_name.clone(),
            shape: if offer.kind == Kind::Team { "team" } else { "org" },
            tint: tint(&offer.account_slug),
            noun: offer.kind.noun(),
            organization: offer.organization.clone().unwrap_or_default(),
            inviter,
            inviter_email,
            email: offer.email.clone(),
            badges: offer.grants.iter().map(|grant| Badge::of(grant, catalog)).collect(),
            rights: offer.grants.iter().map(Grant::description).collect(),
            login: if offer.login_type == LoginType::Any { "" } else { offer.login_type.label() },
            expires: When::minute(offer.expires_at, &page.zone(time_zone)),
        }
    }
}

/// Signed in as the invited address.
#[derive(Template)]
#[template(path = "invitations/answer/accept.html")]
struct AcceptPage {
    offer: OfferCard,
    problem: String,
}

/// The address has no user yet, and the link proves it.
#[derive(Template)]
#[template(path = "invitations/answer/join.html")]
struct JoinPage {
    offer: OfferCard,
    name: String,
    errors: FormErrors,
    providers: Vec<Provider>,
    next: String,
}

/// Signed out. A link that was passed on does not say whether the address has a user.
#[derive(Template)]
#[template(path = "invitations/answer/sign_in.html")]
struct SignInFirstPage {
    offer: OfferCard,
    is_proof: bool,
    may_sign_up: bool,
    providers: Vec<Provider>,
    next: String,
}

/// Signed in as somebody else.
#[derive(Template)]
#[template(path = "invitations/answer/other.html")]
struct OtherUserPage {
    offer: OfferCard,
    mine: String,
}

/// The invitation can no longer be answered.
#[derive(Template)]
#[template(path = "invitations/answer/expired.html")]
struct InvitationClosedPage {
    title: String,
    text: String,
    label: String,
    href: String,
}

#[derive(Template)]
#[template(path = "invitations/answer/declined.html")]
struct DeclinedPage {
    account: String,
    is_signed_in: bool,
}

/// What the visitor can do about an offer.
enum Standing {
    /// Nothing: answered, revoked, expired.
    Closed,
    /// Enter: they are a member.
    Member,
    /// Accept or decline.
    Invited(SignedIn),
    /// Sign out first.
    Other(SignedIn),
    /// Sign in first.
    Known,
    /// Sign in or up first: the link was passed on, and does not prove who follows it.
    Unproven,
    /// Create a user.
    New,
}

async fn find(anyone: &Anyone, token: &str) -> Result<Option<Offer>> {
    invitations::find_by_token(&mut anyone.read(), token).await
}

fn is_for(offer: &Offer, me: &SignedIn) -> bool {
    me.user().email.to_lowercase() == offer.email.to_lowercase()
}

async fn standing(anyone: &Anyone, offer: &Offer) -> Result<Standing> {
    let signed_in = anyone.signed_in();
    if let Some(me) = signed_in.as_ref().filter(|me| is_for(offer, me) || offer.status == "accepted")
        && invitations::is_member(&mut me.read(), offer).await?
    {
        return Ok(Standing::Member);
    }
    if offer.status != "pending" {
        return Ok(Standing::Closed);
    }
    Ok(match signed_in {
        Some(me) if is_for(offer, &me) => Standing::Invited(me),
        Some(me) => Standing::Other(me),
        None if offer.proof == Proof::Nothing => Standing::Unproven,
        None if invitations::has_user(&mut anyone.read(), offer).await?.is_some() => Standing::Known,
        None => Standing::New,
    })
}

async fn show(anyone: Anyone, page: Page, PathToken(token): PathToken) -> Result<Response> {
    match find(&anyone, &token).await? {
        None => unknown(&anyone, &page),
        Some(offer) => {
            let standing = standing(&anyone, &offer).await?;
            draw(&anyone, &page, &token, &offer, standing, "")
        }
    }
}

fn draw(
    anyone: &Anyone,
    page: &Page,
    token: &str,
    offer: &Offer,
    standing: Standing,
    problem: &str,
) -> Result<Response> {
    let me = anyone.signed_in_user();
    let user = me.map(|me| &me.user);
    let card = OfferCard::of(
        token,
        offer,
        page,
        &anyone.context().catalog,
        me.and_then(|me| me.time_zone.as_deref()),
    );
    let title = format!("Join {}", offer.account_name);
    let (providers, next) = (anyone.context().social.configured(), format!("/invitations/{token}"));
    match standing {
        Standing::Closed => closed(anyone, page, offer, &card),
        Standing::Member => member(anyone, page, offer),
        Standing::Invited(_) => {
            page.solo(&title, user, AcceptPage { offer: card, problem: problem.to_owned() })
        }
        Standing::Other(me) => {
            let mine = me.user().email.clone();
            page.solo("For another address", user, OtherUserPage { offer: card, mine })
        }
        Standing::Known => page.solo(
            &title,
            None,
            SignInFirstPage { offer: card, is_proof: true, may_sign_up: false, providers, next },
        ),
        Standing::Unproven => {
            let may_sign_up = anyone.context().config.open_sign_up;
            page.solo(
                &title,
                None,
                SignInFirstPage { offer: card, is_proof: false, may_sign_up, providers, next },
            )
        }
        Standing::New => page.solo(
            &title,
            None,
            JoinPage { offer: card, name: String::new(), errors: FormErrors::default(), providers, next },
        ),
    }
}

fn unknown(anyone: &Anyone, page: &Page) -> Result<Response> {
    let closed_page = InvitationClosedPage {
        title: "This invitation is unknown".into(),
        text: "The link may be incomplete, or a newer one has replaced it. Look for the latest mail, or ask for a new invitation.".into(),
        label: "Go to your accounts".into(),
        href: "/".into(),
    };
    page.clone().with(404).solo("Not known", anyone.signed_in_user().map(|me| &me.user), closed_page)
}

fn closed(anyone: &Anyone, page: &Page, offer: &Offer, card: &OfferCard) -> Result<Response> {
    let inviter = offer.inviter.as_ref().map_or("the person who invited you", |inviter| inviter.0.as_str());
    let account = &offer.account_name;
    let (title, text) = match offer.status {
        "expired" => (
            "This invitation has expired",
            format!("It was valid until {}. Ask {inviter} to send it again.", card.expires.text),
        ),
        "revoked" => (
            "This invitation was revoked",
            format!("It no longer lets you join {account}. Ask {inviter} if you think that is a mistake."),
        ),
        "declined" => {
            ("This invitation was declined", format!("If that was a mistake, ask {inviter} for a new one."))
        }
        _ => (
            "This invitation was already used",
            format!("It works once. If it was you who joined {account}, go there by signing in."),
        ),
    };
    let (label, href) = if anyone.signed_in_user().is_some() {
        ("Go to your accounts", "/")
    } else {
        ("Sign in", "/sign-in")
    };
    let closed_page =
        InvitationClosedPage { title: title.into(), text, label: label.into(), href: href.into() };
    page.clone().with(410).solo(title, anyone.signed_in_user().map(|me| &me.user), closed_page)
}

fn member(anyone: &Anyone, page: &Page, offer: &Offer) -> Result<Response> {
    let account = &offer.account_name;
    let closed_page = InvitationClosedPage {
        title: format!("You are a member of {account}"),
        text: "There is nothing left to accept.".into(),
        label: format!("Go to {account}"),
        href: overview_path(&offer.account_slug),
    };
    page.clone().with(410).solo(
        &closed_page.title.clone(),
        anyone.signed_in_user().map(|me| &me.user),
        closed_page,
    )
}

async fn accept(
    anyone: Anyone,
    page: Page,
    PathToken(token): PathToken,
    headers: HeaderMap,
    Form(form): Form<JoinForm>,
) -> Result<Response> {
    let Some(offer) = find(&anyone, &token).await? else { return unknown(&anyone, &page) };
    let standing = standing(&anyone, &offer).await?;
    let result = match standing {
        Standing::Member => return Ok(page.to(&overview_path(&offer.account_slug))),
        Standing::Invited(me) => me.change(async |change| invitations::accept(change, &offer).await).await,
        Standing::New => return join(&anyone, &page, &headers, &token, &offer, form).await,
        Standing::Known | Standing::Unproven => return Ok(page.to(&sign_in(&token))),
        Standing::Other(_) => return draw(&anyone, &page.with(409), &token, &offer, standing, ""),
        Standing::Closed => return draw(&anyone, &page, &token, &offer, standing, ""),
    };
    match result {
        Ok(slug) => Ok(page.done(&overview_path(&slug), welcome(&offer))),
        Err(error) => show_conflict(&anyone, &page, &token, error, true).await,
    }
}

fn overview_path(slug: &str) -> String {
    format!("/a/{slug}/overview")
}

fn welcome(offer: &Offer) -> String {
    format!("You are a member of {} now.", offer.account_name)
}

fn sign_in(token: &str) -> String {
    let next: String =
        url::form_urlencoded::byte_serialize(format!("/invitations/{token}").as_bytes()).collect();
    format!("/sign-in?next={}", next.replace("%2F", "/"))
}

/// Something else was quicker, perhaps a second click: shows how things stand now.
async fn show_conflict(
    anyone: &Anyone,
    page: &Page,
    token: &str,
    error: Error,
    is_accepting: bool,
) -> Result<Response> {
    let Error::Conflict { detail, .. } = error else { return Err(error) };
    let Some(offer) = find(anyone, token).await? else { return unknown(anyone, page) };
    let standing = standing(anyone, &offer).await?;
    match standing {
        Standing::Member if is_accepting => Ok(page.to(&overview_path(&offer.account_slug))),
        other => draw(anyone, &page.clone().with(409), token, &offer, other, &detail),
    }
}

async fn join(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    token: &str,
    offer: &Offer,
    form: JoinForm,
) -> Result<Response> {
    let (name, hashed) = match parse(offer, &form).await? {
        Ok(parsed) => parsed,
        Err(errors) => {
            let card = OfferCard::of(token, offer, page, &anyone.context().catalog, None);
            let name = form.name;
            let title = format!("Join {}", offer.account_name);
            let (providers, next) = (anyone.context().social.configured(), format!("/invitations/{token}"));
            return page.clone().with(422).solo(
                &title,
                None,
                JoinPage { offer: card, name, errors: FormErrors(errors), providers, next },
            );
        }
    };
    let result =
        anyone.change(async |change| invitations::accept_as_new(change, offer, &name, &hashed).await).await;
    match result {
        Ok((user, slug)) => {
            let next = overview_path(&slug);
            let arrival = VerifiedUser { user: user.id, method: "password", two_factors: false, next: &next };
            let response = sign_in::sign_in(anyone, page, headers, &arrival).await?;
            Ok(page.saying(response, welcome(offer)))
        }
        Err(error) => show_conflict(anyone, page, token, error, true).await,
    }
}

async fn parse(offer: &Offer, form: &JoinForm) -> Result<Result<(Name, String), Vec<FieldError>>> {
    let mut errors = vec![];
    let mut add_error = |field: &str, error: crate::model::text::ValidationError| {
        errors.push(FieldError::new(field, error.code, error.detail));
    };
    let name = Name::parse(&form.name).map_err(|error| add_error("name", error)).ok();
    let chosen = password::validate_and_hash(&form.password, &[&form.name, &offer.email]).await?;
    let hashed = chosen.map_err(|error| add_error("password", error)).ok();
    Ok(name.zip(hashed).ok_or(errors))
}

/// Whoever holds the mailed link reads the mail of the invited address, and may decline without signing in.
async fn decline(anyone: Anyone, page: Page, PathToken(token): PathToken) -> Result<Response> {
    let Some(offer) = find(&anyone, &token).await? else { return unknown(&anyone, &page) };
    let standing = standing(&anyone, &offer).await?;
    let result = match standing {
        Standing::Invited(me) => me.change(async |change| invitations::decline(change, &offer).await).await,
        Standing::Known | Standing::New => {
            anyone.change(async |change| invitations::decline(change, &offer).await).await
        }
        Standing::Unproven => return Ok(page.to(&sign_in(&token))),
        Standing::Other(_) => return draw(&anyone, &page.with(409), &token, &offer, standing, ""),
        Standing::Closed | Standing::Member => return draw(&anyone, &page, &token, &offer, standing, ""),
    };
    if let Err(error) = result {
        return show_conflict(&anyone, &page, &token, error, false).await;
    }
    let user = anyone.signed_in_user().map(|me| &me.user);
    let declined = DeclinedPage { account: offer.account_name, is_signed_in: user.is_some() };
    page.solo("Declined", user, declined)
}
