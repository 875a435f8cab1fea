//! The invited person's side: the link shows, two forms answer. A GET changes nothing, so a mail scanner that follows the
//! link accepts and declines nothing either.
use super::Badge;
use crate::{
    clients::social::Provider,
    crypto::password,
    error::{Error, Fault, Result},
    http::{
        form::Form,
        gate::{Anyone, SignedIn, Token},
        routes::Routes,
        sign_in::{self, Arrival},
    },
    model::{
        account::{Kind, LoginType},
        grant::Grant,
        text::Name,
    },
    store::invitations::{self, Offer, Proof},
    view::{
        page::{Faults, Page, When},
        shell::tint,
    },
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
struct NewUser {
    name: String,
    password: String,
}

/// What every page about an offer shows of it.
struct Card {
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
    may: Vec<String>,
    /// How one must sign in to enter; empty for any way.
    login: &'static str,
    expires: When,
}

impl Card {
    fn of(token: &str, offer: &Offer, page: &Page, chosen: Option<&str>) -> Card {
        let (inviter, inviter_email) = offer.inviter.clone().unwrap_or_default();
        Card {
            token: token.to_owned(),
            account: offer.account_name.clone(),
            shape: if offer.kind == Kind::Team { "team" } else { "org" },
            tint: tint(&offer.account_slug),
            noun: offer.kind.noun(),
            organization: offer.organization.clone().unwrap_or_default(),
            inviter,
            inviter_email,
            email: offer.email.clone(),
            badges: offer.grants.iter().map(Badge::of).collect(),
            may: offer.grants.iter().map(Grant::says).collect(),
            login: if offer.login_type == LoginType::Any { "" } else { offer.login_type.title() },
            expires: When::minute(offer.expires_at, &page.zone(chosen)),
        }
    }
}

/// Signed in as the invited address.
#[derive(Template)]
#[template(path = "invitations/answer/accept.html")]
struct Accept {
    it: Card,
    problem: String,
}

/// The address has no user yet, and the link proves it.
#[derive(Template)]
#[template(path = "invitations/answer/join.html")]
struct Join {
    it: Card,
    name: String,
    faults: Faults,
    providers: Vec<Provider>,
    next: String,
}

/// Signed out. A link that was passed on does not say whether the address has a user.
#[derive(Template)]
#[template(path = "invitations/answer/sign_in.html")]
struct SignInFirst {
    it: Card,
    is_proof: bool,
    may_sign_up: bool,
    providers: Vec<Provider>,
    next: String,
}

/// Signed in as somebody else.
#[derive(Template)]
#[template(path = "invitations/answer/other.html")]
struct Other {
    it: Card,
    mine: String,
}

/// Nothing can be answered here.
#[derive(Template)]
#[template(path = "invitations/answer/over.html")]
struct Over {
    title: String,
    text: String,
    label: String,
    href: String,
}

#[derive(Template)]
#[template(path = "invitations/answer/declined.html")]
struct Declined {
    account: String,
    is_in: bool,
}

/// What the visitor can do about an offer.
enum Standing {
    /// Nothing: answered, revoked, expired.
    Over,
    /// Go in: they are a member.
    Member,
    /// Accept or decline.
    Invited(SignedIn),
    /// Sign out first.
    Other(SignedIn),
    /// Sign in first.
    Known,
    /// Sign in or up first: the link proves nothing.
    Unproven,
    /// Become a user.
    New,
}

async fn find(anyone: &Anyone, token: &str) -> Result<Option<Offer>> {
    invitations::find_by_token(&mut anyone.read(), token).await
}

fn is_for(offer: &Offer, me: &SignedIn) -> bool {
    me.me().person.email.to_lowercase() == offer.email.to_lowercase()
}

async fn standing(anyone: &Anyone, offer: &Offer) -> Result<Standing> {
    let signed_in = anyone.signed_in();
    if let Some(me) = signed_in.as_ref().filter(|me| is_for(offer, me) || offer.status == "accepted")
        && invitations::is_member(&mut me.read(), offer).await?
    {
        return Ok(Standing::Member);
    }
    if offer.status != "pending" {
        return Ok(Standing::Over);
    }
    Ok(match signed_in {
        Some(me) if is_for(offer, &me) => Standing::Invited(me),
        Some(me) => Standing::Other(me),
        None if offer.proof == Proof::Nothing => Standing::Unproven,
        None if invitations::has_user(&mut anyone.read(), offer).await?.is_some() => Standing::Known,
        None => Standing::New,
    })
}

async fn show(anyone: Anyone, page: Page, Token(token): Token) -> Result<Response> {
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
    let me = anyone.me();
    let person = me.map(|it| &it.person);
    let it = Card::of(token, offer, page, me.and_then(|it| it.time_zone.as_deref()));
    let title = format!("Join {}", offer.account_name);
    let (providers, next) = (anyone.kit().social.all(), format!("/invitations/{token}"));
    match standing {
        Standing::Over => over(anyone, page, offer, &it),
        Standing::Member => member(anyone, page, offer),
        Standing::Invited(_) => page.solo(&title, person, Accept { it, problem: problem.to_owned() }),
        Standing::Other(me) => {
            let mine = me.me().person.email.clone();
            page.solo("For another address", person, Other { it, mine })
        }
        Standing::Known => {
            page.solo(&title, None, SignInFirst { it, is_proof: true, may_sign_up: false, providers, next })
        }
        Standing::Unproven => {
            let may_sign_up = anyone.kit().rules.open_sign_up;
            page.solo(&title, None, SignInFirst { it, is_proof: false, may_sign_up, providers, next })
        }
        Standing::New => page.solo(
            &title,
            None,
            Join { it, name: String::new(), faults: Faults::default(), providers, next },
        ),
    }
}

fn unknown(anyone: &Anyone, page: &Page) -> Result<Response> {
    let over = Over {
        title: "This invitation is not known".into(),
        text: "The link may be incomplete, or a newer one has replaced it. Look for the latest mail, or ask for a new invitation.".into(),
        label: "Go to your accounts".into(),
        href: "/".into(),
    };
    page.clone().with(404).solo("Not known", anyone.me().map(|it| &it.person), over)
}

fn over(anyone: &Anyone, page: &Page, offer: &Offer, it: &Card) -> Result<Response> {
    let inviter = offer.inviter.as_ref().map_or("the one who invited you", |it| it.0.as_str());
    let account = &offer.account_name;
    let (title, text) = match offer.status {
        "expired" => (
            "This invitation has expired",
            format!("It held until {}. Ask {inviter} to send it again.", it.expires.text),
        ),
        "revoked" => (
            "This invitation was taken back",
            format!(
                "You cannot join {account} by it any more. Ask {inviter} if you think that is a mistake."
            ),
        ),
        "declined" => {
            ("This invitation was declined", format!("If that was a mistake, ask {inviter} for a new one."))
        }
        _ => (
            "This invitation was used already",
            format!("It works once. If it was you who joined {account}, go there by signing in."),
        ),
    };
    let (label, href) =
        if anyone.me().is_some() { ("Go to your accounts", "/") } else { ("Sign in", "/sign-in") };
    let over = Over { title: title.into(), text, label: label.into(), href: href.into() };
    page.clone().with(410).solo(title, anyone.me().map(|it| &it.person), over)
}

fn member(anyone: &Anyone, page: &Page, offer: &Offer) -> Result<Response> {
    let account = &offer.account_name;
    let over = Over {
        title: format!("You are a member of {account}"),
        text: "There is nothing left to accept.".into(),
        label: format!("Go to {account}"),
        href: inside(&offer.account_slug),
    };
    page.clone().with(410).solo(&over.title.clone(), anyone.me().map(|it| &it.person), over)
}

async fn accept(
    anyone: Anyone,
    page: Page,
    Token(token): Token,
    headers: HeaderMap,
    Form(typed): Form<NewUser>,
) -> Result<Response> {
    let Some(offer) = find(&anyone, &token).await? else { return unknown(&anyone, &page) };
    let standing = standing(&anyone, &offer).await?;
    let done = match standing {
        Standing::Member => return Ok(page.to(&inside(&offer.account_slug))),
        Standing::Invited(me) => me.change(async |change| invitations::accept(change, &offer).await).await,
        Standing::New => return join(&anyone, &page, &headers, &token, &offer, typed).await,
        Standing::Known | Standing::Unproven => return Ok(page.to(&sign_in(&token))),
        Standing::Other(_) => return draw(&anyone, &page.with(409), &token, &offer, standing, ""),
        Standing::Over => return draw(&anyone, &page, &token, &offer, standing, ""),
    };
    match done {
        Ok(slug) => Ok(page.done(&inside(&slug), welcome(&offer))),
        Err(error) => again(&anyone, &page, &token, error, true).await,
    }
}

fn inside(slug: &str) -> String {
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

/// Somebody was quicker, perhaps the same person with a second click: what is true now is shown.
async fn again(anyone: &Anyone, page: &Page, token: &str, error: Error, accepts: bool) -> Result<Response> {
    let Error::Conflict { detail, .. } = error else { return Err(error) };
    let Some(offer) = find(anyone, token).await? else { return unknown(anyone, page) };
    let standing = standing(anyone, &offer).await?;
    match standing {
        Standing::Member if accepts => Ok(page.to(&inside(&offer.account_slug))),
        other => draw(anyone, &page.clone().with(409), token, &offer, other, &detail),
    }
}

async fn join(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    token: &str,
    offer: &Offer,
    typed: NewUser,
) -> Result<Response> {
    let read = read(offer, &typed).await?;
    let (name, hashed) = match read {
        Ok(it) => it,
        Err(faults) => {
            let (it, name) = (Card::of(token, offer, page, None), typed.name);
            let title = format!("Join {}", offer.account_name);
            let (providers, next) = (anyone.kit().social.all(), format!("/invitations/{token}"));
            return page.clone().with(422).solo(
                &title,
                None,
                Join { it, name, faults: Faults(faults), providers, next },
            );
        }
    };
    let done =
        anyone.change(async |change| invitations::accept_as_new(change, offer, &name, &hashed).await).await;
    match done {
        Ok((person, slug)) => {
            let next = inside(&slug);
            let arrival = Arrival { user: person.id, method: "password", two_factors: false, next: &next };
            let arrived = sign_in::arrive(anyone, page, headers, &arrival).await?;
            Ok(page.saying(arrived, welcome(offer)))
        }
        Err(error) => again(anyone, page, token, error, true).await,
    }
}

async fn read(offer: &Offer, typed: &NewUser) -> Result<Result<(Name, String), Vec<Fault>>> {
    let mut faults = vec![];
    let mut fault = |field: &str, it: crate::model::text::Refusal| {
        faults.push(Fault::new(field, it.code, it.detail));
    };
    let name = Name::parse(&typed.name).map_err(|it| fault("name", it)).ok();
    let chosen = password::choose(&typed.password, &[&typed.name, &offer.email]).await?;
    let hashed = chosen.map_err(|it| fault("password", it)).ok();
    Ok(name.zip(hashed).ok_or(faults))
}

/// Who holds the mailed link reads the invited address's mail, and may decline without signing in.
async fn decline(anyone: Anyone, page: Page, Token(token): Token) -> Result<Response> {
    let Some(offer) = find(&anyone, &token).await? else { return unknown(&anyone, &page) };
    let standing = standing(&anyone, &offer).await?;
    let done = match standing {
        Standing::Invited(me) => me.change(async |change| invitations::decline(change, &offer).await).await,
        Standing::Known | Standing::New => {
            anyone.change(async |change| invitations::decline(change, &offer).await).await
        }
        Standing::Unproven => return Ok(page.to(&sign_in(&token))),
        Standing::Other(_) => return draw(&anyone, &page.with(409), &token, &offer, standing, ""),
        Standing::Over | Standing::Member => return draw(&anyone, &page, &token, &offer, standing, ""),
    };
    if let Err(error) = done {
        return again(&anyone, &page, &token, error, false).await;
    }
    let person = anyone.me().map(|it| &it.person);
    let declined = Declined { account: offer.account_name, is_in: person.is_some() };
    page.solo("Declined", person, declined)
}
