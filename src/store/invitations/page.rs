//! Pages of invitations, newest first, with the counts of the tabs.
use super::{COLUMNS, Invitation, InvitationRow, TABLES, with_grants};
use crate::{
    error::Result,
    model::{access::Access, id::InvitationId},
    store::{Scope, cursor::split_page},
};
use const_format::concatcp;
use uuid::Uuid;

/// Which page.
#[derive(Clone, Copy, Debug, Default)]
pub struct InvitationQuery {
    /// Include answered and revoked ones.
    pub all: bool,
    /// Older than this.
    pub after: Option<InvitationId>,
    /// Newer than this.
    pub before: Option<InvitationId>,
    pub limit: i64,
}

/// A page of invitations, newest first.
#[derive(Debug, Default)]
pub struct Page {
    pub invitations: Vec<Invitation>,
    /// The cursor of the older page.
    pub next: Option<InvitationId>,
    /// The cursor of the newer page.
    pub previous: Option<InvitationId>,
    /// Pending invitations, counted up to 1,001.
    pub open: i64,
    pub members: i64,
    /// Pending access requests, counted up to 1,001.
    pub requests: i64,
}

#[derive(sqlx::FromRow)]
struct CountedRow {
    #[sqlx(flatten)]
    row: InvitationRow,
    open: i64,
    members: i64,
    requests: i64,
}

const COUNTS: &str = "(select count(*) from (select 1 as one from invitations where account_id = $1 and status = 'pending' limit 1001) found) as open,
            (select member_count from accounts where id = $1) as members,
            (select count(*) from (select 1 as one from access_requests where account_id = $1 and status = 'pending' limit 1001) w)
                as requests";
const INVITATIONS: &str =
    concatcp!(COLUMNS, ", ", COUNTS, TABLES, "where i.account_id = $1 and ($2 or i.status = 'pending') and ");

/// The account's invitations: two statements.
pub async fn page(scope: &mut Scope<Access>, turn: &InvitationQuery) -> Result<Page> {
    let backwards = turn.before.is_some();
    let (sql, from) = match (turn.before, turn.after) {
        (Some(before), _) => (concatcp!(INVITATIONS, "i.id > $3 order by i.id limit $4"), before),
        (None, after) => (
            concatcp!(INVITATIONS, "i.id < $3 order by i.id desc limit $4"),
            after.unwrap_or(InvitationId(Uuid::max())),
        ),
    };
    let rows: Vec<CountedRow> =
        scope.query_in_account(sql).bind(turn.all).bind(from).bind(turn.limit + 1).fetch_all().await?;
    let page = split_page(rows, turn.limit, backwards, turn.after.is_some());
    let (open, members, requests) = match page.rows.first() {
        Some(row) => (row.open, row.members, row.requests),
        None => scope.query_in_account(concatcp!("select ", COUNTS)).fetch_one().await?,
    };
    let (next, previous) = (page.next(|row| row.row.id), page.previous(|row| row.row.id));
    let rows: Vec<InvitationRow> = page.rows.into_iter().map(|row| row.row).collect();
    let invitations = if rows.is_empty() { vec![] } else { with_grants(scope, rows).await? };
    Ok(Page { invitations, next, previous, open, members, requests })
}
