//! The way to Google or GitHub and back: to sign in, to sign up, or to link.
use crate::{
    clients::{
        oidc::{Answer, Refusal},
        social::{Flow, Profile, Provider},
    },
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Anyone, SignedIn},
        reauth::{Given, Proof},
        routes::Routes,
        sign_in::{self, Arrival},
    },
    model::time::{MINUTE, Time},
    store::{
        identities::{self, Arrival as Came},
        sign_in_methods,
    },
    view::page::{Faults, Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/auth/google", google)
        .get("/auth/google/callback", from_google)
        .get("/auth/github", github)
        .get("/auth/github/callback", from_github)
        .get("/me/security/google", link_google)
        .post("/me/security/google", unlink_google)
        .get("/me/security/github", link_github)
        .post("/me/security/github", unlink_github)
}

/// How long somebody may stay at the provider.
const PATIENCE: Duration = MINUTE.saturating_mul(15);
/// Begun from one address in a quarter of an hour.
const OF_ADDRESS: u32 = 300;
/// Where a session holds what is under way.
const HELD: &str = "social";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Purpose {
    SignIn,
    Link,
}

/// What is kept until they are back.
#[derive(Serialize, Deserialize)]
struct Kept {
    flow: Flow,
    purpose: Purpose,
    next: String,
    since: Time,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ask {
    next: String,
    link: String,
    /// Whether it is to prove again who one is.
    fresh: String,
}

#[derive(Template)]
#[template(path = "social_login/refused.html")]
struct Refused {
    title: &'static str,
    detail: String,
    /// To try again; empty where that helps nobody.
    again: String,
    other: String,
    other_label: &'static str,
}

async fn google(anyone: Anyone, page: Page, headers: HeaderMap, Query(it): Query<Ask>) -> Result<Response> {
    start(&anyone, &page, &headers, Provider::Google, &it).await
}
async fn github(anyone: Anyone, page: Page, headers: HeaderMap, Query(it): Query<Ask>) -> Result<Response> {
    start(&anyone, &page, &headers, Provider::GitHub, &it).await
}
async fn from_google(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(it): Query<Answer>,
) -> Result<Response> {
    back(&anyone, &page, &headers, Provider::Google, it).await
}
async fn from_github(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(it): Query<Answer>,
) -> Result<Response> {
    back(&anyone, &page, &headers, Provider::GitHub, it).await
}
async fn link_google(signed: SignedIn, page: Page) -> Result<Response> {
    ask(&signed, &page, Provider::Google, Faults::default()).await
}
async fn link_github(signed: SignedIn, page: Page) -> Result<Response> {
    ask(&signed, &page, Provider::GitHub, Faults::default()).await
}
async fn unlink_google(signed: SignedIn, page: Page, Form(it): Form<Change>) -> Result<Response> {
    change(&signed, &page, Provider::Google, &it).await
}
async fn unlink_github(signed: SignedIn, page: Page, Form(it): Form<Change>) -> Result<Response> {
    change(&signed, &page, Provider::GitHub, &it).await
}

fn refused(page: &Page, provider: Provider, next: &str, purpose: Purpose, it: Refusal) -> Result<Response> {
    tracing::info!(provider = provider.word(), code = it.code, "refused");
    let next = sign_in::safe_next(next).unwrap_or_default();
    let (again, other, other_label) = match purpose {
        Purpose::SignIn => (
            with_next(&format!("/auth/{}", provider.word()), next),
            with_next("/sign-in", next),
            "Sign in another way",
        ),
        Purpose::Link => (String::new(), "/me/security".to_owned(), "Back to your security page"),
    };
    let again = if it.code == "off" { String::new() } else { again };
    let body = Refused { title: "You are not signed in", detail: it.detail, again, other, other_label };
    page.clone().with(403).solo("Not signed in", None, body)
}

fn with_next(path: &str, next: &str) -> String {
    if next.is_empty() {
        return path.to_owned();
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("{path}?{query}")
}

async fn start(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    provider: Provider,
    it: &Ask,
) -> Result<Response> {
    let kit = anyone.kit();
    if !kit.social.has(provider) {
        return Err(Error::NotFound);
    }
    let purpose = if it.link.is_empty() { Purpose::SignIn } else { Purpose::Link };
    if purpose == Purpose::Link {
        let signed = anyone.signed_in().ok_or(Error::SignedOut)?;
        // A link changes something: no other site begins one.
        let is_ours = headers.get("sec-fetch-site").is_none_or(|it| it == "same-origin" || it == "none");
        if signed.is_stale() || !is_ours {
            return Ok(page.to(&format!("/me/security/{}", provider.word())));
        }
    }
    // Each may make this machine ask another.
    let _ =
        anyone.app().throttle().attempt(&[(format!("auth from {}", anyone.client().ip()), OF_ADDRESS)])?;
    let redirect = kit.url(provider.callback());
    let asks = purpose == Purpose::Link || !it.fresh.is_empty();
    let (url, flow) = match kit.social.start(provider, &kit.chance, &redirect, asks).await {
        Ok(begun) => begun,
        Err(refusal) => return refused(page, provider, &it.next, purpose, refusal),
    };
    let next = sign_in::safe_next(&it.next).unwrap_or_default().to_owned();
    let kept = Kept { flow, purpose, next, since: kit.now() };
    anyone.session().insert(HELD, kept).await.map_err(|it| Error::Unavailable(it.to_string()))?;
    Ok(page.to(url.as_str()))
}

/// What this browser began with that provider, if it is to that that the answer belongs. Once.
async fn begun(anyone: &Anyone, provider: Provider, answer: &Answer) -> Result<Option<Kept>> {
    let fault = |it: tower_sessions::session::Error| Error::Unavailable(it.to_string());
    let held = anyone.session().get_value(HELD).await.map_err(fault)?;
    // What an older version wrote is as if it were not there.
    let Some(kept) = held.and_then(|it| serde_json::from_value::<Kept>(it).ok()) else { return Ok(None) };
    let at = match &kept.flow {
        Flow::Google(_) => Provider::Google,
        Flow::GitHub(_) => Provider::GitHub,
    };
    let fits = at == provider && kept.flow.state() == answer.state;
    if !fits || anyone.kit().now().since(kept.since) > PATIENCE {
        return Ok(None);
    }
    anyone.session().remove_value(HELD).await.map_err(fault)?;
    anyone.session().save().await.map_err(fault)?;
    Ok(Some(kept))
}

async fn back(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    provider: Provider,
    answer: Answer,
) -> Result<Response> {
    let Some(kept) = begun(anyone, provider, &answer).await? else {
        let detail = "This answer belongs to no sign-in that this browser began in the last minutes, or it was used before. Sign in again.";
        return refused(page, provider, "", Purpose::SignIn, Refusal::new("state", detail));
    };
    let kit = anyone.kit();
    let redirect = kit.url(provider.callback());
    let profile = match kit.social.finish(kept.flow, answer, &redirect, kit.now()).await {
        Ok(profile) => profile,
        Err(refusal) => return refused(page, provider, &kept.next, kept.purpose, refusal),
    };
    match kept.purpose {
        Purpose::SignIn => enter(anyone, page, headers, &profile, &kept.next).await,
        Purpose::Link => link(anyone, page, &profile).await,
    }
}

async fn enter(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    profile: &Profile,
    next: &str,
) -> Result<Response> {
    let (provider, title) = (profile.provider, profile.provider.title());
    let came = anyone.change(async |change| identities::arrive(change, profile).await).await?;
    let said =
        |code, detail: String| refused(page, provider, next, Purpose::SignIn, Refusal::new(code, detail));
    match came {
        Came::Linked(user) | Came::New(user) => {
            let arrival = Arrival { user, method: provider.word(), two_factors: false, next };
            sign_in::arrive_by_one(anyone, page, headers, &arrival).await
        }
        Came::Unverified => said(
            "unverified_email",
            format!(
                "{title} does not say that an address is yours. Verify your address there, then sign in again."
            ),
        ),
        Came::Closed => said(
            "closed",
            "People join here by invitation, and none waits for your address. Ask somebody who is in."
                .to_owned(),
        ),
        Came::Unlinked => {
            let email = profile.email.clone().unwrap_or_default();
            let detail = format!(
                "{email} has a user here that is not linked with {title}. Nobody gets into a user by an address alone: sign in as you did until now, then link {title} on your security page."
            );
            let other = with_next("/sign-in", &format!("/me/security/{}", provider.word()));
            let body = Refused {
                title: "Sign in as yourself once",
                detail,
                again: String::new(),
                other,
                other_label: "Sign in and link",
            };
            page.clone().with(409).solo("Sign in as yourself once", None, body)
        }
    }
}

async fn link(anyone: &Anyone, page: &Page, profile: &Profile) -> Result<Response> {
    let signed = anyone.signed_in().ok_or(Error::SignedOut)?;
    let linked = match signed.prove("").await {
        Ok(fresh) => signed.change(async |change| identities::link(change, &fresh, profile).await).await,
        // The proof grew too old on the way.
        Err(Error::Invalid(_)) => return Ok(page.to(&format!("/me/security/{}", profile.provider.word()))),
        Err(other) => Err(other),
    };
    match linked {
        Ok(()) => {
            Ok(page.done("/me/security", format!("You can sign in with {} now.", profile.provider.title())))
        }
        Err(Error::Conflict { detail, .. }) => Ok(page.failed("/me/security", detail)),
        Err(other) => Err(other),
    }
}

/// Where one links, or unlinks, after showing that it is oneself.
#[derive(Template)]
#[template(path = "social_login/link.html")]
struct Link {
    word: &'static str,
    title: &'static str,
    /// As whom they are linked; empty if they are not.
    label: String,
    proof: Proof,
    faults: Faults,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    what: String,
    #[serde(flatten)]
    proof: Given,
}

async fn ask(signed: &SignedIn, page: &Page, provider: Provider, faults: Faults) -> Result<Response> {
    let proof = signed.proof().await?;
    let mut scope = signed.read();
    let all = sign_in_methods::list(&mut scope).await?.identities;
    let linked = all.into_iter().find(|it| it.provider == provider.word());
    // Who is linked can unlink, whatever the operator has turned off since.
    if linked.is_none() && !signed.kit().social.has(provider) {
        return Ok(page.to("/me/security"));
    }
    let label = linked.map_or_else(String::new, |it| it.label);
    let link = Link { word: provider.word(), title: provider.title(), label, proof, faults };
    page.show(&mut scope, provider.title(), link).await
}

/// Unlinks; or proves who it is, for the link that then leads to the provider. A form would not be let go there.
async fn change(signed: &SignedIn, page: &Page, provider: Provider, it: &Change) -> Result<Response> {
    let title = provider.title();
    let done = async {
        let fresh = signed.prove(&it.proof).await?;
        if it.what == "unlink" {
            signed.change(async |change| identities::unlink(change, &fresh, provider).await).await?;
        }
        Ok(())
    };
    match done.await {
        Ok(()) if it.what == "unlink" => {
            Ok(page.done("/me/security", format!("You cannot sign in with {title} any more.")))
        }
        Ok(()) => Ok(page.to(&format!("/me/security/{}", provider.word()))),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(signed, &page.clone().with(status), provider, faults).await
        }
    }
}
