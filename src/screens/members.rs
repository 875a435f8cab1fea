//! Members: listed, searched, exported, changed one by one or many at once, removed; and leaving.
mod bulk;
mod export;
mod impact;
mod leave;
mod list;
mod member;
mod remove;
mod restore;
mod suspend;

use crate::{
    http::routes::Routes,
    model::text::{grouped, grouped_up_to},
};

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/members", list::show)
        .get("/a/{slug}/members.csv", export::send)
        .get("/a/{slug}/members/bulk", bulk::ask)
        .post("/a/{slug}/members/bulk", bulk::run)
        .get("/a/{slug}/members/leave", leave::ask)
        .post("/a/{slug}/members/leave", leave::leave)
        .get("/a/{slug}/members/{id}", member::show)
        .post("/a/{slug}/members/{id}/roles", member::set_roles)
        .get("/a/{slug}/members/{id}/suspend", suspend::ask)
        .post("/a/{slug}/members/{id}/suspend", suspend::suspend)
        .post("/a/{slug}/members/{id}/reactivate", suspend::reactivate)
        .post("/a/{slug}/members/{id}/expiry", member::set_expiry)
        .post("/a/{slug}/members/{id}/login-type", member::set_login_type)
        .get("/a/{slug}/members/{id}/remove", remove::ask)
        .post("/a/{slug}/members/{id}/remove", remove::remove)
        .post("/a/{slug}/members/{id}/restore", restore::restore)
        .get("/a/{slug}/members/{id}/restored", restore::show)
}

/// A number with the word that fits it: `1 API key is`, `2 API keys are`.
fn plural(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// The store stops counting behind a thousand.
fn up_to_a_thousand(number: i64) -> String {
    grouped_up_to(1000, number)
}

/// The list as it was, if the form came from there, else `path`. Anything but a path of the list is ignored.
fn back_path(back: &str, path: &str) -> String {
    match back.strip_prefix("members") {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => back.to_owned(),
        _ => path.to_owned(),
    }
}
