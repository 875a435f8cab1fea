//! The authenticator app: setting it up with a QR code, replacing it, turning it off.
use super::codes::show_new;
use crate::{
    crypto::totp,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::SignedIn,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
        sign_in,
    },
    store::factors,
    view::{form_errors::FormErrors, page::Page},
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
struct AuthenticatorForm {
    code: String,
    next: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "me/security/authenticator.html")]
struct AuthenticatorPage {
    next: String,
    secret: String,
    /// The QR code as an SVG path, and its width.
    qr: Option<(String, usize)>,
    link: String,
    is_on: bool,
    reauth: ReauthForm,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "me/security/remove_authenticator.html")]
struct RemoveAuthenticatorPage {
    is_last: bool,
    reauth: ReauthForm,
    errors: FormErrors,
}

async fn show(signed: SignedIn, page: Page, Query(query): Query<AuthenticatorForm>) -> Result<Response> {
    show_form(&signed, &page, &query.next, FormErrors::default()).await
}

/// The secret that is being set up: the same in all windows until the setup is complete.
async fn secret(signed: &SignedIn) -> Result<Vec<u8>> {
    let (context, user) = (signed.context(), signed.user().id);
    let stored = sign_in::authenticator_secret(signed.session()).await?;
    if let Some(secret) = stored.and_then(|sealed| factors::open_secret(context, user, &sealed)) {
        return Ok(secret);
    }
    let secret = totp::new_secret(&context.random);
    sign_in::store_authenticator_secret(signed.session(), &factors::seal_secret(context, user, &secret))
        .await?;
    Ok(secret)
}

async fn show_form(signed: &SignedIn, page: &Page, next: &str, errors: FormErrors) -> Result<Response> {
    let secret = secret(signed).await?;
    let reauth = signed.reauth_form().await?;
    let mut scope = signed.read();
    let is_on = factors::available(&mut scope, signed.user().id).await?.has_app();
    let base = &signed.context().config.base_url;
    let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host);
    let link = totp::otpauth_url(&secret, host, &signed.user().email).unwrap_or_default();
    let authenticator_page = AuthenticatorPage {
        next: sign_in::safe_next(next).unwrap_or_default().to_owned(),
        secret: totp::to_base32(&secret),
        qr: totp::qr_path(&link),
        link,
        is_on,
        reauth,
        errors,
    };
    page.show(&mut scope, "Authenticator app", authenticator_page).await
}

async fn set(signed: SignedIn, page: Page, Form(form): Form<AuthenticatorForm>) -> Result<Response> {
    match confirm(&signed, &form).await {
        Ok(codes) => {
            sign_in::remove_authenticator_secret(signed.session()).await?;
            sign_in::upgrade_to_two_factors(&signed).await?;
            let next = sign_in::safe_next(&form.next).unwrap_or("/me/security");
            match codes {
                Some(codes) => show_new(&signed, &page, codes, next).await,
                None => Ok(page.done(next, "Your authenticator app is set up.")),
            }
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&signed, &page.with(status), &form.next, errors).await
        }
    }
}

async fn confirm(signed: &SignedIn, form: &AuthenticatorForm) -> Result<Option<Vec<String>>> {
    let secret = secret(signed).await?;
    let recent_auth = signed.reauthenticate(&form.reauth).await?;
    let step = totp::matching_step(&secret, &form.code, signed.context().now()).ok_or_else(|| {
        let detail =
            "This code is not right. Check that the clock of your phone is right, and enter the code that it shows now.";
        Error::invalid("code", "wrong", detail)
    })?;
    signed.change(async |change| factors::set_app(change, &recent_auth, &secret, step).await).await
}

async fn ask_remove(signed: SignedIn, page: Page) -> Result<Response> {
    show_remove(&signed, &page, FormErrors::default()).await
}

async fn show_remove(signed: &SignedIn, page: &Page, errors: FormErrors) -> Result<Response> {
    let reauth = signed.reauth_form().await?;
    let mut scope = signed.read();
    let available = factors::available(&mut scope, signed.user().id).await?;
    if !available.has_app() {
        return Ok(page.to("/me/security"));
    }
    let remove_page = RemoveAuthenticatorPage { is_last: available.passkeys == 0, reauth, errors };
    page.show(&mut scope, "Turn off the authenticator app", remove_page).await
}

async fn remove(signed: SignedIn, page: Page, Form(input): Form<ReauthInput>) -> Result<Response> {
    let result = match signed.reauthenticate(&input).await {
        Ok(recent_auth) => {
            signed.change(async |change| factors::remove_app(change, &recent_auth).await).await
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(page.done("/me/security", "Your authenticator app is turned off.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_remove(&signed, &page.with(status), errors).await
        }
    }
}
