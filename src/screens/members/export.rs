//! The list of members as CSV, with the filters of the page.
use super::list::MembersQuery;
use crate::{
    error::{Error, Result},
    http::{form::Query, gate::Can},
    model::{grant::Grant, permission::ViewMembers},
    store::members::{self, Member},
    view::csv,
};
use axum::response::Response;

const BATCH: i64 = 1000;
/// The file is made in memory, so it is bounded.
const MAX_ROWS: usize = 200_000;

const HEAD: [&str; 9] =
    ["name", "email", "roles", "teams", "login_type", "status", "joined_at", "last_active_at", "expires_at"];

pub(super) async fn send(can: Can<ViewMembers>, Query(query): Query<MembersQuery>) -> Result<Response> {
    let mut filter = query.filter(BATCH);
    (filter.after, filter.before) = (None, None);
    let mut text = csv::line(HEAD);
    let mut rows = 0;
    loop {
        // Between two batches the connection goes back to the pool, so that a long export holds up nobody.
        let page = members::list(&mut can.read(), &filter).await?;
        rows += page.members.len();
        if rows > MAX_ROWS {
            let detail = "There are more than 200,000 members. Narrow the list by a filter, then export it.";
            return Err(Error::conflict("too_many", detail));
        }
        for member in &page.members {
            text += &csv::line(cells(member).iter().map(String::as_str));
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    Ok(csv::attachment(&format!("{}-members.csv", can.slug()), text))
}

fn cells(member: &Member) -> [String; 9] {
    let roles: Vec<String> = member.grants.iter().map(Grant::label).collect();
    [
        member.person.name.clone(),
        member.person.email.clone(),
        roles.join("; "),
        member.teams.join("; "),
        member.login_type.as_str().to_owned(),
        member.status().to_owned(),
        member.joined_at.to_string(),
        member.active_at.to_string(),
        member.expires_at.map(|time| time.to_string()).unwrap_or_default(),
    ]
}
