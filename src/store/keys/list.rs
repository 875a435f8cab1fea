//! The page of keys: newest first, by keyset, searched and filtered, in one statement.
use super::Key;
use crate::{
    db::{List, Query},
    error::{Error, Result},
    model::{
        id::{KeyId, ResourceId, UserId},
        permission::Permission,
        text::fold,
        time::{DAY, Time},
    },
    store::{Scope, json},
};
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

/// From when on a key is said to end soon.
pub const SOON: Duration = DAY.saturating_mul(30);

/// When the keys end that a page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// Whenever.
    #[default]
    Any,
    /// Not yet.
    Active,
    /// Within thirty days.
    Soon,
    /// Before now.
    Over,
}

/// What a page of keys is asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name, or the last four characters.
    pub search: String,
    /// Whose; everybody's if none, as far as the reader may see.
    pub owner: Option<UserId>,
    /// Those that were revoked, in place of those that were not.
    pub revoked: bool,
    /// By when they end.
    pub span: Span,
    /// Only what comes after this: older keys.
    pub after: Option<KeyId>,
    /// Only what comes before this: newer ones.
    pub before: Option<KeyId>,
    /// How many.
    pub limit: i64,
}

impl Filter {
    /// Whether it leaves something out, what is revoked aside: that is a tab.
    pub fn is_narrow(&self) -> bool {
        !self.search.is_empty() || self.owner.is_some() || self.span != Span::Any
    }
}

/// A page of keys.
#[derive(Debug)]
pub struct Page {
    /// The newest first.
    pub keys: Vec<Key>,
    /// Where the newer page ends, if there is one.
    pub newer: Option<KeyId>,
    /// Where the older page begins, if there is one.
    pub older: Option<KeyId>,
}

macro_rules! filtered {
    ($live:literal) => {
        concat!(
            "where k.account_id = $1 and k.revoked_at ",
            $live,
            r" and ($2 or k.user_id = $3) and ($4 = '' or k.name_key like $4 escape '\' or k.last4 = $5)
                and coalesce(k.expires_at, $6) > $7 and coalesce(k.expires_at, $6) <= $8 "
        )
    };
}

macro_rules! page {
    ($live:literal) => {
        [
            concat!(key!(), filtered!($live), "and k.id < $9 order by k.id desc limit $10"),
            concat!(key!(), filtered!($live), "and k.id > $9 order by k.id limit $10"),
        ]
    };
}
const LIVE: [&str; 2] = page!("is null");
const REVOKED: [&str; 2] = page!("is not null");

/// A page of the account's keys: everybody's for who may manage them, else one's own.
pub async fn page(scope: &mut Scope, filter: &Filter) -> Result<Page> {
    let terms = Terms::of(scope, filter)?;
    let up = filter.before.is_some();
    let from = filter.before.or(filter.after).unwrap_or(KeyId(Uuid::max()));
    let sql = if filter.revoked { REVOKED } else { LIVE }[usize::from(up)];
    let mut keys: Vec<Key> = terms.bind(scope.ask(sql)).bind(from).bind(filter.limit + 1).fetch_all().await?;
    let more = i64::try_from(keys.len()).unwrap_or(i64::MAX) > filter.limit;
    keys.truncate(usize::try_from(filter.limit).unwrap_or(0));
    if up {
        keys.reverse();
    }
    let (ahead, behind) = if up { (true, more) } else { (more, filter.after.is_some()) };
    let older = keys.last().filter(|_| ahead).map(|it| it.id);
    let newer = keys.first().filter(|_| behind).map(|it| it.id);
    Ok(Page { keys, newer, older })
}

/// What stands around a page of keys. Counts stop at 1,001.
#[derive(Debug)]
pub struct Around {
    /// How many fit the filter.
    pub found: i64,
    /// How many are not revoked.
    pub live: i64,
    /// How many of those are the reader's own.
    pub own: i64,
    /// How many are revoked.
    pub revoked: i64,
    /// Whose the newest keys are, by name.
    pub owners: Vec<(UserId, String)>,
}

#[derive(sqlx::FromRow)]
struct AroundRow {
    found: i64,
    live: i64,
    own: i64,
    revoked: i64,
    owners: Option<String>,
}

#[derive(Deserialize)]
struct Owner {
    id: UserId,
    name: String,
}

macro_rules! around {
    ($live:literal) => {
        concat!(
            "select (select count(*) from (select 1 as one from api_keys k ",
            filtered!($live),
            "limit 1001) f) as found,
            (select count(*) from (select 1 as one from api_keys where account_id = $1 and revoked_at is null and ($9 or user_id = $10)
                limit 1001) l) as live,
            (select count(*) from (select 1 as one from api_keys where account_id = $1 and user_id = $10 and revoked_at is null
                limit 1001) o) as own,
            (select count(*) from (select 1 as one from api_keys where account_id = $1 and revoked_at is not null
                and ($9 or user_id = $10) limit 1001) r) as revoked,
            (select cast(json_agg(json_build_object('id', encode(uuid_send(w.id), 'hex'), 'name', w.name)) as text)
                from (select distinct u.id, u.name from (select user_id from api_keys where account_id = $1 and revoked_at is null
                    and ($9 or user_id = $10) order by id desc limit 1001) k join users u on u.id = k.user_id
                    order by u.name, u.id limit 200) w) as owners"
        )
    };
}

/// The counts of the tabs, how many fit the filter, and whose keys there are.
pub async fn around(scope: &mut Scope, filter: &Filter) -> Result<Around> {
    let terms = Terms::of(scope, filter)?;
    let (all, me) = (scope.who().may(Permission::ManageKeys), scope.who().person.id);
    let sql = if filter.revoked { around!("is not null") } else { around!("is null") };
    let row: AroundRow = terms.bind(scope.ask(sql)).bind(all).bind(me).fetch_one().await?;
    let owners: Vec<Owner> = json::list(row.owners)?;
    Ok(Around {
        found: row.found,
        live: row.live,
        own: row.own,
        revoked: row.revoked,
        owners: owners.into_iter().map(|it| (it.id, it.name)).collect(),
    })
}

/// The names of those resources of the account, by name; what is gone is left out.
pub async fn resource_names(scope: &mut Scope, ids: &[ResourceId]) -> Result<Vec<String>> {
    let ids: Vec<Uuid> = ids.iter().map(|it| it.0).collect();
    let sql = "select name from resources where account_id = $1 and id = any($2::uuid[]) order by name, id limit 1000";
    let rows: Vec<(String,)> = scope.ask(sql).bind(List(&ids)).fetch_all().await?;
    Ok(rows.into_iter().map(|it| it.0).collect())
}

/// `$2` to `$8`.
struct Terms {
    anybodys: bool,
    owner: UserId,
    like: String,
    last4: String,
    span: (i64, i64),
}

impl Terms {
    fn of(scope: &Scope, filter: &Filter) -> Result<Terms> {
        let who = scope.who();
        let manages = who.may(Permission::ManageKeys);
        if !manages && !who.may(Permission::OwnKeys) {
            return Err(Error::Forbidden(Permission::OwnKeys));
        }
        let me = who.person.id;
        let owner = if manages { filter.owner } else { Some(me) };
        let search = filter.search.trim();
        let escaped: String = fold(search)
            .chars()
            .flat_map(|it| "\\%_".contains(it).then_some('\\').into_iter().chain([it]))
            .collect();
        let now = scope.now();
        let (soon, end) = (now.plus(SOON).0, i64::MAX);
        Ok(Terms {
            anybodys: owner.is_none(),
            owner: owner.unwrap_or(me),
            like: if search.is_empty() { String::new() } else { format!("%{escaped}%") },
            last4: search.to_owned(),
            span: match filter.span {
                Span::Any => (i64::MIN, end),
                Span::Active => (now.0, end),
                Span::Soon => (now.0, soon),
                Span::Over => (i64::MIN, now.0),
            },
        })
    }
    fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        query
            .bind(self.anybodys)
            .bind(self.owner)
            .bind(self.like.clone())
            .bind(self.last4.clone())
            // What never ends, ends last of all.
            .bind(Time(i64::MAX))
            .bind(self.span.0)
            .bind(self.span.1)
    }
}
