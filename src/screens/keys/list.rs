//! The list of keys. All of its state is in the address.
use super::{KeyDisplay, rights_in_words};
use crate::{
    error::Result,
    http::{form::Query, gate::Can},
    model::{
        access::Access,
        id::KeyId,
        permission::{Permission, SeeKeys},
        text::{counted_up_to, grouped, grouped_up_to},
        time::Time,
    },
    store::keys::{self, ExpiryFilter, Filter, Key, KeyListSummary},
    view::{page::Page, select::SelectOption, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

const PAGE_SIZE: i64 = 25;
/// Keys are counted up to this number.
const COUNT_LIMIT: i64 = 1000;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct KeysQuery {
    q: String,
    /// A user's id, or `me`.
    owner: String,
    status: String,
    after: String,
    before: String,
}

impl KeysQuery {
    fn filter(&self, access: &Access) -> Filter {
        let owner = if self.owner == "me" { access.user_id() } else { self.owner.parse().ok() };
        Filter {
            search: self.q.trim().to_owned(),
            owner,
            revoked: self.status == "revoked",
            span: match self.status.as_str() {
                "active" => ExpiryFilter::Active,
                "soon" => ExpiryFilter::Soon,
                "expired" => ExpiryFilter::Over,
                _ => ExpiryFilter::Any,
            },
            after: self.after.parse().ok(),
            before: self.before.parse().ok(),
            limit: PAGE_SIZE,
        }
    }
    /// The query string of the same list with these fields set.
    fn with(&self, set: &[(&str, &str)]) -> String {
        let fields = [("q", &self.q), ("owner", &self.owner), ("status", &self.status)];
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let fields = fields.filter(|(name, _)| set.iter().all(|field| field.0 != *name));
        let fields = fields.chain(set.iter().copied()).filter(|field| !field.1.is_empty());
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }
}

struct KeysTab {
    label: &'static str,
    href: String,
    is_current: bool,
    count: String,
}

struct KeyRow {
    href: String,
    id: String,
    name: String,
    display: KeyDisplay,
    owner: String,
    owner_tint: u8,
    rights: Vec<String>,
    used: Option<When>,
    is_mine: bool,
    may_rotate: bool,
}

#[derive(Template)]
#[template(path = "keys/index.html")]
struct KeysPage {
    base: String,
    account: String,
    may_create: bool,
    /// Everybody's keys are listed.
    shows_owners: bool,
    is_empty: bool,
    query: KeysQuery,
    /// The list without filters; empty if there are none.
    clear: String,
    tabs: Vec<KeysTab>,
    owners: Vec<SelectOption>,
    statuses: Vec<SelectOption>,
    rows: Vec<KeyRow>,
    count: String,
    newer: String,
    older: String,
}

pub(super) async fn show(can: Can<SeeKeys>, page: Page, Query(query): Query<KeysQuery>) -> Result<Response> {
    let (access, now, base) = (can.access(), can.context().now(), can.path("keys"));
    let filter = query.filter(access);
    let zone = page.zone(can.actor().time_zone());
    let mut scope = can.read();
    let found_page = keys::page(&mut scope, &filter).await?;
    let around = keys::summary(&mut scope, &filter).await?;
    let page_link = |name: &str, id: Option<KeyId>| {
        id.map(|id| format!("{base}{}", query.with(&[(name, &id.to_string())]))).unwrap_or_default()
    };
    let shown = found_page.keys.len();
    let clear = if filter.revoked { query.with(&[("q", ""), ("owner", "")]) } else { String::new() };
    let shows_owners = access.may(Permission::ManageKeys);
    let keys_page = KeysPage {
        account: access.account.name.clone(),
        may_create: access.may(Permission::OwnKeys) && access.membership.is_some(),
        shows_owners,
        is_empty: around.live + around.revoked == 0,
        clear: if filter.is_narrow() { format!("{base}{clear}") } else { String::new() },
        tabs: tabs(&query, &base, &around, shows_owners),
        owners: owners(&query, &around),
        statuses: SelectOption::list(
            &[("active", "Active"), ("soon", "Expires within 30 days"), ("expired", "Expired")],
            &query.status,
        ),
        newer: page_link("before", found_page.newer),
        older: page_link("after", found_page.older),
        rows: found_page.keys.into_iter().map(|key| row(key, access, &base, now, &zone)).collect(),
        count: shown_of(shown, around.found),
        base,
        query,
    };
    page.show(&mut scope, "API keys", keys_page).await
}

fn row(key: Key, access: &Access, base: &str, now: Time, zone: &TimeZone) -> KeyRow {
    let is_mine = key.user_id == access.user_id();
    let display = KeyDisplay::of(&key, now, zone);
    KeyRow {
        href: format!("{base}/{}", key.id),
        id: key.id.to_string(),
        rights: rights_in_words(&key, is_mine),
        owner_tint: tint(&key.user_id.map_or_else(String::new, |id| id.to_string())),
        owner: key.owner_name.unwrap_or_else(|| "Somebody who left".into()),
        used: key.used_at.map(|at| When::minute(at, zone)),
        may_rotate: is_mine && display.works && key.successor.is_none() && access.may(Permission::OwnKeys),
        name: key.name,
        display,
        is_mine,
    }
}

fn shown_of(shown: usize, found: i64) -> String {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    let all = counted_up_to(COUNT_LIMIT, found, "key");
    if shown == found { all } else { format!("{} of {all}", grouped(shown)) }
}

fn tabs(query: &KeysQuery, base: &str, around: &KeyListSummary, shows_owners: bool) -> Vec<KeysTab> {
    let tab = |label, owner: &str, status: &str, number| KeysTab {
        label,
        href: format!("{base}{}", query.with(&[("owner", owner), ("status", status), ("q", "")])),
        is_current: (query.status == "revoked") == (status == "revoked")
            && (query.owner == "me") == (owner == "me"),
        count: grouped_up_to(COUNT_LIMIT, number),
    };
    let revoked = tab("Revoked", "", "revoked", around.revoked);
    if shows_owners {
        vec![tab("All keys", "", "", around.live), tab("Yours", "me", "", around.own), revoked]
    } else {
        vec![tab("Yours", "", "", around.live), revoked]
    }
}

fn owners(query: &KeysQuery, around: &KeyListSummary) -> Vec<SelectOption> {
    around.owners.iter().map(|(id, name)| SelectOption::new(id.to_string(), name, &query.owner)).collect()
}
