//! The signed-in user's passkeys: adding, renaming, removing.
use super::codes::show_new;
use crate::{
    crypto::passkey::RelyingParty,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{PathId, SignedIn},
        passkeys as browser,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
        sign_in,
    },
    model::{id::PasskeyId, text::Name},
    store::{
        factors,
        passkeys::{self, Passkey},
    },
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/me/security/passkeys/new", show_new_passkey)
        .post("/me/security/passkeys/new", add)
        .post("/me/security/passkeys/challenge", challenge)
        .get("/me/security/passkeys/{id}", show)
        .post("/me/security/passkeys/{id}", rename)
        .post("/me/security/passkeys/{id}/remove", remove)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PasskeyForm {
    name: String,
    credential: String,
    next: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "me/security/new_passkey.html")]
struct NewPasskeyPage {
    name: String,
    next: String,
    is_possible: bool,
    reauth: ReauthForm,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "me/security/passkey.html")]
struct PasskeyPage {
    id: PasskeyId,
    name: String,
    new_name: String,
    added: When,
    used: Option<When>,
    is_last: bool,
    reauth: ReauthForm,
    errors: FormErrors,
}

async fn show_new_passkey(
    signed: SignedIn,
    page: Page,
    Query(query): Query<PasskeyForm>,
) -> Result<Response> {
    show_form(&signed, &page, query, FormErrors::default()).await
}

async fn show_form(
    signed: &SignedIn,
    page: &Page,
    form: PasskeyForm,
    errors: FormErrors,
) -> Result<Response> {
    let reauth = signed.reauth_form().await?;
    let new_passkey_page = NewPasskeyPage {
        next: sign_in::safe_next(&form.next).unwrap_or_default().to_owned(),
        name: form.name,
        is_possible: RelyingParty::new(&signed.context().config.base_url).is_some(),
        reauth,
        errors,
    };
    page.show(&mut signed.read(), "Add a passkey", new_passkey_page).await
}

async fn challenge(signed: SignedIn) -> Result<Response> {
    let user = &signed.user();
    let known = passkeys::credential_ids(&mut signed.read(), user.id).await?;
    browser::start_registration(signed.context(), signed.session(), user, known).await
}

async fn add(signed: SignedIn, page: Page, Form(form): Form<PasskeyForm>) -> Result<Response> {
    match create(&signed, &form).await {
        Ok(codes) => {
            sign_in::upgrade_to_two_factors(&signed).await?;
            let next = sign_in::safe_next(&form.next).unwrap_or("/me/security");
            match codes {
                Some(codes) => show_new(&signed, &page, codes, next).await,
                None => Ok(page.done(next, "The passkey is added.")),
            }
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&signed, &page.with(status), form, errors).await
        }
    }
}

async fn create(signed: &SignedIn, form: &PasskeyForm) -> Result<Option<Vec<String>>> {
    let name = Name::parse(&form.name).map_err(Error::at("name"))?;
    // Before reauthenticating, which may use another passkey: the session has room for one challenge.
    let credential = match form.credential.is_empty() {
        true => None,
        false => {
            Some(browser::finish_registration(signed.context(), signed.session(), &form.credential).await?)
        }
    };
    let recent_auth = signed.reauthenticate(&form.reauth).await?;
    let detail = "Press “Create passkey”, and follow what your browser says.";
    let credential = credential.ok_or_else(|| Error::invalid("credential", "required", detail))?;
    signed.change(async |change| passkeys::add(change, &recent_auth, &name, &credential).await).await
}

async fn show(signed: SignedIn, page: Page, PathId(id): PathId<PasskeyId>) -> Result<Response> {
    let passkey = passkeys::find(&mut signed.read(), id).await?;
    draw(&signed, &page, passkey, None, FormErrors::default()).await
}

async fn draw(
    signed: &SignedIn,
    page: &Page,
    passkey: Passkey,
    new_name: Option<String>,
    errors: FormErrors,
) -> Result<Response> {
    let reauth = signed.reauth_form().await?;
    let zone = page.zone(signed.signed_in_user().time_zone.as_deref());
    let mut scope = signed.read();
    let available = factors::available(&mut scope, signed.user().id).await?;
    let title = passkey.name.clone();
    let passkey_page = PasskeyPage {
        id: passkey.id,
        new_name: new_name.unwrap_or_else(|| passkey.name.clone()),
        name: passkey.name,
        added: When::day(passkey.created_at, &zone),
        used: passkey.used_at.map(|at| When::minute(at, &zone)),
        is_last: !available.password && !available.is_linked() && available.passkeys == 1,
        reauth,
        errors,
    };
    page.show(&mut scope, &title, passkey_page).await
}

async fn rename(
    signed: SignedIn,
    page: Page,
    PathId(id): PathId<PasskeyId>,
    Form(form): Form<PasskeyForm>,
) -> Result<Response> {
    let result = match Name::parse(&form.name).map_err(Error::at("name")) {
        Ok(name) => signed.change(async |change| passkeys::rename(change, id, &name).await).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(page.done("/me/security", "The passkey is renamed.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            let passkey = passkeys::find(&mut signed.read(), id).await?;
            draw(&signed, &page.with(status), passkey, Some(form.name), errors).await
        }
    }
}

async fn remove(
    signed: SignedIn,
    page: Page,
    PathId(id): PathId<PasskeyId>,
    Form(input): Form<ReauthInput>,
) -> Result<Response> {
    let passkey = passkeys::find(&mut signed.read(), id).await?;
    let result = match signed.reauthenticate(&input).await {
        Ok(recent_auth) => {
            signed.change(async |change| passkeys::remove(change, &recent_auth, id).await).await
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(page.done("/me/security", format!("The passkey “{}” is removed.", passkey.name))),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            draw(&signed, &page.with(status), passkey, None, errors).await
        }
    }
}
