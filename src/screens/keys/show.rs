//! One key: what it is for, its name, its end.
use super::KeyDisplay;
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
    },
    model::{
        access::Access,
        id::KeyId,
        permission::{OwnKeys, Permission, Permissions, SeeKeys},
        text::Name,
    },
    store::{
        Scope,
        keys::{self, Key},
    },
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// How many resources are named.
const NAMED: usize = 20;

#[derive(Template)]
#[template(path = "keys/show.html")]
struct KeyPage {
    base: String,
    here: String,
    key: Key,
    display: KeyDisplay,
    owner: String,
    /// Keys and descriptions; empty if it may do whatever its owner may.
    permissions: Vec<(&'static str, &'static str)>,
    resources: Vec<String>,
    more_resources: usize,
    created: When,
    used: Option<When>,
    revoked: Option<When>,
    may_rename: bool,
    may_rotate: bool,
    new_name: String,
    errors: FormErrors,
}

pub(super) async fn show(can: Can<SeeKeys>, page: Page, PathId(id): PathId<KeyId>) -> Result<Response> {
    let mut scope = can.read();
    let key = keys::find(&mut scope, id).await?;
    draw(scope, &page, key, None, FormErrors::default()).await
}

async fn draw(
    mut scope: Scope<Access>,
    page: &Page,
    key: Key,
    new_name: Option<String>,
    errors: FormErrors,
) -> Result<Response> {
    let zone = page.zone(scope.actor().time_zone());
    let mut resources = match key.resources() {
        Some(ids) => keys::resource_names(&mut scope, &ids).await?,
        None => vec![],
    };
    let more_resources = resources.len().saturating_sub(NAMED);
    resources.truncate(NAMED);
    let access = scope.access();
    let is_mine = key.user_id.is_some_and(|user| access.is_user(user)) && access.may(Permission::OwnKeys);
    let display = KeyDisplay::of(&key, scope.now(), &zone);
    let listed = |permissions: Permissions| {
        permissions.iter().map(|permission| (permission.key(), permission.description())).collect()
    };
    let base = format!("/a/{}/keys", access.account.slug);
    let key_page = KeyPage {
        here: format!("{base}/{}", key.id),
        base,
        owner: key.owner_name.clone().unwrap_or_else(|| "Somebody who left".into()),
        permissions: key.permissions().map_or_else(Vec::new, listed),
        resources,
        more_resources,
        created: When::minute(key.created_at, &zone),
        used: key.used_at.map(|at| When::minute(at, &zone)),
        revoked: key.revoked_at.map(|at| When::minute(at, &zone)),
        may_rename: is_mine,
        may_rotate: is_mine && display.works && key.successor.is_none(),
        new_name: new_name.unwrap_or_else(|| key.name.clone()),
        errors,
        display,
        key,
    };
    let title = key_page.key.name.clone();
    page.show(&mut scope, &title, key_page).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RenameForm {
    name: String,
}

pub(super) async fn rename(
    can: Can<OwnKeys>,
    page: Page,
    PathId(id): PathId<KeyId>,
    Form(form): Form<RenameForm>,
) -> Result<Response> {
    let renamed = match Name::parse(&form.name) {
        Ok(name) => can.change(async |change| keys::rename(change, id, &name).await).await,
        Err(error) => Err(Error::at("name")(error)),
    };
    match renamed {
        Ok(()) => Ok(page.done(&can.path(&format!("keys/{id}")), "The name is saved.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            let mut scope = can.read();
            let key = keys::find(&mut scope, id).await?;
            draw(scope, &page.with(status), key, Some(form.name), errors).await
        }
    }
}

#[derive(Template)]
#[template(path = "keys/revoke.html")]
struct RevokePage {
    base: String,
    here: String,
    key: Key,
    display: KeyDisplay,
    is_mine: bool,
    owner: String,
    used: Option<When>,
}

impl RevokePage {
    fn of(scope: &Scope<Access>, key: Key, zone: &TimeZone) -> RevokePage {
        let access = scope.access();
        let base = format!("/a/{}/keys", access.account.slug);
        RevokePage {
            here: format!("{base}/{}", key.id),
            base,
            display: KeyDisplay::of(&key, scope.now(), zone),
            is_mine: key.user_id.is_some_and(|user| access.is_user(user)),
            owner: key.owner_name.clone().unwrap_or_else(|| "Somebody who left".into()),
            used: key.used_at.map(|at| When::minute(at, zone)),
            key,
        }
    }
}

pub(super) async fn ask_revoke(can: Can<SeeKeys>, page: Page, PathId(id): PathId<KeyId>) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let mut scope = can.read();
    let key = keys::find(&mut scope, id).await?;
    let revoke_page = RevokePage::of(&scope, key, &zone);
    page.show(&mut scope, "Revoke API key", revoke_page).await
}

pub(super) async fn revoke(can: Can<SeeKeys>, page: Page, PathId(id): PathId<KeyId>) -> Result<Response> {
    can.change(async |change| keys::revoke(change, id).await).await?;
    Ok(page.done(&can.path("keys"), "The key is revoked. It stopped at once."))
}
