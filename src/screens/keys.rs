//! API keys: listed, made, renamed, rotated, revoked.
mod list;
mod new;
mod one;
mod rotate;

use crate::{
    http::routes::Routes,
    model::{
        permission::Permissions,
        text::counted,
        time::{DAY, Time},
    },
    store::keys::{self, Key},
    view::{page::When, permission_matrix},
};
use jiff::tz::TimeZone;

/// The routes of these screens.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/keys", list::show)
        .post("/a/{slug}/keys", new::create)
        .get("/a/{slug}/keys/new", new::show)
        .get("/a/{slug}/keys/summary", new::summary)
        .get("/a/{slug}/keys/{id}", one::show)
        .post("/a/{slug}/keys/{id}", one::rename)
        .get("/a/{slug}/keys/{id}/rotate", rotate::ask)
        .post("/a/{slug}/keys/{id}/rotate", rotate::rotate)
        .get("/a/{slug}/keys/{id}/revoke", one::ask_revoke)
        .post("/a/{slug}/keys/{id}/revoke", one::revoke)
}

/// How a key stands, as all its pages say it.
struct Looks {
    /// `gh_key_••••7Qd2`.
    masked: String,
    status: &'static str,
    /// For `ui::status`.
    state: &'static str,
    works: bool,
    expires: Option<When>,
    /// `in 13 days`, where that is soon.
    left: String,
    /// Which key takes its place, or whose it takes.
    link: String,
}

fn masked(last4: &str) -> String {
    format!("gh_key_••••{last4}")
}

impl Looks {
    fn of(it: &Key, now: Time, zone: &TimeZone) -> Looks {
        let word = it.status(now);
        let left = it.expires_at.map(|end| end.since(now)).filter(|it| *it < keys::SOON && word == "active");
        let (status, state) = match (word, &it.successor, left) {
            ("active", _, _) if it.is_spent(now) => ("Budget used up", "bad"),
            ("active", Some(_), _) => ("Rotated", "wait"),
            ("active", None, Some(_)) => ("Expires soon", "wait"),
            ("active", None, None) => ("Active", ""),
            ("expired", Some(_), _) => ("Rotated", "off"),
            ("expired", None, _) => ("Expired", "off"),
            _ => ("Revoked", "off"),
        };
        let link = match (&it.successor, &it.predecessor) {
            (Some(next), _) => format!("Replaced by ••••{next}"),
            (None, Some(last)) => format!("Replaces ••••{last}"),
            (None, None) => String::new(),
        };
        Looks {
            masked: masked(&it.last4),
            status,
            state,
            works: word == "active",
            expires: it.expires_at.map(|at| {
                if left.is_some_and(|it| it < DAY) { When::minute(at, zone) } else { When::day(at, zone) }
            }),
            left: left.map_or_else(String::new, |it| match it.as_secs() / DAY.as_secs() {
                0 => "within a day".to_owned(),
                days => format!("in {}", counted(i64::try_from(days).unwrap_or(0), "day")),
            }),
            link,
        }
    }
}

/// What a key was made for, in few words: the first of its permissions, and how many more.
fn holds(it: &Key, is_mine: bool) -> Vec<String> {
    let mut said = match it.permissions() {
        None if is_mine => vec!["All you may do".to_owned()],
        None => vec!["All they may do".to_owned()],
        Some(Permissions::ALL) => vec!["Everything".to_owned()],
        Some(some) => {
            let all: Vec<String> = some.iter().map(permission_matrix::label).collect();
            match all.as_slice() {
                [first, second, _, ..] => vec![first.clone(), second.clone(), format!("+{}", all.len() - 2)],
                _ => all,
            }
        }
    };
    if let Some(some) = it.resources() {
        said.push(counted(i64::try_from(some.len()).unwrap_or(0), "resource"));
    }
    said
}
