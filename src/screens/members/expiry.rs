//! What ends for who goes, as the pages say it that ask first.
use super::count;
use crate::{
    model::catalog::Catalog,
    store::members::{self, Departure, Made},
    view::{page::When, shell::tint},
};
use jiff::tz::TimeZone;

/// How it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// They are removed, and what they lead passes to who is named.
    Removal,
    /// They leave, and it passes to the owner.
    Leave,
    /// They are suspended: their teams pass to the owner, what is private stays theirs.
    Suspension,
}

/// What ends.
pub(super) struct Ends {
    pub is_suspension: bool,
    pub sessions: String,
    pub key_count: String,
    pub keys: Vec<Key>,
    pub more_keys: String,
    pub seats: String,
    pub teams: Vec<Team>,
    pub owned: String,
    pub owner: String,
    pub made_count: String,
    pub made: Vec<Thing>,
    pub more_made: String,
    /// `Ingest, Trailers and 2 private resources`; empty if nobody has to take anything over.
    pub passes_on: String,
}

/// A key that stops.
pub(super) struct Key {
    pub name: String,
    pub last4: String,
    pub account: String,
    pub used: Option<When>,
}

/// A team that is left.
pub(super) struct Team {
    pub name: String,
    pub tint: u8,
    pub owns: bool,
    pub members: String,
}

/// A private resource.
pub(super) struct Thing {
    pub name: String,
    pub kind: String,
    pub tone: &'static str,
    pub icon: &'static str,
    /// To whom it goes.
    pub goes: String,
}

impl Ends {
    /// `sees_private`: whether the viewer may read the names of private resources.
    pub(super) fn of(
        it: &Departure,
        how: Ending,
        sees_private: bool,
        catalog: &Catalog,
        zone: &TimeZone,
    ) -> Ends {
        let len = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let some = |n: i64, one: &str, many: &str| if n > 0 { count(n, one, many) } else { String::new() };
        let key = |it: &members::HeldKey| Key {
            name: it.name.clone(),
            last4: it.last4.clone(),
            account: it.account.clone(),
            used: it.used_at().map(|at| When::minute(at, zone)),
        };
        let team = |it: &members::Seat| Team {
            name: it.name.clone(),
            tint: tint(&it.slug),
            owns: it.is_owner(),
            members: count(it.member_count, "member", "members"),
        };
        let owned: Vec<&str> =
            it.teams.iter().filter(|it| it.is_owner()).map(|it| it.name.as_str()).collect();
        let owned = owned.join(", ");
        let made_here = some(it.made_here, "private resource", "private resources");
        let all = it.made_here + it.made_in_teams;
        let made: Vec<Thing> = if sees_private {
            it.made.iter().map(|made| thing(made, how, &it.owner, catalog)).collect()
        } else {
            vec![]
        };
        let passes_on = match (owned.is_empty(), made_here.is_empty()) {
            (false, false) => format!("{owned} and {made_here}"),
            (true, _) => made_here,
            (false, true) => owned.clone(),
        };
        Ends {
            is_suspension: how == Ending::Suspension,
            sessions: some(it.sessions, "session", "sessions"),
            key_count: some(it.key_count, "API key", "API keys"),
            keys: it.keys.iter().map(key).collect(),
            more_keys: some(it.key_count - len(it.keys.len()), "more key", "more keys"),
            seats: some(len(it.teams.len()), "team", "teams"),
            teams: it.teams.iter().map(team).collect(),
            owned,
            owner: it.owner.clone(),
            made_count: some(all, "private resource", "private resources"),
            more_made: some(all - len(made.len()), "more private resource", "more private resources"),
            made,
            passes_on,
        }
    }
    /// Whether nothing but the access itself ends.
    pub(super) fn is_little(&self) -> bool {
        self.keys.is_empty() && self.teams.is_empty() && self.made_count.is_empty()
    }
}

fn thing(it: &Made, how: Ending, owner: &str, catalog: &Catalog) -> Thing {
    let (tone, icon) = match it.product.as_str() {
        "video" => ("video", "film"),
        "image" => ("image", "image"),
        _ => ("", "lock"),
    };
    let goes = match (how, &it.team, &it.owner) {
        (Ending::Suspension, ..) => "stays theirs".to_owned(),
        (_, Some(team), Some(owner)) => format!("goes to {owner}, who owns {team}"),
        (Ending::Removal, Some(team), None) => format!("goes to who takes over {team}"),
        (Ending::Removal, None, _) => "goes to who takes over".to_owned(),
        (Ending::Leave, ..) => format!("goes to {owner}"),
    };
    Thing { name: it.name.clone(), kind: catalog.kind_name(&it.kind).to_owned(), tone, icon, goes }
}
