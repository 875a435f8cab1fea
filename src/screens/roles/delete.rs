//! Deleting a role. Its holders get another role in its place.
use super::editor::catch;
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
    },
    model::{access::Access, id::RoleId, permission::ManageRoles, role::BuiltIn, text::counted},
    store::roles,
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

struct Replacement {
    value: String,
    name: String,
}

#[derive(Template)]
#[template(path = "roles/delete.html")]
struct DeleteRolePage {
    href: String,
    name: String,
    held_by: String,
    is_held: bool,
    replacement: String,
    built_in: Vec<Replacement>,
    own: Vec<Replacement>,
    errors: FormErrors,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DeleteRoleForm {
    replacement: String,
}

pub(super) async fn ask(can: Can<ManageRoles>, page: Page, PathId(id): PathId<RoleId>) -> Result<Response> {
    draw(&can, &page, id, String::new(), FormErrors::default()).await
}

async fn draw(
    can: &Can<ManageRoles>,
    page: &Page,
    id: RoleId,
    replacement: String,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let mut own = roles::list(&mut scope).await?;
    let role = own.iter().position(|role| role.id == id).map(|at| own.remove(at)).ok_or(Error::NotFound)?;
    if errors.0.is_empty() {
        roles::may_change(can.access(), &role)?;
    }
    let holder_counts = roles::holders(&mut scope).await?;
    let people = super::people(&holder_counts, |holders| holders.role_id == Some(id));
    let ask = DeleteRolePage {
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
            .map(|role| Replacement { value: role.as_str().to_owned(), name: role.label().to_owned() })
            .collect(),
        own: own
            .into_iter()
            .map(|role| Replacement { value: role.id.to_string(), name: role.name })
            .collect(),
        errors,
    };
    page.show(&mut scope, &format!("Delete {}", ask.name), ask).await
}

pub(super) async fn delete(
    can: Can<ManageRoles>,
    page: Page,
    PathId(id): PathId<RoleId>,
    Form(form): Form<DeleteRoleForm>,
) -> Result<Response> {
    let apply = async |change: &mut crate::store::Change<Access>| {
        let name = roles::find(change, id).await?.role.name;
        roles::delete(change, id, Some(&form.replacement)).await?;
        Ok(name)
    };
    match can.change(apply).await {
        Ok(name) => Ok(page.done(&can.path("roles"), format!("The role “{name}” is deleted."))),
        Err(Error::NotFound) => Err(Error::NotFound),
        Err(error) => {
            let (status, errors) = catch(error)?;
            draw(&can, &page.clone().with(status), id, form.replacement, errors).await
        }
    }
}
