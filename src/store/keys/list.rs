//! Pages of keys, newest first, searched and filtered, in one statement.
use super::{KEYS, Key};
use crate::{
    db::{List, Query},
    error::{Error, Result},
    model::{
        access::Access,
        id::{KeyId, ResourceId, UserId},
        permission::Permission,
        text::fold,
        time::{DAY, Time},
    },
    store::{Scope, cursor::split_page, json, like},
};
use const_format::concatcp;
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

/// A key that expires within this time expires soon.
pub const SOON: Duration = DAY.saturating_mul(30);

/// Filters keys by when they expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryFilter {
    #[default]
    Any,
    Active,
    Soon,
    /// Expired.
    Over,
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name, or the last four characters.
    pub search: String,
    /// The owner; `None` for everybody's keys that the reader may see.
    pub owner: Option<UserId>,
    /// Revoked keys instead of the others.
    pub revoked: bool,
    pub span: ExpiryFilter,
    /// Older than this.
    pub after: Option<KeyId>,
    /// Newer than this.
    pub before: Option<KeyId>,
    pub limit: i64,
}

impl Filter {
    /// Whether anything is filtered. `revoked` is a tab of its own and does not count.
    pub fn is_narrow(&self) -> bool {
        !self.search.is_empty() || self.owner.is_some() || self.span != ExpiryFilter::Any
    }
}

#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub keys: Vec<Key>,
    /// The cursor of the newer page.
    pub newer: Option<KeyId>,
    /// The cursor of the older page.
    pub older: Option<KeyId>,
}

const LIVE: &str = "where k.account_id = $1 and k.revoked_at is null ";
const REVOKED: &str = "where k.account_id = $1 and k.revoked_at is not null ";
const FILTER: &str = r"and ($2 or k.user_id = $3) and ($4 = '' or k.name_key like $4 escape '\' or k.last4 = $5)
                and coalesce(k.expires_at, $6) > $7 and coalesce(k.expires_at, $6) <= $8 ";
const OLDER: &str = "and k.id < $9 order by k.id desc limit $10";
const NEWER: &str = "and k.id > $9 order by k.id limit $10";

/// A page of the account's keys: everybody's for those who may manage keys, otherwise the reader's own.
pub async fn page(scope: &mut Scope<Access>, filter: &Filter) -> Result<Page> {
    let terms = Terms::of(scope, filter)?;
    let up = filter.before.is_some();
    let from = filter.before.or(filter.after).unwrap_or(KeyId(Uuid::max()));
    let sql = match (filter.revoked, up) {
        (false, false) => concatcp!(KEYS, LIVE, FILTER, OLDER),
        (false, true) => concatcp!(KEYS, LIVE, FILTER, NEWER),
        (true, false) => concatcp!(KEYS, REVOKED, FILTER, OLDER),
        (true, true) => concatcp!(KEYS, REVOKED, FILTER, NEWER),
    };
    let rows: Vec<Key> =
        terms.bind(scope.query_in_account(sql)).bind(from).bind(filter.limit + 1).fetch_all().await?;
    let page = split_page(rows, filter.limit, up, filter.after.is_some());
    let (older, newer) = (page.next(|key| key.id), page.previous(|key| key.id));
    Ok(Page { keys: page.rows, newer, older })
}

/// What a page of keys shows besides the keys. Counts stop at 1,001.
#[derive(Debug)]
pub struct KeyListSummary {
    /// Keys that match the filter.
    pub found: i64,
    pub live: i64,
    /// The reader's own of these.
    pub own: i64,
    pub revoked: i64,
    /// The owners of the newest keys, by name.
    pub owners: Vec<(UserId, String)>,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    found: i64,
    live: i64,
    own: i64,
    revoked: i64,
    owners: Option<String>,
}

#[derive(Deserialize)]
struct OwnerRow {
    id: UserId,
    name: String,
}

const COUNTS: &str = "select (select count(*) from (select 1 as one from api_keys k ";
const COUNTS_TAIL: &str = "limit 1001) f) as found,
            (select count(*) from (select 1 as one from api_keys where account_id = $1 and revoked_at is null and ($9 or user_id = $10)
                limit 1001) l) as live,
            (select count(*) from (select 1 as one from api_keys where account_id = $1 and user_id = $10 and revoked_at is null
                limit 1001) o) as own,
            (select count(*) from (select 1 as one from api_keys where account_id = $1 and revoked_at is not null
                and ($9 or user_id = $10) limit 1001) r) as revoked,
            (select cast(json_agg(json_build_object('id', encode(uuid_send(w.id), 'hex'), 'name', w.name)) as text)
                from (select distinct u.id, u.name from (select user_id from api_keys where account_id = $1 and revoked_at is null
                    and ($9 or user_id = $10) order by id desc limit 1001) k join users u on u.id = k.user_id
                    order by u.name, u.id limit 200) w) as owners";

pub async fn summary(scope: &mut Scope<Access>, filter: &Filter) -> Result<KeyListSummary> {
    let terms = Terms::of(scope, filter)?;
    let (all, me) = (scope.access().may(Permission::ManageKeys), scope.access().user_id());
    let sql = if filter.revoked {
        concatcp!(COUNTS, REVOKED, FILTER, COUNTS_TAIL)
    } else {
        concatcp!(COUNTS, LIVE, FILTER, COUNTS_TAIL)
    };
    let row: SummaryRow = terms.bind(scope.query_in_account(sql)).bind(all).bind(me).fetch_one().await?;
    let owners: Vec<OwnerRow> = json::list(row.owners)?;
    Ok(KeyListSummary {
        found: row.found,
        live: row.live,
        own: row.own,
        revoked: row.revoked,
        owners: owners.into_iter().map(|owner| (owner.id, owner.name)).collect(),
    })
}

/// The names of these resources, sorted. Deleted ones are left out.
pub async fn resource_names(scope: &mut Scope<Access>, ids: &[ResourceId]) -> Result<Vec<String>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let sql = "select name from resources where account_id = $1 and id = any($2::uuid[]) order by name, id limit 1000";
    let rows: Vec<(String,)> = scope.query_in_account(sql).bind(List(&ids)).fetch_all().await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// `$2` to `$8`.
struct Terms {
    anybodys: bool,
    owner: Option<UserId>,
    like: String,
    last4: String,
    span: (i64, i64),
}

impl Terms {
    fn of(scope: &Scope<Access>, filter: &Filter) -> Result<Terms> {
        let access = scope.access();
        let manages = access.may(Permission::ManageKeys);
        if !manages && !access.may(Permission::OwnKeys) {
            return Err(Error::MissingPermission(Permission::OwnKeys));
        }
        let me = access.user_id();
        let owner = if manages { filter.owner } else { me };
        let search = filter.search.trim();
        let now = scope.now();
        let (soon, end) = (now.plus(SOON).0, i64::MAX);
        Ok(Terms {
            anybodys: owner.is_none(),
            owner: owner.or(me),
            like: like::contains(&fold(search)),
            last4: search.to_owned(),
            span: match filter.span {
                ExpiryFilter::Any => (i64::MIN, end),
                ExpiryFilter::Active => (now.0, end),
                ExpiryFilter::Soon => (now.0, soon),
                ExpiryFilter::Over => (i64::MIN, now.0),
            },
        })
    }
    fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        query
            .bind(self.anybodys)
            .bind(self.owner)
            .bind(self.like.clone())
            .bind(self.last4.clone())
            // Keys without expiry sort as the last to expire.
            .bind(Time(i64::MAX))
            .bind(self.span.0)
            .bind(self.span.1)
    }
}
