//! Roles: built-in ones are shown; an organization creates, copies, changes and deletes its own.
mod delete;
mod editor;
mod new;

use crate::{
    error::Result,
    http::{gate::Can, routes::Routes},
    model::{
        access::Access,
        permission::{Permission, SeeRoles},
        role::{BuiltIn, ScopeKind},
    },
    store::roles::{self, HolderCount},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/roles", list)
        .post("/a/{slug}/roles", new::create)
        .get("/a/{slug}/roles/new", new::show)
        .get("/a/{slug}/roles/{id}", editor::show)
        .post("/a/{slug}/roles/{id}", editor::save)
        .get("/a/{slug}/roles/{id}/effect", editor::effect)
        .get("/a/{slug}/roles/{id}/delete", delete::ask)
        .post("/a/{slug}/roles/{id}/delete", delete::delete)
}

struct RoleRow {
    id: String,
    name: String,
    description: String,
    is_owner: bool,
    is_built_in: bool,
    scope_label: &'static str,
    people: i64,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "roles/index.html")]
struct RolesPage {
    base: String,
    why: String,
    account: String,
    may_make: bool,
    /// The organization whose roles these are, in one of its teams.
    parent: Option<(String, String)>,
    rows: Vec<RoleRow>,
}

fn may_make(access: &Access) -> bool {
    access.may(Permission::ManageRoles) && roles::are_made_here(access).is_ok()
}

fn scope_label(role: BuiltIn) -> &'static str {
    match (role, role.scope_kind()) {
        (BuiltIn::Owner, _) => "—",
        (BuiltIn::ProductAdminAll, _) => "All products",
        (_, ScopeKind::Account) => "Whole account",
        (_, ScopeKind::Products) => "Any product",
        (_, ScopeKind::Resources) => "Listed resources",
        (_, ScopeKind::Anything) => "Anything",
    }
}

fn people(holder_counts: &[HolderCount], matches: impl Fn(&&HolderCount) -> bool) -> i64 {
    holder_counts.iter().find(matches).map_or(0, |count| count.holders)
}

async fn list(can: Can<SeeRoles>, page: Page) -> Result<Response> {
    let access = can.access();
    let mut scope = can.read();
    let own = roles::list(&mut scope).await?;
    let holder_counts = roles::holders(&mut scope).await?;
    let may_make = may_make(access);
    let built_in =
        std::iter::once(BuiltIn::Owner).chain(BuiltIn::GRANTABLE.iter().copied()).map(|role| RoleRow {
            id: role.as_str().to_owned(),
            name: role.label().to_owned(),
            description: role.description().to_owned(),
            is_owner: role == BuiltIn::Owner,
            is_built_in: true,
            scope_label: scope_label(role),
            people: people(&holder_counts, |holders| holders.role.as_deref() == Some(role.as_str())),
            may_change: false,
        });
    let own = own.into_iter().map(|role| RoleRow {
        id: role.id.to_string(),
        is_owner: false,
        is_built_in: false,
        scope_label: "Anything",
        people: people(&holder_counts, |holders| holders.role_id == Some(role.id)),
        may_change: roles::may_change(access, &role).is_ok(),
        description: role.description,
        name: role.name,
    });
    let parent = access.account.parent.as_ref().filter(|_| access.account.is_under_organization());
    let index = RolesPage {
        base: can.path("roles"),
        why: can.path("why"),
        account: access.account.name.clone(),
        may_make,
        parent: parent.map(|(parent, _)| (parent.name.clone(), format!("/a/{}/roles", parent.slug))),
        rows: built_in.chain(own).collect(),
    };
    page.show(&mut scope, "Roles", index).await
}
