//! The teams of an organization or of a personal account.
use crate::{
    error::{Error, Result},
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        access::Access,
        account::Kind,
        grant::{GrantScope, Role},
        permission::{Permission, ViewAccount},
        role::BuiltIn,
    },
    store::teams::{self, Team},
    view::{page::Page, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/teams", show)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TeamsQuery {
    after: String,
}

#[derive(Template)]
#[template(path = "teams/index.html")]
struct TeamsPage {
    account: String,
    /// A phrase: `Northlight pays`.
    payer: String,
    rows: Vec<TeamRow>,
    /// The page that creates a team, if that is permitted.
    new: Option<String>,
    summary: String,
    newer: String,
    older: String,
}

struct TeamRow {
    team: Team,
    tint: u8,
    opens: bool,
    created: When,
}

const PAGE_SIZE: usize = 50;

async fn show(can: Can<ViewAccount>, page: Page, Query(query): Query<TeamsQuery>) -> Result<Response> {
    let access = can.access();
    if access.account.kind == Kind::Team {
        return Err(Error::NotFound);
    }
    let sees_all = access.is_owner || access.may(Permission::ViewMembers);
    let mut scope = can.read();
    let mut teams = teams::list(&mut scope, sees_all, &query.after, 51).await?;
    let has_more = teams.len() > PAGE_SIZE;
    teams.truncate(PAGE_SIZE);
    let path = can.path("teams");
    let older = match teams.last() {
        Some(last) if has_more => format!("{path}?after={}", last.slug),
        _ => String::new(),
    };
    let newer = if query.after.is_empty() { String::new() } else { path };
    let count = if teams.len() == 1 { "1 team".to_owned() } else { format!("{} teams", teams.len()) };
    let summary = if newer.is_empty() && older.is_empty() { count } else { format!("{count} on this page") };
    let zone = page.zone(can.actor().time_zone());
    let enters_all = enters_all(access);
    let row = |team: Team| TeamRow {
        tint: tint(&team.slug),
        opens: team.is_mine || enters_all,
        created: When::day(team.created_at, &zone),
        team,
    };
    let body = TeamsPage {
        account: access.account.name.clone(),
        payer: if access.account.kind == Kind::Personal {
            "You pay".into()
        } else {
            format!("{} pays", access.account.name)
        },
        rows: teams.into_iter().map(row).collect(),
        new: access.may(Permission::CreateTeams).then(|| format!("/new/team?parent={}", can.slug())),
        summary,
        newer,
        older,
    };
    page.show(&mut scope, "Teams", body).await
}

/// The owner and the admins of an organization enter all of its teams.
fn enters_all(access: &Access) -> bool {
    let is_admin = access
        .rights
        .grants
        .iter()
        .any(|grant| grant.role == Role::BuiltIn(BuiltIn::Admin) && grant.over == GrantScope::Account);
    access.account.kind == Kind::Organization && (access.is_owner || is_admin)
}
