//! Members: listed, searched, exported, changed one by one or many at once, removed; and leaving.
mod bulk;
mod expiry;
mod export;
mod leave;
mod list;
mod member;
mod remove;
mod restore;
mod suspend;

use crate::http::routes::Routes;

/// The routes of this screen.
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

/// `1 key`, `2 keys`.
fn count(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", digits(n), if n == 1 { one } else { many })
}

/// `12,345`.
fn digits(n: i64) -> String {
    let plain = n.to_string();
    let mut text = String::new();
    for (at, it) in plain.chars().enumerate() {
        if at > 0 && (plain.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(it);
    }
    text
}

/// What a count that stops at a thousand says.
fn up_to_a_thousand(n: i64) -> String {
    if n > 1000 { "1,000+".into() } else { digits(n) }
}

/// Back to the list as it was, if the form came from there; else to `path`.
fn back(back: &str, path: &str) -> String {
    match back.strip_prefix("members") {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => back.to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(digits(7), "7");
        assert_eq!(digits(1000), "1,000");
        assert_eq!(digits(1_234_567), "1,234,567");
        assert_eq!(up_to_a_thousand(1000), "1,000");
        assert_eq!(up_to_a_thousand(1001), "1,000+");
        assert_eq!(count(1, "key", "keys"), "1 key");
    }
}
