//! Links an existing user with the organization's provider: once, after they signed in as themselves.
use super::flow_cookie::{self, PendingLogin};
use crate::{
    error::{Error, Result},
    http::{gate::Anyone, routes::Routes, sign_in},
    model::{actor::UserSummary, time::Time},
    store::sso::{self, sign_in::SsoProfile},
    view::{cookie, page::Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) fn routes() -> Routes {
    Routes::default().get("/sso/link", show).post("/sso/link", link)
}

const COOKIE: &str = "sso-link";
const SECRET_PURPOSE: &str = "sso link";
const PATH: &str = "/sso/link";
const SECONDS: u32 = 900;

#[derive(Serialize, Deserialize)]
struct PendingLink {
    profile: SsoProfile,
    slug: String,
    target: String,
    token: String,
    until: Time,
}

#[derive(Template)]
#[template(path = "sso/login/link.html")]
struct LinkPage {
    organization: String,
    email: String,
    user: Option<UserSummary>,
    sign_in: String,
    problem: String,
}

/// Keeps the profile in a cookie until the user has signed in as themselves.
pub(super) fn ask_to_link(
    anyone: &Anyone,
    page: &Page,
    login: &PendingLogin,
    profile: SsoProfile,
    token: String,
) -> Result<Response> {
    let context = anyone.context();
    let until = context.now().plus(Duration::from_secs(SECONDS.into()));
    // Browsers keep cookies of at most 4 KB. The provider sends groups again at each sign-in, and the ID token only serves its
    // logout.
    let groups = profile.groups.map(|all| all.into_iter().take(20).collect());
    let profile = SsoProfile { groups, ..profile };
    let token = if token.len() > 1500 { String::new() } else { token };
    let pending = PendingLink { profile, slug: login.slug.clone(), target: login.target(), token, until };
    let mut response = page.to(PATH);
    page.set_cookie(
        response.headers_mut(),
        COOKIE,
        &flow_cookie::encrypt(context, SECRET_PURPOSE, &pending)?,
        SECONDS,
    );
    Ok(response)
}

fn pending(anyone: &Anyone, headers: &HeaderMap) -> Result<PendingLink> {
    let context = anyone.context();
    let found =
        cookie::get(headers, COOKIE).and_then(|value| flow_cookie::decrypt(context, SECRET_PURPOSE, &value));
    found.filter(|pending: &PendingLink| pending.until > context.now()).ok_or(Error::NotFound)
}

async fn show(anyone: Anyone, page: Page, headers: HeaderMap) -> Result<Response> {
    let pending = pending(&anyone, &headers)?;
    ask(&anyone, &page, &pending, String::new()).await
}

async fn ask(anyone: &Anyone, page: &Page, pending: &PendingLink, problem: String) -> Result<Response> {
    let found = sso::by_slug(&mut anyone.read(), &pending.slug).await?;
    let (_, _, organization) = found.ok_or(Error::NotFound)?;
    let email: String = url::form_urlencoded::byte_serialize(pending.profile.email.as_bytes()).collect();
    let user = anyone.signed_in().map(|signed_in| signed_in.user().clone());
    let person = user.clone();
    let sign_in = format!("/sign-in?own=1&next={PATH}&email={email}");
    let body = LinkPage { organization, email: pending.profile.email.clone(), user, sign_in, problem };
    page.solo("Link your user", person.as_ref(), body)
}

async fn link(anyone: Anyone, page: Page, headers: HeaderMap) -> Result<Response> {
    let pending = pending(&anyone, &headers)?;
    let signed_in = anyone.signed_in().ok_or(Error::Unauthenticated)?;
    let found = sso::of(&mut anyone.read(), pending.profile.account).await?;
    let connection =
        found.filter(|connection| connection.issuer == pending.profile.issuer).ok_or(Error::NotFound)?;
    let linked = signed_in
        .change(async |change| sso::sign_in::link_me(change, &connection, &pending.profile).await)
        .await;
    let identity = match linked {
        Ok(identity) => identity,
        Err(Error::Conflict { detail, .. }) => return ask(&anyone, &page.with(409), &pending, detail).await,
        Err(other) => return Err(other),
    };
    let proof = super::callback::session_proof(&anyone, &pending.profile, identity, &pending.token);
    sign_in::sign_in_by_provider(&anyone, signed_in.user().id, proof).await?;
    let mut response =
        page.done(&pending.target, "Your user is linked. Single sign-on opens this organization for you.");
    page.set_cookie(response.headers_mut(), COOKIE, "", 0);
    Ok(response)
}
