//! Rotating a key: a new one replaces it, and for a while both work.
use super::{KeyDisplay, new::KeyCreatedPage};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
        reauth::{ReauthForm, ReauthInput},
    },
    model::{
        id::KeyId,
        permission::{OwnKeys, Permissions},
        time::{DAY, HOUR},
    },
    store::{
        access::EVERYDAY,
        keys::{self, Key},
    },
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use std::time::Duration;

/// How long both keys work: the value of the form, its label, the duration.
const GRACES: [(&str, &str, Duration); 4] = [
    ("0", "Not at all", Duration::ZERO),
    ("1h", "1 hour", HOUR),
    ("24h", "24 hours", DAY),
    ("7d", "7 days", DAY.saturating_mul(7)),
];

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct RotateForm {
    grace: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}
impl Default for RotateForm {
    fn default() -> RotateForm {
        RotateForm { grace: "24h".into(), reauth: ReauthInput::default() }
    }
}

#[derive(Template)]
#[template(path = "keys/rotate.html")]
struct RotatePage {
    base: String,
    here: String,
    key: Key,
    display: KeyDisplay,
    graces: Vec<(&'static str, &'static str)>,
    grace: String,
    /// When the new key ends: it lasts as long as the old one did.
    ends: Option<When>,
    reauth: ReauthForm,
    errors: FormErrors,
}

/// Whether it has dangerous permissions, so that replacing it needs reauthentication.
fn is_dangerous(key: &Key) -> bool {
    key.permissions().is_some_and(|permissions| permissions.without(EVERYDAY) != Permissions::NONE)
}

pub(super) async fn ask(can: Can<OwnKeys>, page: Page, PathId(id): PathId<KeyId>) -> Result<Response> {
    draw(&can, &page, id, RotateForm::default(), FormErrors::default()).await
}

async fn draw(
    can: &Can<OwnKeys>,
    page: &Page,
    id: KeyId,
    form: RotateForm,
    errors: FormErrors,
) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let mut scope = can.read();
    let key = keys::find(&mut scope, id).await?;
    let now = scope.now();
    let reauth = if is_dangerous(&key) { can.reauth_form().await? } else { ReauthForm::default() };
    let rotate_page = RotatePage {
        base: can.path("keys"),
        here: can.path(&format!("keys/{id}")),
        display: KeyDisplay::of(&key, now, &zone),
        graces: GRACES.map(|(value, label, _)| (value, label)).into(),
        grace: form.grace,
        ends: key.expires_at.map(|end| When::day(now.plus(end.since(key.created_at)), &zone)),
        reauth,
        errors,
        key,
    };
    page.show(&mut scope, "Rotate API key", rotate_page).await
}

pub(super) async fn rotate(
    can: Can<OwnKeys>,
    page: Page,
    PathId(id): PathId<KeyId>,
    Form(form): Form<RotateForm>,
) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    match rotate_key(&can, id, &form).await {
        Ok((old, new, secret)) => {
            let until = old.expires_at.map(|at| When::minute(at, &zone));
            KeyCreatedPage::show(&can, &page, &new, secret, until).await
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            draw(&can, &page.with(status), id, form, errors).await
        }
    }
}

async fn rotate_key(can: &Can<OwnKeys>, id: KeyId, form: &RotateForm) -> Result<(Key, Key, String)> {
    let Some((.., grace)) = GRACES.iter().find(|(value, ..)| *value == form.grace) else {
        return Err(Error::invalid("grace", "invalid", "Choose how long both keys work."));
    };
    let key = keys::find(&mut can.read(), id).await?;
    let reauth = if is_dangerous(&key) { Some(can.reauthenticate(&form.reauth).await?) } else { None };
    can.change(async |change| {
        let (new, secret) = keys::rotate(change, id, *grace, reauth.as_ref()).await?;
        Ok((keys::find(change, id).await?, keys::find(change, new).await?, secret))
    })
    .await
}
