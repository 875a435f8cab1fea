//! What a member loses by a removal, a suspension or by leaving, as the pages that ask for confirmation list it.
use super::plural;
use crate::{
    model::{catalog::Catalog, text::counted},
    store::members::{self, PrivateResource, RemovalPreview},
    view::{shell::tint, when::When},
};
use jiff::tz::TimeZone;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Their teams and private resources pass to a chosen heir.
    Removal,
    /// Their teams and private resources pass to the owner.
    Leave,
    /// Their teams pass to the owner; private resources stay theirs.
    Suspension,
}

pub(super) struct Impact {
    pub is_suspension: bool,
    pub sessions: String,
    pub key_count: String,
    pub keys: Vec<ImpactKey>,
    pub more_keys: String,
    pub team_count: String,
    pub teams: Vec<ImpactTeam>,
    pub owned_teams: String,
    pub owner: String,
    pub resource_count: String,
    pub resources: Vec<ImpactResource>,
    pub more_resources: String,
    /// `Ingest, Trailers and 2 private resources`; empty if nobody has to take anything over.
    pub passed_on: String,
}

pub(super) struct ImpactKey {
    pub name: String,
    pub last4: String,
    pub account: String,
    pub used: Option<When>,
}

pub(super) struct ImpactTeam {
    pub name: String,
    pub tint: u8,
    pub owns: bool,
    pub members: String,
}

pub(super) struct ImpactResource {
    pub name: String,
    pub kind: String,
    pub tone: &'static str,
    pub icon: String,
    /// Who gets it, as a phrase: `goes to Ada`.
    pub successor: String,
}

impl Impact {
    /// `sees_private`: whether the viewer may read the names of private resources.
    pub(super) fn of(
        preview: &RemovalPreview,
        cause: Cause,
        sees_private: bool,
        catalog: &Catalog,
        zone: &TimeZone,
    ) -> Impact {
        let len = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let some = |n: i64, one: &str, many: &str| if n > 0 { plural(n, one, many) } else { String::new() };
        let key = |key: &members::MemberKey| ImpactKey {
            name: key.name.clone(),
            last4: key.last4.clone(),
            account: key.account.clone(),
            used: key.used_at().map(|time| When::minute(time, zone)),
        };
        let team = |team: &members::TeamMembership| ImpactTeam {
            name: team.name.clone(),
            tint: tint(&team.slug),
            owns: team.is_owner(),
            members: counted(team.member_count, "member"),
        };
        let owned_teams: Vec<&str> =
            preview.teams.iter().filter(|team| team.is_owner()).map(|team| team.name.as_str()).collect();
        let owned_teams = owned_teams.join(", ");
        let made_here = some(preview.made_here, "private resource", "private resources");
        let all = preview.made_here + preview.made_in_teams;
        let resources: Vec<ImpactResource> = if sees_private {
            preview
                .made
                .iter()
                .map(|resource| resource_row(resource, cause, &preview.owner, catalog))
                .collect()
        } else {
            vec![]
        };
        let passed_on = match (owned_teams.is_empty(), made_here.is_empty()) {
            (false, false) => format!("{owned_teams} and {made_here}"),
            (true, _) => made_here,
            (false, true) => owned_teams.clone(),
        };
        Impact {
            is_suspension: cause == Cause::Suspension,
            sessions: some(preview.sessions, "session", "sessions"),
            key_count: some(preview.key_count, "API key", "API keys"),
            keys: preview.keys.iter().map(key).collect(),
            more_keys: some(preview.key_count - len(preview.keys.len()), "more key", "more keys"),
            team_count: some(len(preview.teams.len()), "team", "teams"),
            teams: preview.teams.iter().map(team).collect(),
            owned_teams,
            owner: preview.owner.clone(),
            resource_count: some(all, "private resource", "private resources"),
            more_resources: some(
                all - len(resources.len()),
                "more private resource",
                "more private resources",
            ),
            resources,
            passed_on,
        }
    }
    /// Whether nothing but the access itself ends.
    pub(super) fn is_little(&self) -> bool {
        self.keys.is_empty() && self.teams.is_empty() && self.resource_count.is_empty()
    }
}

fn resource_row(resource: &PrivateResource, cause: Cause, owner: &str, catalog: &Catalog) -> ImpactResource {
    let icon = match catalog.product_icon(&resource.product) {
        "" => "lock",
        icon => icon,
    };
    let successor = match (cause, &resource.team, &resource.owner) {
        (Cause::Suspension, ..) => "stays theirs".to_owned(),
        (_, Some(team), Some(owner)) => format!("goes to {owner}, who owns {team}"),
        (Cause::Removal, Some(team), None) => format!("goes to who takes over {team}"),
        (Cause::Removal, None, _) => "goes to who takes over".to_owned(),
        (Cause::Leave, ..) => format!("goes to {owner}"),
    };
    ImpactResource {
        name: resource.name.clone(),
        kind: catalog.kind_name(&resource.kind).to_owned(),
        tone: catalog.product_tone(&resource.product),
        icon: icon.to_owned(),
        successor,
    }
}
