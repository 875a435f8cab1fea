//! API keys: the list, creating, renaming, rotating, revoking.
mod list;
mod new;
mod rotate;
mod show;

use crate::{
    http::routes::Routes,
    model::{
        permission::Permissions,
        text::counted,
        time::{DAY, Time},
    },
    store::keys::{self, Key},
    view::{permission_matrix, when::When},
};
use jiff::tz::TimeZone;

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/keys", list::show)
        .post("/a/{slug}/keys", new::create)
        .get("/a/{slug}/keys/new", new::show)
        .get("/a/{slug}/keys/summary", new::summary)
        .get("/a/{slug}/keys/{id}", show::show)
        .post("/a/{slug}/keys/{id}", show::rename)
        .get("/a/{slug}/keys/{id}/rotate", rotate::ask)
        .post("/a/{slug}/keys/{id}/rotate", rotate::rotate)
        .get("/a/{slug}/keys/{id}/revoke", show::ask_revoke)
        .post("/a/{slug}/keys/{id}/revoke", show::revoke)
}

/// What all pages of a key say about it.
struct KeyDisplay {
    /// `gh_key_••••7Qd2`.
    masked: String,
    status: &'static str,
    /// For `ui::status`.
    state: &'static str,
    works: bool,
    expires: Option<When>,
    /// `in 13 days`, if that is soon.
    expires_in: String,
    /// The key that replaces it, or that it replaces.
    replacement: String,
}

fn masked(last4: &str) -> String {
    format!("gh_key_••••{last4}")
}

impl KeyDisplay {
    fn of(key: &Key, now: Time, zone: &TimeZone) -> KeyDisplay {
        let status = key.status(now);
        let left =
            key.expires_at.map(|end| end.since(now)).filter(|left| *left < keys::SOON && status == "active");
        let (label, state) = match (status, &key.successor, left) {
            ("active", _, _) if key.is_spent(now) => ("Budget used up", "bad"),
            ("active", Some(_), _) => ("Rotated", "wait"),
            ("active", None, Some(_)) => ("Expires soon", "wait"),
            ("active", None, None) => ("Active", ""),
            ("expired", Some(_), _) => ("Rotated", "off"),
            ("expired", None, _) => ("Expired", "off"),
            _ => ("Revoked", "off"),
        };
        let replacement = match (&key.successor, &key.predecessor) {
            (Some(next), _) => format!("Replaced by ••••{next}"),
            (None, Some(last)) => format!("Replaces ••••{last}"),
            (None, None) => String::new(),
        };
        KeyDisplay {
            masked: masked(&key.last4),
            status: label,
            state,
            works: status == "active",
            expires: key.expires_at.map(|at| {
                if left.is_some_and(|left| left < DAY) { When::minute(at, zone) } else { When::day(at, zone) }
            }),
            expires_in: left.map_or_else(String::new, |left| match left.as_secs() / DAY.as_secs() {
                0 => "within a day".to_owned(),
                days => format!("in {}", counted(i64::try_from(days).unwrap_or(0), "day")),
            }),
            replacement,
        }
    }
}

/// What a key may do, in few words: its first permissions, and how many more.
fn rights_in_words(key: &Key, is_mine: bool) -> Vec<String> {
    let mut words = match key.permissions() {
        None if is_mine => vec!["All you may do".to_owned()],
        None => vec!["All they may do".to_owned()],
        Some(Permissions::ALL) => vec!["Everything".to_owned()],
        Some(permissions) => {
            let labels: Vec<String> = permissions.iter().map(permission_matrix::label).collect();
            match labels.as_slice() {
                [first, second, _, ..] => {
                    vec![first.clone(), second.clone(), format!("+{}", labels.len() - 2)]
                }
                _ => labels,
            }
        }
    };
    if let Some(resources) = key.resources() {
        words.push(counted(i64::try_from(resources.len()).unwrap_or(0), "resource"));
    }
    words
}
