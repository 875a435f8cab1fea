//! Signing in, signing up and linking with Google or GitHub.
use crate::{
    clients::{
        oidc::{CallbackQuery, OidcError},
        social::{Flow, Profile, Provider},
    },
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Anyone, SignedIn},
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
        sign_in::{self, VerifiedUser},
    },
    model::time::{MINUTE, Time},
    store::{
        identities::{self, SocialSignIn as ProfileOwner},
        sign_in_methods,
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;

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

const TIMEOUT: Duration = MINUTE.saturating_mul(15);
/// In 15 minutes.
const STARTS_PER_ADDRESS: u32 = 300;
const SESSION_KEY: &str = "social";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Purpose {
    SignIn,
    Link,
}

/// Kept in the session until the provider sends the browser back.
#[derive(Serialize, Deserialize)]
struct PendingFlow {
    flow: Flow,
    purpose: Purpose,
    next: String,
    since: Time,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SocialLoginQuery {
    next: String,
    link: String,
    /// Not empty: the sign-in is a fresh proof of identity.
    fresh: String,
}

#[derive(Template)]
#[template(path = "social_login/refused.html")]
struct RefusedPage {
    title: &'static str,
    detail: String,
    /// The link to try again; empty if that cannot help.
    again: String,
    other: String,
    other_label: &'static str,
}

async fn google(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(query): Query<SocialLoginQuery>,
) -> Result<Response> {
    start(&anyone, &page, &headers, Provider::Google, &query).await
}
async fn github(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(query): Query<SocialLoginQuery>,
) -> Result<Response> {
    start(&anyone, &page, &headers, Provider::GitHub, &query).await
}
async fn from_google(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Result<Response> {
    callback(&anyone, &page, &headers, Provider::Google, query).await
}
async fn from_github(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Result<Response> {
    callback(&anyone, &page, &headers, Provider::GitHub, query).await
}
async fn link_google(signed_in: SignedIn, page: Page) -> Result<Response> {
    draw(&signed_in, &page, Provider::Google, FormErrors::default()).await
}
async fn link_github(signed_in: SignedIn, page: Page) -> Result<Response> {
    draw(&signed_in, &page, Provider::GitHub, FormErrors::default()).await
}
async fn unlink_google(signed_in: SignedIn, page: Page, Form(form): Form<LinkForm>) -> Result<Response> {
    submit(&signed_in, &page, Provider::Google, &form).await
}
async fn unlink_github(signed_in: SignedIn, page: Page, Form(form): Form<LinkForm>) -> Result<Response> {
    submit(&signed_in, &page, Provider::GitHub, &form).await
}

fn refused(
    page: &Page,
    provider: Provider,
    next: &str,
    purpose: Purpose,
    error: OidcError,
) -> Result<Response> {
    tracing::info!(provider = provider.as_str(), code = error.code, "refused");
    let next = sign_in::safe_next(next).unwrap_or_default();
    let (again, other, other_label) = match purpose {
        Purpose::SignIn => (
            with_next(&format!("/auth/{}", provider.as_str()), next),
            with_next("/sign-in", next),
            "Sign in another way",
        ),
        Purpose::Link => (String::new(), "/me/security".to_owned(), "Back to your security page"),
    };
    let again = if error.code == "off" { String::new() } else { again };
    let body =
        RefusedPage { title: "You are not signed in", detail: error.detail, again, other, other_label };
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
    query: &SocialLoginQuery,
) -> Result<Response> {
    let context = anyone.context();
    if !context.social.is_configured(provider) {
        return Err(Error::NotFound);
    }
    let purpose = if query.link.is_empty() { Purpose::SignIn } else { Purpose::Link };
    if purpose == Purpose::Link {
        let signed_in = anyone.signed_in().ok_or(Error::Unauthenticated)?;
        // Linking changes the user, so no other site may start it.
        let is_ours =
            headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
        if signed_in.needs_reauth() || !is_ours {
            return Ok(page.to(&format!("/me/security/{}", provider.as_str())));
        }
    }
    // Each start may make the server call the provider.
    let _ = anyone
        .app()
        .throttle()
        .attempt(&[(format!("auth from {}", anyone.client().ip()), STARTS_PER_ADDRESS)])?;
    let redirect = context.url(provider.callback());
    let force_login = purpose == Purpose::Link || !query.fresh.is_empty();
    let (url, flow) = match context.social.start(provider, &context.random, &redirect, force_login).await {
        Ok(started) => started,
        Err(error) => return refused(page, provider, &query.next, purpose, error),
    };
    let next = sign_in::safe_next(&query.next).unwrap_or_default().to_owned();
    let pending = PendingFlow { flow, purpose, next, since: context.now() };
    anyone
        .session()
        .insert(SESSION_KEY, pending)
        .await
        .map_err(|error| Error::Unavailable(error.to_string()))?;
    Ok(page.to(url.as_str()))
}

/// What this browser began with the provider, if the answer belongs to it. It can be taken once.
async fn take_pending(
    anyone: &Anyone,
    provider: Provider,
    answer: &CallbackQuery,
) -> Result<Option<PendingFlow>> {
    let unavailable = |error: tower_sessions::session::Error| Error::Unavailable(error.to_string());
    let stored = anyone.session().get_value(SESSION_KEY).await.map_err(unavailable)?;
    // A value that an older version wrote is ignored.
    let Some(pending) = stored.and_then(|value| serde_json::from_value::<PendingFlow>(value).ok()) else {
        return Ok(None);
    };
    let begun_at = match &pending.flow {
        Flow::Google(_) => Provider::Google,
        Flow::GitHub(_) => Provider::GitHub,
    };
    let fits = begun_at == provider && pending.flow.state() == answer.state;
    if !fits || anyone.context().now().since(pending.since) > TIMEOUT {
        return Ok(None);
    }
    anyone.session().remove_value(SESSION_KEY).await.map_err(unavailable)?;
    anyone.session().save().await.map_err(unavailable)?;
    Ok(Some(pending))
}

async fn callback(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    provider: Provider,
    answer: CallbackQuery,
) -> Result<Response> {
    let Some(pending) = take_pending(anyone, provider, &answer).await? else {
        let detail = "This answer belongs to no sign-in that this browser began in the last minutes, or it was used before. Sign in again.";
        return refused(page, provider, "", Purpose::SignIn, OidcError::new("state", detail));
    };
    let context = anyone.context();
    let redirect = context.url(provider.callback());
    let profile = match context.social.finish(pending.flow, answer, &redirect, context.now()).await {
        Ok(profile) => profile,
        Err(error) => return refused(page, provider, &pending.next, pending.purpose, error),
    };
    match pending.purpose {
        Purpose::SignIn => sign_in_with(anyone, page, headers, &profile, &pending.next).await,
        Purpose::Link => link(anyone, page, &profile).await,
    }
}

async fn sign_in_with(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    profile: &Profile,
    next: &str,
) -> Result<Response> {
    let (provider, title) = (profile.provider, profile.provider.label());
    let owner = anyone.change(async |change| identities::sign_in(change, profile).await).await?;
    let refuse =
        |code, detail: String| refused(page, provider, next, Purpose::SignIn, OidcError::new(code, detail));
    match owner {
        ProfileOwner::Linked(user) | ProfileOwner::New(user) => {
            let arrival = VerifiedUser { user, method: provider.as_str(), two_factors: false, next };
            sign_in::sign_in_first_factor(anyone, page, headers, &arrival).await
        }
        ProfileOwner::Unverified => refuse(
            "unverified_email",
            format!(
                "{title} does not say that an address is yours. Verify your address there, then sign in again."
            ),
        ),
        ProfileOwner::Closed => refuse(
            "closed",
            "People join here by invitation, and none waits for your address. Ask somebody who is in."
                .to_owned(),
        ),
        ProfileOwner::Unlinked => {
            let email = profile.email.clone().unwrap_or_default();
            let detail = format!(
                "{email} has a user here that is not linked with {title}. For safety, an email address alone cannot sign you in. Sign in the way you did before, then link {title} on your security page."
            );
            let other = with_next("/sign-in", &format!("/me/security/{}", provider.as_str()));
            let body = RefusedPage {
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
    let signed_in = anyone.signed_in().ok_or(Error::Unauthenticated)?;
    let linked = match signed_in.reauthenticate("").await {
        Ok(fresh) => signed_in.change(async |change| identities::link(change, &fresh, profile).await).await,
        // The recent proof of identity expired on the way.
        Err(Error::Validation(_)) => {
            return Ok(page.to(&format!("/me/security/{}", profile.provider.as_str())));
        }
        Err(other) => Err(other),
    };
    match linked {
        Ok(()) => {
            Ok(page.done("/me/security", format!("You can sign in with {} now.", profile.provider.label())))
        }
        Err(Error::Conflict { detail, .. }) => Ok(page.failed("/me/security", detail)),
        Err(other) => Err(other),
    }
}

#[derive(Template)]
#[template(path = "social_login/link.html")]
struct LinkPage {
    slug: &'static str,
    title: &'static str,
    /// The name at the provider; empty if not linked.
    label: String,
    reauth: ReauthForm,
    errors: FormErrors,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LinkForm {
    what: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

async fn draw(signed_in: &SignedIn, page: &Page, provider: Provider, errors: FormErrors) -> Result<Response> {
    let reauth = signed_in.reauth_form().await?;
    let mut scope = signed_in.read();
    let identities = sign_in_methods::list(&mut scope).await?.identities;
    let linked = identities.into_iter().find(|identity| identity.provider == provider.as_str());
    // A linked identity can be unlinked even after the operator turned the provider off.
    if linked.is_none() && !signed_in.context().social.is_configured(provider) {
        return Ok(page.to("/me/security"));
    }
    let label = linked.map_or_else(String::new, |identity| identity.label);
    let body = LinkPage { slug: provider.as_str(), title: provider.label(), label, reauth, errors };
    page.show(&mut scope, provider.label(), body).await
}

/// Unlinks; or confirms the identity, after which the page links to the provider. A form cannot lead there (`form-action`).
async fn submit(signed_in: &SignedIn, page: &Page, provider: Provider, form: &LinkForm) -> Result<Response> {
    let title = provider.label();
    let done = async {
        let fresh = signed_in.reauthenticate(&form.reauth).await?;
        if form.what == "unlink" {
            signed_in.change(async |change| identities::unlink(change, &fresh, provider).await).await?;
        }
        Ok(())
    };
    match done.await {
        Ok(()) if form.what == "unlink" => {
            Ok(page.done("/me/security", format!("You cannot sign in with {title} any more.")))
        }
        Ok(()) => Ok(page.to(&format!("/me/security/{}", provider.as_str()))),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            draw(signed_in, &page.clone().with(status), provider, errors).await
        }
    }
}
