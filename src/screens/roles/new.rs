//! A new role, from nothing or from another one.
use super::editor::catch;
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Can,
    },
    model::{
        access::Access,
        permission::{ManageRoles, Permission, Permissions},
        role::BuiltIn,
        text::Name,
    },
    store::roles,
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

struct BaseOption {
    value: String,
    name: String,
}

#[derive(Template)]
#[template(path = "roles/new.html")]
struct NewRolePage {
    list: String,
    form: NewRoleForm,
    built_in: Vec<BaseOption>,
    own: Vec<BaseOption>,
    errors: FormErrors,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NewRoleQuery {
    from: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NewRoleForm {
    name: String,
    description: String,
    base: String,
    perm: Vec<String>,
}

pub(super) async fn show(
    can: Can<ManageRoles>,
    page: Page,
    Query(query): Query<NewRoleQuery>,
) -> Result<Response> {
    roles::are_made_here(can.access())?;
    draw(&can, &page, NewRoleForm { base: query.from, ..NewRoleForm::default() }, FormErrors::default()).await
}

async fn draw(
    can: &Can<ManageRoles>,
    page: &Page,
    mut form: NewRoleForm,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let own: Vec<BaseOption> = roles::list(&mut scope)
        .await?
        .into_iter()
        .map(|role| BaseOption { value: role.id.to_string(), name: role.name })
        .collect();
    let built_in: Vec<BaseOption> = BuiltIn::GRANTABLE
        .iter()
        .map(|role| BaseOption { value: role.as_str().to_owned(), name: role.label().to_owned() })
        .collect();
    let from = built_in.iter().chain(&own).find(|choice| choice.value == form.base);
    if let (Some(base), true, true) = (from, form.name.is_empty(), errors.0.is_empty()) {
        form.name = format!("Copy of {}", base.name);
    }
    page.show(&mut scope, "New role", NewRolePage { list: can.path("roles"), form, built_in, own, errors })
        .await
}

pub(super) async fn create(
    can: Can<ManageRoles>,
    page: Page,
    Form(form): Form<NewRoleForm>,
) -> Result<Response> {
    let known: Option<Vec<Permission>> = form.perm.iter().map(|key| Permission::parse(key)).collect();
    let unknown = || {
        Error::invalid(
            "permissions",
            "unknown_permission",
            "At least one of these permissions does not exist.",
        )
    };
    let apply = async |change: &mut crate::store::Change<Access>| {
        let chosen = known.as_deref().ok_or_else(unknown)?;
        let new = roles::NewRole {
            name: Name::parse(&form.name).map_err(Error::at("name"))?,
            description: form.description.clone(),
            permissions: (!chosen.is_empty()).then(|| Permissions::of(chosen)),
            base: (!form.base.is_empty()).then(|| form.base.clone()),
        };
        roles::create(change, &new).await
    };
    match can.change(apply).await {
        Ok(id) => Ok(page.done(
            &can.path(&format!("roles/{id}")),
            "The role is created. Tick what it allows, then give it to somebody.",
        )),
        Err(error) => {
            let (status, errors) = catch(error)?;
            draw(&can, &page.clone().with(status), form, errors).await
        }
    }
}
