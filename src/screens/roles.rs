//! Roles: built-in ones to read; the organization's own to make, copy, change and delete.
mod delete;
mod editor;
mod new;

use crate::{
    error::Result,
    http::{gate::Can, routes::Routes},
    model::{
        access::Entry,
        permission::{Permission, SeeRoles},
        role::{BuiltIn, Reaches},
    },
    store::roles::{self, Held},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

/// The routes of this screen.
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

struct Row {
    id: String,
    name: String,
    says: String,
    is_owner: bool,
    is_built_in: bool,
    over: &'static str,
    people: i64,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "roles/index.html")]
struct Index {
    base: String,
    why: String,
    account: String,
    may_make: bool,
    /// The organization whose roles these are, in one of its teams.
    parent: Option<(String, String)>,
    rows: Vec<Row>,
}

/// Whether the visitor may make roles here.
fn may_make(who: &Entry) -> bool {
    who.may(Permission::ManageRoles) && roles::are_made_here(who).is_ok()
}

fn over(it: BuiltIn) -> &'static str {
    match (it, it.reaches()) {
        (BuiltIn::Owner, _) => "—",
        (BuiltIn::ProductAdminAll, _) => "All products",
        (_, Reaches::Account) => "Whole account",
        (_, Reaches::Products) => "Any product",
        (_, Reaches::Resources) => "Listed resources",
        (_, Reaches::Anything) => "Anything",
    }
}

fn people(held: &[Held], is_it: impl Fn(&&Held) -> bool) -> i64 {
    held.iter().find(is_it).map_or(0, |it| it.holders)
}

async fn list(can: Can<SeeRoles>, page: Page) -> Result<Response> {
    let who = can.me();
    let mut scope = can.read();
    let own = roles::list(&mut scope).await?;
    let held = roles::holders(&mut scope).await?;
    let may_make = may_make(who);
    let built_in = std::iter::once(BuiltIn::Owner).chain(BuiltIn::GRANTABLE.iter().copied()).map(|it| Row {
        id: it.word().to_owned(),
        name: it.title().to_owned(),
        says: it.says().to_owned(),
        is_owner: it == BuiltIn::Owner,
        is_built_in: true,
        over: over(it),
        people: people(&held, |had| had.role.as_deref() == Some(it.word())),
        may_change: false,
    });
    let own = own.into_iter().map(|it| Row {
        id: it.id.to_string(),
        is_owner: false,
        is_built_in: false,
        over: "Anything",
        people: people(&held, |had| had.role_id == Some(it.id)),
        may_change: roles::may_change(who, &it).is_ok(),
        says: it.description,
        name: it.name,
    });
    let parent = who.here.parent.as_ref().filter(|_| who.here.is_under_organization());
    let index = Index {
        base: can.path("roles"),
        why: can.path("why"),
        account: who.here.name.clone(),
        may_make,
        parent: parent.map(|(it, _)| (it.name.clone(), format!("/a/{}/roles", it.slug))),
        rows: built_in.chain(own).collect(),
    };
    page.show(&mut scope, "Roles", index).await
}
