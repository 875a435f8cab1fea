//! Deleting a role: who holds it gets another in its place.
use super::editor::catch;
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
    },
    model::{id::RoleId, permission::ManageRoles, role::BuiltIn, text::counted},
    store::roles,
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// A role that can take its place.
struct Choice {
    value: String,
    name: String,
}

#[derive(Template)]
#[template(path = "roles/delete.html")]
struct Ask {
    href: String,
    name: String,
    held_by: String,
    is_held: bool,
    replacement: String,
    built_in: Vec<Choice>,
    own: Vec<Choice>,
    faults: Faults,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    replacement: String,
}

pub(super) async fn ask(can: Can<ManageRoles>, page: Page, At(id): At<RoleId>) -> Result<Response> {
    draw(&can, &page, id, String::new(), Faults::default()).await
}

async fn draw(
    can: &Can<ManageRoles>,
    page: &Page,
    id: RoleId,
    replacement: String,
    faults: Faults,
) -> Result<Response> {
    let mut scope = can.read();
    let mut own = roles::list(&mut scope).await?;
    let role = own.iter().position(|it| it.id == id).map(|at| own.remove(at)).ok_or(Error::NotFound)?;
    if faults.0.is_empty() {
        roles::may_change(can.me(), &role)?;
    }
    let held = roles::holders(&mut scope).await?;
    let people = super::people(&held, |it| it.role_id == Some(id));
    let ask = Ask {
        href: can.path(&format!("roles/{id}")),
        name: role.name,
        held_by: match people {
            1 => "1 person holds it, or is invited to it".to_owned(),
            many => format!(
                "{} hold it, or are invited to it",
                counted(many, "person").replace("persons", "people")
            ),
        },
        is_held: people > 0,
        replacement,
        built_in: BuiltIn::GRANTABLE
            .iter()
            .map(|it| Choice { value: it.word().to_owned(), name: it.title().to_owned() })
            .collect(),
        own: own.into_iter().map(|it| Choice { value: it.id.to_string(), name: it.name }).collect(),
        faults,
    };
    page.show(&mut scope, &format!("Delete {}", ask.name), ask).await
}

pub(super) async fn delete(
    can: Can<ManageRoles>,
    page: Page,
    At(id): At<RoleId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let story = async |change: &mut crate::store::Change| {
        let name = roles::find(change, id).await?.role.name;
        roles::delete(change, id, Some(&it.replacement)).await?;
        Ok(name)
    };
    match can.change(story).await {
        Ok(name) => Ok(page.done(&can.path("roles"), format!("The role “{name}” is deleted."))),
        Err(Error::NotFound) => Err(Error::NotFound),
        Err(error) => {
            let (status, faults) = catch(error)?;
            draw(&can, &page.clone().with(status), id, it.replacement, faults).await
        }
    }
}
