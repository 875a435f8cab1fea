//! The teams of an organization or of a personal account.
use crate::{
    error::{Error, Result},
    http::{form::Query, gate::Can, routes::Routes},
    model::{
        access::Entry,
        account::Kind,
        grant::{Over, Role},
        permission::{Permission, ViewAccount},
        role::BuiltIn,
    },
    store::teams::{self, Team},
    view::{
        page::{Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/teams", show)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    after: String,
}

#[derive(Template)]
#[template(path = "teams/index.html")]
struct Index {
    account: String,
    /// Who pays: the account's name, or the user.
    payer: String,
    rows: Vec<Row>,
    /// Where a team is opened, for who may.
    new: Option<String>,
    says: String,
    newer: String,
    older: String,
}

struct Row {
    team: Team,
    tint: u8,
    /// Whether the visitor may go in.
    opens: bool,
    created: When,
}

const PAGE: usize = 50;

async fn show(can: Can<ViewAccount>, page: Page, Query(it): Query<Asked>) -> Result<Response> {
    let me = can.me();
    if me.here.kind == Kind::Team {
        return Err(Error::NotFound);
    }
    let all = me.is_owner || me.may(Permission::ViewMembers);
    let mut scope = can.read();
    let mut found = teams::list(&mut scope, all, &it.after, 51).await?;
    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let path = can.path("teams");
    let older = match found.last() {
        Some(last) if has_more => format!("{path}?after={}", last.slug),
        _ => String::new(),
    };
    let newer = if it.after.is_empty() { String::new() } else { path };
    let count = if found.len() == 1 { "1 team".to_owned() } else { format!("{} teams", found.len()) };
    let says = if newer.is_empty() && older.is_empty() { count } else { format!("{count} on this page") };
    let zone = page.zone(me.time_zone.as_deref());
    let leads = leads(me);
    let row = |team: Team| Row {
        tint: tint(&team.slug),
        opens: team.is_mine || leads,
        created: When::day(team.created_at, &zone),
        team,
    };
    let index = Index {
        account: me.here.name.clone(),
        payer: if me.here.kind == Kind::Personal {
            "You pay".into()
        } else {
            format!("{} pays", me.here.name)
        },
        rows: found.into_iter().map(row).collect(),
        new: me.may(Permission::CreateTeams).then(|| format!("/new/team?parent={}", can.slug())),
        says,
        newer,
        older,
    };
    page.show(&mut scope, "Teams", index).await
}

/// An organization's owner and its admins enter all of its teams.
fn leads(me: &Entry) -> bool {
    let is_admin = me
        .rights
        .grants
        .iter()
        .any(|it| it.role == Role::BuiltIn(BuiltIn::Admin) && it.over == Over::Account);
    me.here.kind == Kind::Organization && (me.is_owner || is_admin)
}
