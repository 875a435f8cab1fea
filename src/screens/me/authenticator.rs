//! The authenticator app: set up with a QR code, replaced, turned off.
use super::codes::show_new;
use crate::{
    crypto::totp,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::SignedIn,
        reauth::{Given, Proof},
        routes::Routes,
        sign_in,
    },
    store::factors,
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/me/security/authenticator", show)
        .post("/me/security/authenticator", set)
        .get("/me/security/authenticator/remove", ask_remove)
        .post("/me/security/authenticator/remove", remove)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    code: String,
    next: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "me/security/authenticator.html")]
struct Authenticator {
    next: String,
    secret: String,
    /// The QR code as a path, and how wide it is.
    qr: Option<(String, usize)>,
    link: String,
    is_on: bool,
    proof: Proof,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "me/security/remove_authenticator.html")]
struct Remove {
    is_last: bool,
    proof: Proof,
    faults: Faults,
}

async fn show(signed: SignedIn, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    ask(&signed, &page, &it.next, Faults::default()).await
}

/// The secret that is being set up: the same in every window, until it is.
async fn secret(signed: &SignedIn) -> Result<Vec<u8>> {
    let (kit, user) = (signed.kit(), signed.me().person.id);
    let kept = sign_in::kept_secret(signed.session()).await?;
    if let Some(secret) = kept.and_then(|it| factors::open_secret(kit, user, &it)) {
        return Ok(secret);
    }
    let secret = totp::secret(&kit.chance);
    sign_in::keep_secret(signed.session(), &factors::seal_secret(kit, user, &secret)).await?;
    Ok(secret)
}

async fn ask(signed: &SignedIn, page: &Page, next: &str, faults: Faults) -> Result<Response> {
    let secret = secret(signed).await?;
    let proof = signed.proof().await?;
    let mut scope = signed.read();
    let is_on = factors::ways(&mut scope, signed.me().person.id).await?.has_app();
    let base = &signed.kit().rules.base_url;
    let host = base.split_once("://").map_or(base.as_str(), |it| it.1);
    let link = totp::link(&secret, host, &signed.me().person.email).unwrap_or_default();
    let it = Authenticator {
        next: sign_in::safe_next(next).unwrap_or_default().to_owned(),
        secret: totp::in_words(&secret),
        qr: totp::qr(&link),
        link,
        is_on,
        proof,
        faults,
    };
    page.show(&mut scope, "Authenticator app", it).await
}

async fn set(signed: SignedIn, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match confirm(&signed, &it).await {
        Ok(codes) => {
            sign_in::forget_secret(signed.session()).await?;
            sign_in::raise(&signed).await?;
            let next = sign_in::safe_next(&it.next).unwrap_or("/me/security");
            match codes {
                Some(codes) => show_new(&signed, &page, codes, next).await,
                None => Ok(page.done(next, "Your authenticator app is set up.")),
            }
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), &it.next, faults).await
        }
    }
}

async fn confirm(signed: &SignedIn, it: &Typed) -> Result<Option<Vec<String>>> {
    let secret = secret(signed).await?;
    let fresh = signed.prove(&it.proof).await?;
    let step = totp::step(&secret, &it.code, signed.kit().now()).ok_or_else(|| {
        let detail = "This code is not right. Check that the clock of your phone is, and type the code that it shows now.";
        Error::invalid("code", "wrong", detail)
    })?;
    signed.change(async |change| factors::set_app(change, &fresh, &secret, step).await).await
}

async fn ask_remove(signed: SignedIn, page: Page) -> Result<Response> {
    draw_remove(&signed, &page, Faults::default()).await
}

async fn draw_remove(signed: &SignedIn, page: &Page, faults: Faults) -> Result<Response> {
    let proof = signed.proof().await?;
    let mut scope = signed.read();
    let ways = factors::ways(&mut scope, signed.me().person.id).await?;
    if !ways.has_app() {
        return Ok(page.to("/me/security"));
    }
    let it = Remove { is_last: ways.passkeys == 0, proof, faults };
    page.show(&mut scope, "Turn off the authenticator app", it).await
}

async fn remove(signed: SignedIn, page: Page, Form(it): Form<Given>) -> Result<Response> {
    let done = match signed.prove(&it).await {
        Ok(fresh) => signed.change(async |change| factors::remove_app(change, &fresh).await).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(page.done("/me/security", "Your authenticator app is turned off.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            draw_remove(&signed, &page.with(status), faults).await
        }
    }
}
