//! The start of a sign-in through an organization's identity provider.
use super::flow_cookie::{self, PendingLogin, Purpose};
use crate::{
    clients::oidc::{OidcError, StartOptions},
    error::{Error, Result},
    http::{
        form::Query,
        gate::{Anyone, PathSlug},
        routes::Routes,
        sign_in,
    },
    model::{id::AccountId, text::EmailAddress},
    store::sso::{self, CALLBACK},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default().get("/sso/{slug}", start)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SsoLoginQuery {
    next: String,
    email: String,
    fresh: String,
}

#[derive(Template)]
#[template(path = "sso/login/refused.html")]
struct RefusedPage {
    organization: String,
    error: OidcError,
    retry: String,
    offers_own_sign_in: bool,
}

pub(super) fn refused(page: &Page, organization: &str, error: OidcError, retry: String) -> Result<Response> {
    let offers_own_sign_in = retry.starts_with("/sso/");
    let body = RefusedPage { organization: organization.to_owned(), error, retry, offers_own_sign_in };
    page.clone().with(403).solo("Not signed in", None, body)
}

async fn start(
    anyone: Anyone,
    page: Page,
    PathSlug(slug): PathSlug,
    Query(query): Query<SsoLoginQuery>,
) -> Result<Response> {
    let found = sso::by_slug(&mut anyone.read(), &slug).await?;
    let (account, slug, name) = found.ok_or(Error::NotFound)?;
    let fresh = !query.fresh.is_empty();
    let purpose = if fresh { Purpose::Proof } else { Purpose::SignIn };
    let hint = EmailAddress::parse(&query.email).ok();
    let next = sign_in::safe_next(&query.next).unwrap_or_default().to_owned();
    let retry = flow_cookie::retry_path(&slug, purpose, &next);
    match redirect_to_provider(
        &anyone,
        &page,
        account,
        purpose,
        slug,
        next,
        hint.as_ref().map(EmailAddress::as_str),
    )
    .await?
    {
        Ok(response) => Ok(response),
        Err(error) => refused(&page, &name, error, retry),
    }
}

/// Redirects to the provider, with a cookie by which the callback recognizes this browser.
pub(super) async fn redirect_to_provider(
    anyone: &Anyone,
    page: &Page,
    account: AccountId,
    purpose: Purpose,
    slug: String,
    next: String,
    hint: Option<&str>,
) -> Result<Result<Response, OidcError>> {
    let client = sso::client(&mut anyone.read(), account).await?.ok_or(Error::NotFound)?;
    let (context, redirect) = (anyone.context(), anyone.context().url(CALLBACK));
    let start =
        StartOptions { redirect: &redirect, force_login: purpose == Purpose::Proof, login_hint: hint };
    let provider = context.oidc.provider(client).await;
    let (url, flow) = match provider.and_then(|provider| provider.start(&context.random, start)) {
        Ok(started) => started,
        Err(error) => return Ok(Err(error)),
    };
    let name = flow_cookie::cookie_name(&flow.state);
    let value = PendingLogin::new(context, account, slug, purpose, next, flow).encrypt(context)?;
    let mut response = page.to(url.as_str());
    page.set_cookie(response.headers_mut(), &name, &value, flow_cookie::SECONDS);
    Ok(Ok(response))
}
