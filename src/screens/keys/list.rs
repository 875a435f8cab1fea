//! The list of keys: all of its state stands in the address.
use super::{Looks, holds};
use crate::{
    error::Result,
    http::{form::Query, gate::Can},
    model::{
        access::Entry,
        id::KeyId,
        permission::{Permission, SeeKeys},
        text::{counted, grouped},
        time::Time,
    },
    store::keys::{self, Around, Filter, Key, Span},
    view::{
        page::{Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

const PAGE: i64 = 25;

/// What the address asks for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    /// A user's id, or `me`.
    owner: String,
    status: String,
    after: String,
    before: String,
}

impl Asked {
    fn filter(&self, me: &Entry) -> Filter {
        let owner = if self.owner == "me" { Some(me.person.id) } else { self.owner.parse().ok() };
        Filter {
            search: self.q.trim().to_owned(),
            owner,
            revoked: self.status == "revoked",
            span: match self.status.as_str() {
                "active" => Span::Active,
                "soon" => Span::Soon,
                "expired" => Span::Over,
                _ => Span::Any,
            },
            after: self.after.parse().ok(),
            before: self.before.parse().ok(),
            limit: PAGE,
        }
    }
    /// The query of the same list, with these fields set.
    fn query(&self, set: &[(&str, &str)]) -> String {
        let kept = [("q", &self.q), ("owner", &self.owner), ("status", &self.status)];
        let kept = kept.iter().map(|(name, value)| (*name, value.as_str()));
        let kept = kept.filter(|(name, _)| set.iter().all(|it| it.0 != *name));
        let all = kept.chain(set.iter().copied()).filter(|it| !it.1.is_empty());
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }
}

struct Tab {
    label: &'static str,
    href: String,
    is_here: bool,
    count: String,
}

struct Pick {
    value: String,
    label: String,
    chosen: bool,
}

struct Row {
    href: String,
    id: String,
    name: String,
    looks: Looks,
    owner: String,
    owner_tint: u8,
    holds: Vec<String>,
    used: Option<When>,
    is_mine: bool,
    may_rotate: bool,
}

#[derive(Template)]
#[template(path = "keys/index.html")]
struct Index {
    base: String,
    account: String,
    may_create: bool,
    /// Everybody's are shown.
    shows_owners: bool,
    is_empty: bool,
    asked: Asked,
    /// The list without filters; empty if there are none.
    clear: String,
    tabs: Vec<Tab>,
    owners: Vec<Pick>,
    statuses: Vec<Pick>,
    rows: Vec<Row>,
    said: String,
    newer: String,
    older: String,
}

pub(super) async fn show(can: Can<SeeKeys>, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let (me, now, base) = (can.me(), can.kit().now(), can.path("keys"));
    let filter = asked.filter(me);
    let zone = page.zone(me.time_zone.as_deref());
    let mut scope = can.read();
    let found = keys::page(&mut scope, &filter).await?;
    let around = keys::around(&mut scope, &filter).await?;
    let turn = |name: &str, at: Option<KeyId>| {
        at.map(|it| format!("{base}{}", asked.query(&[(name, &it.to_string())]))).unwrap_or_default()
    };
    let shown = found.keys.len();
    let clear = if filter.revoked { asked.query(&[("q", ""), ("owner", "")]) } else { String::new() };
    let shows_owners = me.may(Permission::ManageKeys);
    let index = Index {
        account: me.here.name.clone(),
        may_create: me.may(Permission::OwnKeys) && me.membership.is_some(),
        shows_owners,
        is_empty: around.live + around.revoked == 0,
        clear: if filter.is_narrow() { format!("{base}{clear}") } else { String::new() },
        tabs: tabs(&asked, &base, &around, shows_owners),
        owners: owners(&asked, &around),
        statuses: [("active", "Active"), ("soon", "Expires within 30 days"), ("expired", "Expired")]
            .map(|(value, label)| pick(value, label, &asked.status))
            .into(),
        newer: turn("before", found.newer),
        older: turn("after", found.older),
        rows: found.keys.into_iter().map(|it| row(it, me, &base, now, &zone)).collect(),
        said: said(shown, around.found),
        base,
        asked,
    };
    page.show(&mut scope, "API keys", index).await
}

fn row(it: Key, me: &Entry, base: &str, now: Time, zone: &TimeZone) -> Row {
    let is_mine = it.user_id == Some(me.person.id);
    let looks = Looks::of(&it, now, zone);
    Row {
        href: format!("{base}/{}", it.id),
        id: it.id.to_string(),
        holds: holds(&it, is_mine),
        owner_tint: tint(&it.user_id.map_or_else(String::new, |it| it.to_string())),
        owner: it.owner_name.unwrap_or_else(|| "Somebody who left".into()),
        used: it.used_at.map(|at| When::minute(at, zone)),
        may_rotate: is_mine && looks.works && it.successor.is_none() && me.may(Permission::OwnKeys),
        name: it.name,
        looks,
        is_mine,
    }
}

/// Up to a thousand are counted.
fn count(it: i64) -> String {
    if it > 1000 { "1,000+".to_owned() } else { grouped(it) }
}

fn said(shown: usize, found: i64) -> String {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    let all = if found > 1000 { "1,000+ keys".to_owned() } else { counted(found, "key") };
    if shown == found { all } else { format!("{} of {all}", grouped(shown)) }
}

fn tabs(asked: &Asked, base: &str, around: &Around, shows_owners: bool) -> Vec<Tab> {
    let tab = |label, owner: &str, status: &str, number| Tab {
        label,
        href: format!("{base}{}", asked.query(&[("owner", owner), ("status", status), ("q", "")])),
        is_here: (asked.status == "revoked") == (status == "revoked")
            && (asked.owner == "me") == (owner == "me"),
        count: count(number),
    };
    let revoked = tab("Revoked", "", "revoked", around.revoked);
    if shows_owners {
        vec![tab("All keys", "", "", around.live), tab("Yours", "me", "", around.own), revoked]
    } else {
        vec![tab("Yours", "", "", around.live), revoked]
    }
}

fn owners(asked: &Asked, around: &Around) -> Vec<Pick> {
    around.owners.iter().map(|(id, name)| pick(&id.to_string(), name, &asked.owner)).collect()
}

fn pick(value: &str, label: &str, chosen: &str) -> Pick {
    Pick { value: value.to_owned(), label: label.to_owned(), chosen: value == chosen }
}
