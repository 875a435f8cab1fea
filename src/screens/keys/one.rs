//! One key: what it is for, its name, its end.
use super::Looks;
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
    },
    model::{
        id::KeyId,
        permission::{OwnKeys, Permission, Permissions, SeeKeys},
        text::Name,
    },
    store::{
        Scope,
        keys::{self, Key},
    },
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// How many resources are named.
const NAMED: usize = 20;

#[derive(Template)]
#[template(path = "keys/one.html")]
struct One {
    base: String,
    here: String,
    key: Key,
    looks: Looks,
    owner: String,
    /// What it may do, one by one; empty where that follows its owner.
    permissions: Vec<(&'static str, &'static str)>,
    resources: Vec<String>,
    more_resources: usize,
    created: When,
    used: Option<When>,
    revoked: Option<When>,
    may_rename: bool,
    may_rotate: bool,
    typed: String,
    faults: Faults,
}

pub(super) async fn show(can: Can<SeeKeys>, page: Page, At(id): At<KeyId>) -> Result<Response> {
    let mut scope = can.read();
    let key = keys::find(&mut scope, id).await?;
    draw(scope, &page, key, None, Faults::default()).await
}

async fn draw(
    mut scope: Scope,
    page: &Page,
    key: Key,
    typed: Option<String>,
    faults: Faults,
) -> Result<Response> {
    let zone = page.zone(scope.who().time_zone.as_deref());
    let mut resources = match key.resources() {
        Some(ids) => keys::resource_names(&mut scope, &ids).await?,
        None => vec![],
    };
    let more_resources = resources.len().saturating_sub(NAMED);
    resources.truncate(NAMED);
    let me = scope.who();
    let is_mine = key.user_id == Some(me.person.id) && me.may(Permission::OwnKeys);
    let looks = Looks::of(&key, scope.now(), &zone);
    let told = |it: Permissions| it.iter().map(|it| (it.key(), it.says())).collect();
    let base = format!("/a/{}/keys", me.here.slug);
    let one = One {
        here: format!("{base}/{}", key.id),
        base,
        owner: key.owner_name.clone().unwrap_or_else(|| "Somebody who left".into()),
        permissions: key.permissions().map_or_else(Vec::new, told),
        resources,
        more_resources,
        created: When::minute(key.created_at, &zone),
        used: key.used_at.map(|at| When::minute(at, &zone)),
        revoked: key.revoked_at.map(|at| When::minute(at, &zone)),
        may_rename: is_mine,
        may_rotate: is_mine && looks.works && key.successor.is_none(),
        typed: typed.unwrap_or_else(|| key.name.clone()),
        faults,
        looks,
        key,
    };
    let title = one.key.name.clone();
    page.show(&mut scope, &title, one).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
}

pub(super) async fn rename(
    can: Can<OwnKeys>,
    page: Page,
    At(id): At<KeyId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let renamed = match Name::parse(&it.name) {
        Ok(name) => can.change(async |change| keys::rename(change, id, &name).await).await,
        Err(refusal) => Err(Error::at("name")(refusal)),
    };
    match renamed {
        Ok(()) => Ok(page.done(&can.path(&format!("keys/{id}")), "The name is saved.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            let mut scope = can.read();
            let key = keys::find(&mut scope, id).await?;
            draw(scope, &page.with(status), key, Some(it.name), faults).await
        }
    }
}

#[derive(Template)]
#[template(path = "keys/revoke.html")]
struct Revoke {
    base: String,
    here: String,
    key: Key,
    looks: Looks,
    is_mine: bool,
    owner: String,
    used: Option<When>,
}

impl Revoke {
    fn of(scope: &Scope, key: Key, zone: &TimeZone) -> Revoke {
        let me = scope.who();
        let base = format!("/a/{}/keys", me.here.slug);
        Revoke {
            here: format!("{base}/{}", key.id),
            base,
            looks: Looks::of(&key, scope.now(), zone),
            is_mine: key.user_id == Some(me.person.id),
            owner: key.owner_name.clone().unwrap_or_else(|| "Somebody who left".into()),
            used: key.used_at.map(|at| When::minute(at, zone)),
            key,
        }
    }
}

pub(super) async fn ask_revoke(can: Can<SeeKeys>, page: Page, At(id): At<KeyId>) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let mut scope = can.read();
    let key = keys::find(&mut scope, id).await?;
    let revoke = Revoke::of(&scope, key, &zone);
    page.show(&mut scope, "Revoke API key", revoke).await
}

pub(super) async fn revoke(can: Can<SeeKeys>, page: Page, At(id): At<KeyId>) -> Result<Response> {
    can.change(async |change| keys::revoke(change, id).await).await?;
    Ok(page.done(&can.path("keys"), "The key is revoked. It stopped at once."))
}
