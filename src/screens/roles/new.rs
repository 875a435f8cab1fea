//! A new role, from nothing or from another one.
use super::editor::catch;
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Can,
    },
    model::{
        permission::{ManageRoles, Permission, Permissions},
        role::BuiltIn,
        text::Name,
    },
    store::roles,
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// What it can start from.
struct Base {
    value: String,
    name: String,
}

#[derive(Template)]
#[template(path = "roles/new.html")]
struct Ask {
    list: String,
    typed: Typed,
    built_in: Vec<Base>,
    own: Vec<Base>,
    faults: Faults,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct From {
    from: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    description: String,
    base: String,
    perm: Vec<String>,
}

pub(super) async fn show(can: Can<ManageRoles>, page: Page, Query(it): Query<From>) -> Result<Response> {
    roles::are_made_here(can.me())?;
    draw(&can, &page, Typed { base: it.from, ..Typed::default() }, Faults::default()).await
}

async fn draw(can: &Can<ManageRoles>, page: &Page, mut typed: Typed, faults: Faults) -> Result<Response> {
    let mut scope = can.read();
    let own: Vec<Base> = roles::list(&mut scope)
        .await?
        .into_iter()
        .map(|it| Base { value: it.id.to_string(), name: it.name })
        .collect();
    let built_in: Vec<Base> = BuiltIn::GRANTABLE
        .iter()
        .map(|it| Base { value: it.word().to_owned(), name: it.title().to_owned() })
        .collect();
    let from = built_in.iter().chain(&own).find(|it| it.value == typed.base);
    if let (Some(it), true, true) = (from, typed.name.is_empty(), faults.0.is_empty()) {
        typed.name = format!("Copy of {}", it.name);
    }
    page.show(&mut scope, "New role", Ask { list: can.path("roles"), typed, built_in, own, faults }).await
}

pub(super) async fn create(can: Can<ManageRoles>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let known: Option<Vec<Permission>> = it.perm.iter().map(|it| Permission::parse(it)).collect();
    let unknown = || Error::invalid("permissions", "unknown_permission", "One of these is no permission.");
    let story = async |change: &mut crate::store::Change| {
        let chosen = known.as_deref().ok_or_else(unknown)?;
        let new = roles::New {
            name: Name::parse(&it.name).map_err(Error::at("name"))?,
            description: it.description.clone(),
            permissions: (!chosen.is_empty()).then(|| Permissions::of(chosen)),
            base: (!it.base.is_empty()).then(|| it.base.clone()),
        };
        roles::create(change, &new).await
    };
    match can.change(story).await {
        Ok(id) => Ok(page.done(
            &can.path(&format!("roles/{id}")),
            "The role is made. Tick what it allows, then give it to somebody.",
        )),
        Err(error) => {
            let (status, faults) = catch(error)?;
            draw(&can, &page.clone().with(status), it, faults).await
        }
    }
}
