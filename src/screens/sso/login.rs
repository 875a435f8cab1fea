//! The way through an organization's identity provider and back: to sign in, to prove oneself again, to test the connection.

use crate::screens::sso::flow_cookie::{Kept, Purpose};
use crate::{
    clients::oidc::{Answer, Came, Refusal, Start},
    error::{Error, Result},
    http::{
        form::Query,
        gate::{Anyone, Named},
        routes::Routes,
        sign_in,
    },
    model::{id::AccountId, permission::ManageSso, text::Email},
    store::sso::{
        self, CALLBACK,
        session_proofs::Proof,
        sign_in::{Arrival, Guest},
    },
    view::page::Page,
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/sso/{slug}", start).get("/sso/callback", callback).get("/a/{slug}/sso/test", test)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ask {
    next: String,
    email: String,
    fresh: String,
}

#[derive(Template)]
#[template(path = "sso/login/refused.html")]
struct Refused {
    organization: String,
    refusal: Refusal,
    again: String,
    own: bool,
}

fn refused(page: &Page, organization: &str, refusal: Refusal, again: String) -> Result<Response> {
    let own = again.starts_with("/sso/");
    let body = Refused { organization: organization.to_owned(), refusal, again, own };
    page.clone().with(403).solo("Not signed in", None, body)
}

async fn start(anyone: Anyone, page: Page, Named(slug): Named, Query(it): Query<Ask>) -> Result<Response> {
    let found = sso::by_slug(&mut anyone.read(), &slug).await?;
    let (account, slug, name) = found.ok_or(Error::NotFound)?;
    let fresh = !it.fresh.is_empty();
    let purpose = if fresh { Purpose::Proof } else { Purpose::SignIn };
    let hint = Email::parse(&it.email).ok();
    let next = sign_in::safe_next(&it.next).unwrap_or_default().to_owned();
    let again = crate::screens::sso::flow_cookie::again(&slug, purpose, &next);
    match leave(&anyone, &page, account, purpose, slug, next, hint.as_ref().map(Email::as_str)).await? {
        Ok(response) => Ok(response),
        Err(refusal) => refused(&page, &name, refusal, again),
    }
}

async fn test(
    _can: crate::http::gate::Can<ManageSso>,
    anyone: Anyone,
    page: Page,
    Named(slug): Named,
) -> Result<Response> {
    let found = sso::by_slug(&mut anyone.read(), &slug).await?;
    let (account, slug, _) = found.ok_or(Error::NotFound)?;
    // A test asks anew, whatever is remembered.
    let client = sso::client(&mut anyone.read(), account).await?.ok_or(Error::NotFound)?;
    let looked = anyone.kit().oidc.look(&client.issuer).await;
    let went = match looked {
        Ok(_) => leave(&anyone, &page, account, Purpose::Test, slug.clone(), String::new(), None).await?,
        Err(refusal) => Err(refusal),
    };
    match went {
        Ok(response) => Ok(response),
        Err(refusal) => crate::screens::sso::test::note(&anyone, &page, &slug, None, Err(refusal)).await,
    }
}

/// Off to the provider, with a cookie that knows this browser again.
async fn leave(
    anyone: &Anyone,
    page: &Page,
    account: AccountId,
    purpose: Purpose,
    slug: String,
    next: String,
    hint: Option<&str>,
) -> Result<Result<Response, Refusal>> {
    let client = sso::client(&mut anyone.read(), account).await?.ok_or(Error::NotFound)?;
    let (kit, redirect) = (anyone.kit(), anyone.kit().url(CALLBACK));
    let start = Start { redirect: &redirect, fresh: purpose == Purpose::Proof, hint };
    let round = kit.oidc.round(client).await;
    let (url, flow) = match round.and_then(|it| it.start(&kit.chance, start)) {
        Ok(it) => it,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let name = crate::screens::sso::flow_cookie::cookie_name(&flow.state);
    let value = Kept::new(kit, account, slug, purpose, next, flow).seal(kit)?;
    let mut response = page.to(url.as_str());
    page.set_cookie(response.headers_mut(), &name, &value, crate::screens::sso::flow_cookie::SECONDS);
    Ok(Ok(response))
}

async fn callback(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response> {
    let name = crate::screens::sso::flow_cookie::cookie_name(&answer.state);
    let Some(kept) = Kept::open(anyone.kit(), &headers, &name) else {
        let detail = "This answer belongs to no sign-in that this browser began in the last ten minutes, or to one that is over. \
            Sign in again.";
        return refused(&page, "", Refusal::new("state", detail), "/sign-in".into());
    };
    let told = come_back(&anyone, &page, &headers, &kept, answer).await;
    let mut response = told?;
    // Once.
    page.set_cookie(response.headers_mut(), &name, "", 0);
    Ok(response)
}

/// Changes what came back for who it is.
async fn who(anyone: &Anyone, kept: &Kept, answer: Answer) -> Result<Result<Came, Refusal>> {
    let kit = anyone.kit();
    let client = sso::client(&mut anyone.read(), kept.account).await?.ok_or(Error::NotFound)?;
    let redirect = kit.url(CALLBACK);
    let round = match kit.oidc.round(client).await {
        Ok(it) => it,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(kit.oidc.finish(&round, kept.flow.clone(), answer, &redirect, kit.now()).await)
}

async fn come_back(
    anyone: &Anyone,
    page: &Page,
    headers: &HeaderMap,
    kept: &Kept,
    answer: Answer,
) -> Result<Response> {
    let came = who(anyone, kept, answer).await?;
    if kept.purpose == Purpose::Test {
        return crate::screens::sso::test::note(anyone, page, &kept.slug, Some(kept.account), came).await;
    }
    let connection = sso::of(&mut anyone.read(), kept.account).await?.ok_or(Error::NotFound)?;
    let came = match came {
        Ok(it) => it,
        Err(refusal) => return turn_away(anyone, page, kept, refusal, None).await,
    };
    let claims = &came.claims;
    let told = claims.email.clone();
    let (told, verified) = (told.as_deref(), claims.email_verified);
    let email = match sso::sign_in::address(&mut anyone.read(), kept.account, told, verified).await? {
        Ok(it) => it,
        Err(refusal) => return turn_away(anyone, page, kept, refusal, told).await,
    };
    let guest = Guest {
        account: kept.account,
        issuer: connection.issuer.clone(),
        subject: claims.subject.clone(),
        email: email.as_str().to_owned(),
        name: claims.name.clone(),
        groups: claims.groups(&connection.groups_claim),
        sid: claims.sid.clone(),
    };
    let me = anyone.signed_in().map(|it| it.me().person.id);
    let arrived =
        anyone.change(async |change| sso::sign_in::arrive(change, &connection, &guest, me).await).await?;
    match arrived {
        Err(refusal) => turn_away(anyone, page, kept, refusal, told).await,
        Ok(Arrival::In(user, identity)) => {
            let proof = proof(anyone, &guest, identity, &came.token);
            sign_in::enter_by_provider(anyone, user, proof).await?;
            let mut response = page.to(&kept.to());
            sign_in::make_known(anyone, page, headers, response.headers_mut(), user);
            Ok(response)
        }
        Ok(Arrival::Link) => crate::screens::sso::link::wait(anyone, page, kept, guest, came.token),
    }
}

pub(super) fn proof(anyone: &Anyone, guest: &Guest, identity: crate::model::id::IdentityId, token: &str) -> Proof {
    let kit = anyone.kit();
    Proof {
        account_id: guest.account,
        identity_id: Some(identity),
        sid: guest.sid.clone(),
        token: Some(kit.seal.close(&kit.chance, sign_in::TOKEN, token.as_bytes())),
        proved_at: kit.now(),
        expires_at: None,
    }
}

/// So many refusals of one address are written down in a quarter of an hour.
const NOTED: u32 = 30;

/// Nobody is signed in. The organization's log says why.
async fn turn_away(
    anyone: &Anyone,
    page: &Page,
    kept: &Kept,
    refusal: Refusal,
    email: Option<&str>,
) -> Result<Response> {
    let key = format!("sso refused from {}", anyone.client().ip());
    if anyone.app().throttle().attempt(&[(key, NOTED)]).is_ok() {
        let noted =
            anyone.change(async |change| sso::sign_in::refused(change, kept.account, &refusal, email).await);
        noted.await?;
    }
    let found = sso::by_slug(&mut anyone.read(), &kept.slug).await?;
    let name = found.map(|it| it.2).unwrap_or_default();
    refused(
        page,
        &name,
        refusal,
        crate::screens::sso::flow_cookie::again(&kept.slug, kept.purpose, &kept.next),
    )
}
