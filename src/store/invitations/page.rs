//! Pages of invitations: newest first, by keyset, with the counts that the tabs show.
use super::{Invitation, Row, with_grants};
use crate::{error::Result, model::id::InvitationId, store::Scope};
use uuid::Uuid;

/// Which page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Those that were answered or revoked too.
    pub all: bool,
    /// Only what is older than this one.
    pub after: Option<InvitationId>,
    /// Only what is newer than this one.
    pub before: Option<InvitationId>,
    /// How many.
    pub limit: i64,
}

/// A page of invitations, newest first.
#[derive(Debug, Default)]
pub struct Page {
    /// In their order.
    pub invitations: Vec<Invitation>,
    /// Where the older ones begin, if there are any.
    pub next: Option<InvitationId>,
    /// Where the newer ones end, if there are any.
    pub previous: Option<InvitationId>,
    /// How many wait for an answer, no more than 1,001.
    pub open: i64,
    /// How many members the account has.
    pub members: i64,
    /// How many requests for access wait, no more than 1,001.
    pub requests: i64,
}

#[derive(sqlx::FromRow)]
struct Counted {
    #[sqlx(flatten)]
    row: Row,
    open: i64,
    members: i64,
    requests: i64,
}

macro_rules! counts {
    () => {
        "(select count(*) from (select 1 as one from invitations where account_id = $1 and status = 'pending' limit 1001) found) as open,
            (select member_count from accounts where id = $1) as members,
            (select count(*) from (select 1 as one from access_requests where account_id = $1 and status = 'pending' limit 1001) w)
                as requests"
    };
}
macro_rules! page {
    ($rest:literal) => {
        concat!(
            "select i.id, i.email, i.login_type, i.status, i.delivery, i.delivery_detail, u.id as inviter_id, u.name as inviter_name,
                i.created_at, i.sent_at, i.expires_at, ",
            counts!(),
            " from invitations i left join users u on u.id = i.invited_by
             where i.account_id = $1 and ($2 or i.status = 'pending') and ",
            $rest
        )
    };
}

/// The account's invitations: two statements.
pub async fn page(scope: &mut Scope, turn: &Turn) -> Result<Page> {
    let backwards = turn.before.is_some();
    let (sql, from) = match (turn.before, turn.after) {
        (Some(it), _) => (page!("i.id > $3 order by i.id limit $4"), it),
        (None, it) => {
            (page!("i.id < $3 order by i.id desc limit $4"), it.unwrap_or(InvitationId(Uuid::max())))
        }
    };
    let mut found: Vec<Counted> = scope.ask(sql).bind(turn.all).bind(from).bind(turn.limit + 1).fetch_all().await?;
    let more = i64::try_from(found.len()).unwrap_or(i64::MAX) > turn.limit;
    found.truncate(usize::try_from(turn.limit).unwrap_or(0));
    if backwards {
        found.reverse();
    }
    let (open, members, requests) = match found.first() {
        Some(it) => (it.open, it.members, it.requests),
        None => scope.ask(concat!("select ", counts!())).fetch_one().await?,
    };
    let (ahead, behind) = if backwards { (true, more) } else { (more, turn.after.is_some()) };
    let next = found.last().filter(|_| ahead).map(|it| it.row.id);
    let previous = found.first().filter(|_| behind).map(|it| it.row.id);
    let invitations = if found.is_empty() {
        vec![]
    } else {
        with_grants(scope, found.into_iter().map(|it| it.row).collect()).await?
    };
    Ok(Page { invitations, next, previous, open, members, requests })
}
