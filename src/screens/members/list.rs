//! The list of members: all of its state stands in the address.
use super::{digits, up_to_a_thousand};
use crate::{
    error::Result,
    http::{form::Query, gate::Can},
    model::{
        access::Entry,
        account::Kind,
        catalog::Catalog,
        permission::{InviteMembers, Permission, RemoveMembers, UpdateMembers, ViewMembers},
        role::{BuiltIn, Reaches},
    },
    store::{
        Scope,
        members::{self, Around, Cursor, Filter, Member, Order, Page as Found, Sort},
    },
    view::{
        page::{Page, When, render},
        role_picker::Badge,
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

const PAGE: i64 = 25;

/// What the address asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    role: String,
    status: String,
    team: String,
    sort: String,
    after: String,
    before: String,
}

impl Asked {
    /// For the store.
    pub(super) fn filter(&self, limit: i64) -> Filter {
        let (order, word) = match self.sort.strip_prefix('-') {
            Some(word) => (Order::Down, word),
            None => (Order::Up, self.sort.as_str()),
        };
        let (sort, order) = match word {
            "name" => (Sort::Name, order),
            "active" => (Sort::Active, order),
            "joined" => (Sort::Joined, order),
            _ => (Sort::Joined, Order::Up),
        };
        Filter {
            search: self.q.trim().to_owned(),
            role: self.role.clone(),
            status: self.status.clone(),
            team: self.team.clone(),
            sort,
            order,
            after: Cursor::parse(&self.after),
            before: Cursor::parse(&self.before),
            limit,
            is_few: None,
        }
    }
    /// The query of the same list, with these fields set.
    fn query(&self, set: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let kept = [
            ("q", &self.q),
            ("role", &self.role),
            ("status", &self.status),
            ("team", &self.team),
            ("sort", &self.sort),
        ];
        let kept = kept.iter().map(|(name, value)| (*name, value.as_str()));
        let kept = kept.filter(|(name, _)| set.iter().all(|it| it.0 != *name));
        let all = kept.chain(set.iter().copied()).filter(|it| !it.1.is_empty());
        let text = query.extend_pairs(all).finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }
}

/// A head cell by which the list can be sorted.
struct Head {
    href: String,
    order: &'static str,
}

#[expect(clippy::struct_excessive_bools, reason = "what the template asks, each by itself")]
struct Row<'a> {
    href: String,
    id: String,
    name: &'a str,
    email: &'a str,
    tint: u8,
    you: bool,
    badges: Vec<Badge>,
    teams: String,
    login: &'static str,
    is_active: bool,
    joined: When,
    active: When,
    /// Whether it can be ticked.
    is_open: bool,
    may_update: bool,
    may_remove: bool,
    may_leave: bool,
}

/// An option of a filter.
struct Pick {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "members/index.html")]
#[expect(clippy::struct_excessive_bools, reason = "what the template asks, each by itself")]
struct Index<'a> {
    base: String,
    invitations_href: String,
    requests_href: String,
    /// The list without filters; empty if there are none.
    clear_here: String,
    account: String,
    noun: &'static str,
    is_personal: bool,
    may_invite: bool,
    may_update: bool,
    may_remove: bool,
    total: String,
    invitations: String,
    requests: String,
    asked: Asked,
    roles: Vec<Pick>,
    roles_of: Vec<(String, Vec<Pick>)>,
    teams: Vec<Pick>,
    by_name: Head,
    by_joined: Head,
    by_active: Head,
    sorted: &'static str,
    here: String,
    csv: String,
    rows: Vec<Row<'a>>,
    said: String,
    newer: String,
    older: String,
    removals: Vec<Removal>,
}

/// A removal that can still be taken back.
struct Removal {
    name: String,
    until: When,
    /// Where its form is posted.
    action: String,
}

pub(super) async fn show(can: Can<ViewMembers>, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let draw = async |scope: &mut Scope| {
        let filter = asked.filter(PAGE);
        let (around, found) = members::page(scope, &filter).await?;
        let index = index(&can, &around, &found, &filter, asked, &zone);
        Ok((render(&index)?, found.whom(&around)))
    };
    page.show_drawn(&mut can.read(), "Members", draw).await
}

fn index<'a>(
    can: &Can<ViewMembers>,
    around: &Around,
    found: &'a Found,
    filter: &Filter,
    asked: Asked,
    zone: &TimeZone,
) -> Index<'a> {
    let (me, base) = (can.me(), can.path("members"));
    let rows: Vec<Row<'_>> = found.members.iter().map(|it| row(it, me, &base, zone)).collect();
    let turn = |name: &str, at: &Option<Cursor>| {
        at.as_ref().map(|it| format!("{base}{}", asked.query(&[(name, &it.to_string())]))).unwrap_or_default()
    };
    let (newer, older) = (turn("before", &found.previous), turn("after", &found.next));
    let clear = [("q", ""), ("role", ""), ("status", ""), ("team", "")];
    let clear_here =
        if filter.is_narrow() { format!("{base}{}", asked.query(&clear)) } else { String::new() };
    let removals = around.removals.iter().map(|it| Removal {
        name: it.name.clone(),
        until: When { text: it.until().clock(zone), ..When::minute(it.until(), zone) },
        action: format!("{base}/{}/restore", it.id()),
    });
    let removals: Vec<Removal> = removals.collect();
    Index {
        invitations_href: can.path("invitations"),
        requests_href: can.path("requests"),
        clear_here,
        account: me.here.name.clone(),
        noun: me.here.kind.noun(),
        is_personal: me.here.kind == Kind::Personal,
        may_invite: me.meets::<InviteMembers>().is_ok(),
        may_update: me.meets::<UpdateMembers>().is_ok(),
        may_remove: me.meets::<RemoveMembers>().is_ok(),
        total: digits(around.total),
        invitations: if around.invitations == 0 {
            String::new()
        } else {
            up_to_a_thousand(around.invitations)
        },
        requests: if around.requests == 0 { String::new() } else { up_to_a_thousand(around.requests) },
        roles: roles(&asked, around),
        roles_of: roles_of(&asked, &can.kit().catalog),
        teams: around.teams.iter().map(|it| pick(&it.word, &it.name, &asked.team)).collect(),
        by_name: head(&asked, &base, filter, Sort::Name, "name"),
        by_joined: head(&asked, &base, filter, Sort::Joined, "joined"),
        by_active: head(&asked, &base, filter, Sort::Active, "active"),
        sorted: sorted(filter),
        here: format!("members{}", asked.query(&[("after", &asked.after), ("before", &asked.before)])),
        csv: format!("{base}.csv{}", asked.query(&[])),
        said: said(rows.len(), around, filter.is_narrow()),
        rows,
        newer,
        older,
        removals: if me.may(Permission::InviteMembers) { removals } else { vec![] },
        base,
        asked,
    }
}

fn said(shown: usize, around: &Around, is_narrow: bool) -> String {
    let count = if is_narrow { up_to_a_thousand(around.count) } else { digits(around.count) };
    let members = if around.count == 1 { "member" } else { "members" };
    format!("{shown} of {count} {members}")
}

fn row<'a>(it: &'a Member, me: &Entry, base: &str, zone: &TimeZone) -> Row<'a> {
    let you = me.is(it.id);
    let may_change = members::may_change_as(&me.rights, me.membership, it).is_ok();
    let id = it.id.to_string();
    Row {
        href: [base, "/", &id].concat(),
        id,
        name: &it.person.name,
        email: &it.person.email,
        tint: tint(&it.person.id.to_string()),
        you,
        badges: it.grants.iter().map(Badge::of).collect(),
        teams: it.teams.join(", "),
        login: it.login_type.title(),
        is_active: it.is_active,
        joined: When::day(it.joined_at, zone),
        active: When::day(it.active_at, zone),
        is_open: !you && !it.is_owner,
        may_update: may_change && me.may(Permission::UpdateMembers),
        may_remove: may_change && me.may(Permission::RemoveMembers),
        may_leave: you && members::may_leave(me).is_ok(),
    }
}

fn pick(value: &str, label: &str, chosen: &str) -> Pick {
    Pick { value: value.to_owned(), label: label.to_owned(), chosen: value == chosen }
}

/// Built-in roles, then custom ones.
fn roles(asked: &Asked, around: &Around) -> Vec<Pick> {
    let built_in = std::iter::once(&BuiltIn::Owner).chain(BuiltIn::GRANTABLE);
    let built_in = built_in.map(|it| pick(it.word(), it.title(), &asked.role));
    built_in.chain(around.roles.iter().map(|it| pick(&it.word, &it.name, &asked.role))).collect()
}

/// For each product, the roles that can be held over it.
fn roles_of(asked: &Asked, catalog: &Catalog) -> Vec<(String, Vec<Pick>)> {
    let over = BuiltIn::GRANTABLE.iter().filter(|it| it.reaches() == Reaches::Products);
    let of = |id: &str| -> Vec<Pick> {
        let word = |it: &BuiltIn| if *it == BuiltIn::ProductAdmin { "admin" } else { it.word() };
        let label = |it: &BuiltIn| format!("{id}-{}", word(it));
        over.clone().map(|it| pick(&label(it), &label(it), &asked.role)).collect()
    };
    catalog.products.iter().map(|it| (it.name.clone(), of(&it.id))).collect()
}

/// Sorts the other way, if the list is sorted by it.
fn head(asked: &Asked, base: &str, filter: &Filter, by: Sort, word: &str) -> Head {
    let (order, next) = match (filter.sort == by, filter.order) {
        (false, _) => ("", word.to_owned()),
        (true, Order::Up) => ("ascending", format!("-{word}")),
        (true, Order::Down) => ("descending", word.to_owned()),
    };
    let next = if next == "joined" { String::new() } else { next };
    Head { href: format!("{base}{}", asked.query(&[("sort", &next)])), order }
}

fn sorted(filter: &Filter) -> &'static str {
    match (filter.sort, filter.order) {
        (Sort::Name, Order::Up) => "by name, A to Z",
        (Sort::Name, Order::Down) => "by name, Z to A",
        (Sort::Joined, Order::Up) => "by date joined, oldest first",
        (Sort::Joined, Order::Down) => "by date joined, newest first",
        (Sort::Active, Order::Up) => "by last activity, longest ago first",
        (Sort::Active, Order::Down) => "by last activity, latest first",
    }
}
