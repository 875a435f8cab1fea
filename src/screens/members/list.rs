//! The list of members. Its whole state is in the address, so a reload or a link shows the same.
use super::up_to_a_thousand;
use crate::{
    error::Result,
    http::{form::Query, gate::Can},
    model::{
        access::Access,
        account::Kind,
        catalog::Catalog,
        permission::{InviteMembers, Permission, RemoveMembers, UpdateMembers, ViewMembers},
        role::{BuiltIn, ScopeKind},
        text::grouped,
    },
    store::members::{self, Cursor, Filter, Member, MemberListSummary, Order, Page as MemberList, Sort},
    view::{page::Page, role_picker::Badge, select::SelectOption, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

const PAGE_SIZE: i64 = 25;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MembersQuery {
    q: String,
    role: String,
    status: String,
    team: String,
    sort: String,
    after: String,
    before: String,
}

impl MembersQuery {
    pub(super) fn filter(&self, limit: i64) -> Filter {
        let (order, key) = match self.sort.strip_prefix('-') {
            Some(key) => (Order::Down, key),
            None => (Order::Up, self.sort.as_str()),
        };
        let (sort, order) = match key {
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
        let fields = [
            ("q", &self.q),
            ("role", &self.role),
            ("status", &self.status),
            ("team", &self.team),
            ("sort", &self.sort),
        ];
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let others = fields.filter(|(name, _)| set.iter().all(|field| field.0 != *name));
        let all = others.chain(set.iter().copied()).filter(|field| !field.1.is_empty());
        let text = query.extend_pairs(all).finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }
}

struct SortHead {
    href: String,
    order: &'static str,
}

#[expect(clippy::struct_excessive_bools, reason = "the template asks each by itself")]
struct MemberRow<'a> {
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

#[derive(Template)]
#[template(path = "members/index.html")]
#[expect(clippy::struct_excessive_bools, reason = "the template asks each by itself")]
struct MembersPage<'a> {
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
    query: MembersQuery,
    roles: Vec<SelectOption>,
    roles_of: Vec<(String, Vec<SelectOption>)>,
    teams: Vec<SelectOption>,
    by_name: SortHead,
    by_joined: SortHead,
    by_active: SortHead,
    sorted: &'static str,
    back: String,
    csv: String,
    rows: Vec<MemberRow<'a>>,
    summary: String,
    newer: String,
    older: String,
    removals: Vec<RecentRemoval>,
}

/// A removal that can still be taken back.
struct RecentRemoval {
    name: String,
    until: When,
    /// Where its form is posted.
    action: String,
}

pub(super) async fn show(
    can: Can<ViewMembers>,
    page: Page,
    Query(query): Query<MembersQuery>,
) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let filter = query.filter(PAGE_SIZE);
    let mut scope = can.read();
    let (around, found) = members::page(&mut scope, &filter).await?;
    let index = index(&can, &around, &found, &filter, query, &zone);
    page.show(&mut scope, "Members", index).await
}

fn index<'a>(
    can: &Can<ViewMembers>,
    around: &MemberListSummary,
    found: &'a MemberList,
    filter: &Filter,
    query: MembersQuery,
    zone: &TimeZone,
) -> MembersPage<'a> {
    let (access, base) = (can.access(), can.path("members"));
    let rows: Vec<MemberRow<'_>> =
        found.members.iter().map(|member| row(member, access, &base, &can.context().catalog, zone)).collect();
    let page_href = |name: &str, at: &Option<Cursor>| {
        at.as_ref()
            .map(|cursor| format!("{base}{}", query.query(&[(name, &cursor.to_string())])))
            .unwrap_or_default()
    };
    let (newer, older) = (page_href("before", &found.previous), page_href("after", &found.next));
    let clear = [("q", ""), ("role", ""), ("status", ""), ("team", "")];
    let clear_here =
        if filter.is_narrow() { format!("{base}{}", query.query(&clear)) } else { String::new() };
    let removals = around.removals.iter().map(|removal| RecentRemoval {
        name: removal.name.clone(),
        until: When { text: removal.until().clock(zone), ..When::minute(removal.until(), zone) },
        action: format!("{base}/{}/restore", removal.id()),
    });
    let removals: Vec<RecentRemoval> = removals.collect();
    MembersPage {
        invitations_href: can.path("invitations"),
        requests_href: can.path("requests"),
        clear_here,
        account: access.account.name.clone(),
        noun: access.account.kind.noun(),
        is_personal: access.account.kind == Kind::Personal,
        may_invite: access.meets::<InviteMembers>().is_ok(),
        may_update: access.meets::<UpdateMembers>().is_ok(),
        may_remove: access.meets::<RemoveMembers>().is_ok(),
        total: grouped(around.total),
        invitations: if around.invitations == 0 {
            String::new()
        } else {
            up_to_a_thousand(around.invitations)
        },
        requests: if around.requests == 0 { String::new() } else { up_to_a_thousand(around.requests) },
        roles: roles(&query, around),
        roles_of: roles_of(&query, &can.context().catalog),
        teams: around
            .teams
            .iter()
            .map(|team| SelectOption::new(&team.word, &team.name, &query.team))
            .collect(),
        by_name: sort_head(&query, &base, filter, Sort::Name, "name"),
        by_joined: sort_head(&query, &base, filter, Sort::Joined, "joined"),
        by_active: sort_head(&query, &base, filter, Sort::Active, "active"),
        sorted: sorted(filter),
        back: format!("members{}", query.query(&[("after", &query.after), ("before", &query.before)])),
        csv: format!("{base}.csv{}", query.query(&[])),
        summary: summary(rows.len(), around, filter.is_narrow()),
        rows,
        newer,
        older,
        removals: if access.may(Permission::InviteMembers) { removals } else { vec![] },
        base,
        query,
    }
}

fn summary(shown: usize, around: &MemberListSummary, is_narrow: bool) -> String {
    let count = if is_narrow { up_to_a_thousand(around.count) } else { grouped(around.count) };
    let members = if around.count == 1 { "member" } else { "members" };
    format!("{shown} of {count} {members}")
}

fn row<'a>(
    member: &'a Member,
    access: &Access,
    base: &str,
    catalog: &Catalog,
    zone: &TimeZone,
) -> MemberRow<'a> {
    let you = access.is(member.id);
    let may_change = members::may_change_as(&access.rights, access.membership, member).is_ok();
    let id = member.id.to_string();
    MemberRow {
        href: [base, "/", &id].concat(),
        id,
        name: &member.person.name,
        email: &member.person.email,
        tint: tint(&member.person.id.to_string()),
        you,
        badges: member.grants.iter().map(|grant| Badge::of(grant, catalog)).collect(),
        teams: member.teams.join(", "),
        login: member.login_type.label(),
        is_active: member.is_active,
        joined: When::day(member.joined_at, zone),
        active: When::day(member.active_at, zone),
        is_open: !you && !member.is_owner,
        may_update: may_change && access.may(Permission::UpdateMembers),
        may_remove: may_change && access.may(Permission::RemoveMembers),
        may_leave: you && members::may_leave(access).is_ok(),
    }
}

/// Built-in roles, then custom ones.
fn roles(query: &MembersQuery, around: &MemberListSummary) -> Vec<SelectOption> {
    let built_in = std::iter::once(&BuiltIn::Owner).chain(BuiltIn::GRANTABLE);
    let built_in = built_in.map(|role| SelectOption::new(role.as_str(), role.label(), &query.role));
    built_in
        .chain(around.roles.iter().map(|role| SelectOption::new(&role.word, &role.name, &query.role)))
        .collect()
}

/// For each product, the roles that can be held over it.
fn roles_of(query: &MembersQuery, catalog: &Catalog) -> Vec<(String, Vec<SelectOption>)> {
    let over = BuiltIn::GRANTABLE.iter().filter(|role| role.scope_kind() == ScopeKind::Products);
    let of = |id: &str| -> Vec<SelectOption> {
        let key = |role: &BuiltIn| if *role == BuiltIn::ProductAdmin { "admin" } else { role.as_str() };
        let label = |role: &BuiltIn| format!("{id}-{}", key(role));
        over.clone().map(|role| SelectOption::new(label(role), label(role), &query.role)).collect()
    };
    catalog.products.iter().map(|product| (product.name.clone(), of(&product.id))).collect()
}

/// A second click on the same head reverses the order.
fn sort_head(query: &MembersQuery, base: &str, filter: &Filter, by: Sort, key: &str) -> SortHead {
    let (order, next) = match (filter.sort == by, filter.order) {
        (false, _) => ("", key.to_owned()),
        (true, Order::Up) => ("ascending", format!("-{key}")),
        (true, Order::Down) => ("descending", key.to_owned()),
    };
    let next = if next == "joined" { String::new() } else { next };
    SortHead { href: format!("{base}{}", query.query(&[("sort", &next)])), order }
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
