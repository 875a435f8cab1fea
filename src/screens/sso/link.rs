//! An existing user is linked once, after signing in as themselves.
use super::flow_cookie::{self, Kept};
use crate::{
    error::{Error, Result},
    http::{client::cookie, gate::Anyone, routes::Routes, sign_in},
    model::{access::Person, time::Time},
    store::sso::{
        self,
        sign_in::Guest,
    },
    view::page::Page,
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) fn routes() -> Routes {
    Routes::default().get("/sso/link", show).post("/sso/link", link)
}

const COOKIE: &str = "sso-link";
const PLACE: &str = "sso link";
const PATH: &str = "/sso/link";
const SECONDS: u32 = 900;

#[derive(Serialize, Deserialize)]
struct Waiting {
    guest: Guest,
    slug: String,
    to: String,
    token: String,
    until: Time,
}

#[derive(Template)]
#[template(path = "sso/login/link.html")]
struct Index {
    organization: String,
    email: String,
    me: Option<Person>,
    sign_in: String,
    problem: String,
}

/// Keeps who came, until they have signed in as themselves.
pub(super) fn wait(
    anyone: &Anyone,
    page: &Page,
    kept: &Kept,
    guest: Guest,
    token: String,
) -> Result<Response> {
    let kit = anyone.kit();
    let until = kit.now().plus(Duration::from_secs(SECONDS.into()));
    // Groups are told again at each sign-in, and a cookie is small; so is the token worth less than its room.
    let groups = guest.groups.map(|all| all.into_iter().take(20).collect());
    let guest = Guest { groups, ..guest };
    let token = if token.len() > 1500 { String::new() } else { token };
    let waiting = Waiting { guest, slug: kept.slug.clone(), to: kept.to(), token, until };
    let mut response = page.to(PATH);
    page.set_cookie(response.headers_mut(), COOKIE, &flow_cookie::seal(kit, PLACE, &waiting)?, SECONDS);
    Ok(response)
}

fn waiting(anyone: &Anyone, headers: &HeaderMap) -> Result<Waiting> {
    let kit = anyone.kit();
    let found = cookie(headers, COOKIE).and_then(|it| flow_cookie::open(kit, PLACE, it));
    found.filter(|it: &Waiting| it.until > kit.now()).ok_or(Error::NotFound)
}

async fn show(anyone: Anyone, page: Page, headers: HeaderMap) -> Result<Response> {
    let waiting = waiting(&anyone, &headers)?;
    ask(&anyone, &page, &waiting, String::new()).await
}

async fn ask(anyone: &Anyone, page: &Page, it: &Waiting, problem: String) -> Result<Response> {
    let found = sso::by_slug(&mut anyone.read(), &it.slug).await?;
    let (_, _, organization) = found.ok_or(Error::NotFound)?;
    let email: String = url::form_urlencoded::byte_serialize(it.guest.email.as_bytes()).collect();
    let me = anyone.signed_in().map(|it| it.me().person.clone());
    let person = me.clone();
    let sign_in = format!("/sign-in?own=1&next={PATH}&email={email}");
    let index = Index { organization, email: it.guest.email.clone(), me, sign_in, problem };
    page.solo("Link your user", person.as_ref(), index)
}

async fn link(anyone: Anyone, page: Page, headers: HeaderMap) -> Result<Response> {
    let it = waiting(&anyone, &headers)?;
    let signed = anyone.signed_in().ok_or(Error::SignedOut)?;
    let found = sso::of(&mut anyone.read(), it.guest.account).await?;
    let connection = found.filter(|had| had.issuer == it.guest.issuer).ok_or(Error::NotFound)?;
    let linked = signed.change(async |change| sso::sign_in::link_me(change, &connection, &it.guest).await).await;
    let identity = match linked {
        Ok(it) => it,
        Err(Error::Conflict { detail, .. }) => return ask(&anyone, &page.with(409), &it, detail).await,
        Err(other) => return Err(other),
    };
    let proof = super::login::proof(&anyone, &it.guest, identity, &it.token);
    sign_in::enter_by_provider(&anyone, signed.me().person.id, proof).await?;
    let mut response =
        page.done(&it.to, "Your user is linked. Single sign-on opens this organization for you.");
    page.set_cookie(response.headers_mut(), COOKIE, "", 0);
    Ok(response)
}
