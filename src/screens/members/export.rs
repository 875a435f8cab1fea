//! The list of members as CSV, with the filters of the page.
use super::list::Asked;
use crate::{
    error::{Error, Result},
    http::{form::Query, gate::Can},
    model::{grant::Grant, permission::ViewMembers},
    store::members::{self, Member},
};
use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use std::borrow::Cow;

/// So many rows are read at a time.
const STEP: i64 = 1000;
/// A file of more rows is refused: nobody opens it, and it is made in memory.
const MOST: usize = 200_000;

pub(super) async fn send(can: Can<ViewMembers>, Query(asked): Query<Asked>) -> Result<Response> {
    let mut filter = asked.filter(STEP);
    (filter.after, filter.before) = (None, None);
    let mut file = csv::Writer::from_writer(vec![]);
    file.write_record(HEAD).map_err(|it| broken(&it))?;
    let mut rows = 0;
    loop {
        // Between two steps the connection goes back, so that a long export holds up nobody.
        let page = members::list(&mut can.read(), &filter).await?;
        rows += page.members.len();
        if rows > MOST {
            let detail = "That are more than 200,000 members. Narrow the list by a filter, then export it.";
            return Err(Error::conflict("too_many", detail));
        }
        for it in &page.members {
            let cells = cells(it);
            file.write_record(cells.iter().map(|it| harmless(it).into_owned())).map_err(|it| broken(&it))?;
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    let body = file.into_inner().map_err(|it| Error::Internal(it.to_string()))?;
    let name = format!("attachment; filename=\"{}-members.csv\"", can.slug());
    let fields = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    Ok((fields, body).into_response())
}

fn broken(it: &csv::Error) -> Error {
    Error::Internal(it.to_string())
}

const HEAD: [&str; 9] =
    ["name", "email", "roles", "teams", "login_type", "status", "joined_at", "last_active_at", "expires_at"];

fn cells(it: &Member) -> [String; 9] {
    let roles: Vec<String> = it.grants.iter().map(Grant::label).collect();
    [
        it.person.name.clone(),
        it.person.email.clone(),
        roles.join("; "),
        it.teams.join("; "),
        it.login_type.word().to_owned(),
        it.status().to_owned(),
        it.joined_at.to_string(),
        it.active_at.to_string(),
        it.expires_at.map(|it| it.to_string()).unwrap_or_default(),
    ]
}

/// A spreadsheet reads a cell that begins like this as a formula.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}").into() } else { cell.into() }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn no_cell_is_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"] {
            assert_eq!(harmless(bad), format!("'{bad}"));
        }
        assert_eq!(harmless("Ada = Byron"), "Ada = Byron");
    }
}
