//! The answer of an organization's identity provider: signs in, asks to link an existing user, or finishes a test.
use super::{
    flow_cookie::{self, PendingLogin, Purpose},
    link,
    login::refused,
    test,
};
use crate::{
    clients::oidc::{CallbackQuery, CompletedSignIn, OidcError},
    error::{Error, Result},
    http::{form::Query, gate::Anyone, routes::Routes, sign_in},
    model::id::IdentityId,
    store::sso::{
        self, CALLBACK,
        session_proofs::SessionProof,
        sign_in::{SignedIn, SsoProfile},
    },
    view::page::Page,
};
use axum::{http::HeaderMap, response::Response};

pub(super) fn routes() -> Routes {
    Routes::default().get("/sso/callback", callback)
}

async fn callback(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(answer): Query<CallbackQuery>,
) -> Result<Response> {
    let name = flow_cookie::cookie_name(&answer.state);
    let Some(pending) = PendingLogin::from_cookie(anyone.context(), &headers, &name) else {
        let detail = "This answer belongs to no sign-in that this browser began in the last ten minutes, or to one that is over. \
            Sign in again.";
        return refused(&page, "", OidcError::new("state", detail), "/sign-in".into());
    };
    let mut response = complete(&anyone, &page, &headers, &pending, answer).await?;
    // The cookie can be used once.
    page.set_cookie(response.headers_mut(), &name, "", 0);
    Ok(response)
}

/// Exchanges the code of the answer for an ID token.
async fn identify(
    anyone: &Anyone,
    pending: &PendingLogin,
    answer: CallbackQuery,
) -> Result<Result<CompletedSignIn, OidcError>> {
    let context = anyone.context();
    let client = sso::client(&mut anyone.read(), pending.account).await?.ok_or(Error::NotFound)?;
    let redirect = context.url(CALLBACK);
    let provider = match context.oidc.provider(client).await {
        Ok(provider) => provider,
        Err(error) => return Ok(Err(error)),
    };
    Ok(context.oidc.finish(&provider, pending.flow.clone(), answer, &redirect, context.now()).await)
}

async fn complete(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    pending: &PendingLogin,
    answer: CallbackQuery,
) -> Result<Response> {
    let outcome = identify(anyone, pending, answer).await?;
    if pending.purpose == Purpose::Test {
        return test::finish(anyone, page, &pending.slug, Some(pending.account), outcome).await;
    }
    let connection = sso::of(&mut anyone.read(), pending.account).await?.ok_or(Error::NotFound)?;
    let completed = match outcome {
        Ok(completed) => completed,
        Err(error) => return reject(anyone, page, pending, error, None).await,
    };
    let claims = &completed.claims;
    let email_claim = claims.email.as_deref();
    let email =
        match sso::sign_in::address(&mut anyone.read(), pending.account, email_claim, claims.email_verified)
            .await?
        {
            Ok(email) => email,
            Err(error) => return reject(anyone, page, pending, error, email_claim).await,
        };
    let profile = SsoProfile {
        account: pending.account,
        issuer: connection.issuer.clone(),
        subject: claims.subject.clone(),
        email: email.as_str().to_owned(),
        name: claims.name.clone(),
        groups: claims.groups(&connection.groups_claim),
        sid: claims.sid.clone(),
    };
    let signed_in_user = anyone.signed_in().map(|signed_in| signed_in.user().id);
    let signed_in = anyone
        .change(async |change| sso::sign_in::sign_in(change, &connection, &profile, signed_in_user).await)
        .await?;
    match signed_in {
        Err(error) => reject(anyone, page, pending, error, email_claim).await,
        Ok(SignedIn::As(user, identity)) => {
            let session_proof = session_proof(anyone, &profile, identity, &completed.token);
            sign_in::sign_in_by_provider(anyone, user, session_proof).await?;
            let mut response = page.to(&pending.target());
            sign_in::remember_browser(anyone, page, headers, response.headers_mut(), user);
            Ok(response)
        }
        Ok(SignedIn::MustLink) => link::ask_to_link(anyone, page, pending, profile, completed.token),
    }
}

pub(super) fn session_proof(
    anyone: &Anyone,
    profile: &SsoProfile,
    identity: IdentityId,
    token: &str,
) -> SessionProof {
    let context = anyone.context();
    SessionProof {
        account_id: profile.account,
        identity_id: Some(identity),
        sid: profile.sid.clone(),
        token: Some(context.secrets.encrypt(&context.random, sign_in::ID_TOKEN, token.as_bytes())),
        proved_at: context.now(),
        expires_at: None,
    }
}

/// Refusals that are written to the audit log in 15 minutes.
const LOGGED_PER_ADDRESS: u32 = 30;

/// Nobody is signed in; the audit log of the organization has the reason.
async fn reject(
    anyone: &Anyone,
    page: &Page,
    pending: &PendingLogin,
    error: OidcError,
    email: Option<&str>,
) -> Result<Response> {
    let key = format!("sso refused from {}", anyone.client().ip());
    if anyone.app().throttle().attempt(&[(key, LOGGED_PER_ADDRESS)]).is_ok() {
        let logged = anyone.change(async |change| {
            sso::sign_in::record_refusal(change, pending.account, &error, email).await
        });
        logged.await?;
    }
    let found = sso::by_slug(&mut anyone.read(), &pending.slug).await?;
    let name = found.map(|(_, _, name)| name).unwrap_or_default();
    refused(page, &name, error, flow_cookie::retry_path(&pending.slug, pending.purpose, &pending.next))
}
