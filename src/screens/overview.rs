//! An account's first page: numbers, what needs attention, what to do next. Each part shows only what the visitor may see.
mod pace;
mod start;

use crate::{
    error::Result,
    http::{gate::Can, routes::Routes},
    model::{
        access::Access,
        account::Kind,
        calendar::Day,
        catalog::Plan,
        permission::{Permission, ViewAccount},
    },
    store::{
        audit::{self, Event},
        overview::{self, AccountOverview},
    },
    view::{audit_sentences, page::Page, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/overview", show)
}

#[derive(Template)]
#[template(path = "overview/index.html")]
struct OverviewPage {
    name: String,
    slug: String,
    kind: Kind,
    tint: u8,
    subtitle: String,
    stats: Vec<Stat>,
    pace: Option<pace::Pace>,
    start: Option<start::Start>,
    may_invite: bool,
    plan: String,
    limits: String,
    parent: Option<String>,
    attention: Vec<AttentionItem>,
    activity: Option<Vec<ActivityRow>>,
    /// The visitor's roles: title and description.
    roles: Vec<(String, String)>,
    owner: (String, String),
    created: When,
}

impl OverviewPage {
    fn class(&self) -> &'static str {
        match self.kind {
            Kind::Personal => "",
            Kind::Organization => "org",
            Kind::Team => "team",
        }
    }
    fn path(&self, rest: &str) -> String {
        format!("/a/{}/{rest}", self.slug)
    }
}

/// A number that links to what it counts.
struct Stat {
    label: &'static str,
    count: i64,
    href: String,
}

/// Something that the visitor should see to.
struct AttentionItem {
    icon: &'static str,
    title: String,
    text: String,
    label: &'static str,
    href: String,
}

/// An event of the audit log.
struct ActivityRow {
    actor: String,
    tint: u8,
    sentence: String,
    at: When,
}

impl ActivityRow {
    fn of(event: &Event, zone: &TimeZone) -> ActivityRow {
        let tint = tint(&event.actor_id.map_or_else(String::new, |id| id.to_string()));
        ActivityRow {
            actor: event.actor_name.clone(),
            tint,
            sentence: audit_sentences::sentence(event),
            at: When::minute(event.at, zone),
        }
    }
    /// For the avatar: the address without its domain.
    fn short(&self) -> &str {
        self.actor.split('@').next().unwrap_or(&self.actor)
    }
}

async fn show(can: Can<ViewAccount>, page: Page) -> Result<Response> {
    let access = can.access();
    let mut scope = can.read();
    let today = Day::of(can.context().now());
    let meter = can.context().catalog.meters.first();
    let since = pace::since(today);
    let facts = overview::facts(&mut scope, meter.map_or("", |meter| &meter.id), since).await?;
    let zone = page.zone(can.actor().time_zone());
    let mut activity = None;
    if access.may(Permission::ViewAudit) {
        let newest = audit::Filter { limit: 5, ..audit::Filter::default() };
        let events = audit::list(&mut scope, &newest).await?;
        activity = Some(events.iter().map(|event| ActivityRow::of(event, &zone)).collect());
    }
    let catalog = &can.context().catalog;
    let plan = catalog.plan(&access.account.plan);
    let overview_page = OverviewPage {
        name: access.account.name.clone(),
        slug: access.account.slug.clone(),
        kind: access.account.kind,
        tint: tint(&access.account.slug),
        subtitle: subtitle(access),
        stats: stats(access, &facts),
        pace: meter
            .filter(|_| access.may(Permission::ViewUsage))
            .map(|meter| pace::Pace::of(&meter.name, &facts.days(), today)),
        start: start::Start::of(access, &facts, can.context().now()),
        may_invite: access.may(Permission::InviteMembers),
        plan: catalog.plan_name(&access.account.plan).to_owned(),
        limits: plan.map_or_else(String::new, Plan::limits_in_words),
        parent: access.account.parent.as_ref().map(|(parent, _)| parent.name.clone()),
        attention: attention(access, &facts, &zone),
        activity,
        roles: access.rights.grants.iter().map(|grant| (grant.title(), grant.description())).collect(),
        owner: (facts.owner_name.clone(), facts.owner_email.clone()),
        created: When::day(facts.created_at, &zone),
    };
    page.show(&mut scope, "Overview", overview_page).await
}

fn subtitle(access: &Access) -> String {
    match (&access.account.parent, access.account.kind) {
        (Some((parent, Kind::Organization)), _) => format!("A team of {}, which pays for it.", parent.name),
        (Some(_), _) => "A team that its owner’s personal account pays for.".to_owned(),
        (None, Kind::Personal) => "Your personal account. Only you see it.".to_owned(),
        (None, _) if access.is_owner => "You own this organization.".to_owned(),
        (None, _) => "An organization that you are a member of.".to_owned(),
    }
}

fn stats(access: &Access, facts: &AccountOverview) -> Vec<Stat> {
    let is_shared = access.account.kind != Kind::Personal;
    let stats = [
        ("Members", facts.member_count, "members", is_shared && access.may(Permission::ViewMembers)),
        (
            "Pending invitations",
            facts.invitation_count,
            "invitations",
            is_shared && access.may(Permission::InviteMembers),
        ),
        ("Teams", facts.team_count, "teams", access.account.kind != Kind::Team),
        (
            if access.may(Permission::ManageKeys) { "API keys" } else { "Your API keys" },
            facts.key_count,
            "keys",
            access.may(Permission::OwnKeys) || access.may(Permission::ManageKeys),
        ),
    ];
    let stat =
        |(label, count, page, _)| Stat { label, count, href: format!("/a/{}/{page}", access.account.slug) };
    stats.into_iter().filter(|(.., is_shown)| *is_shown).map(stat).collect()
}

fn attention(access: &Access, facts: &AccountOverview, zone: &TimeZone) -> Vec<AttentionItem> {
    let path = |rest: &str| format!("/a/{}/{rest}", access.account.slug);
    let mut items = vec![];
    if let (Some(to), Some(until)) = (&facts.offered_to, facts.offered_until) {
        let until = until.day(zone);
        if facts.is_offered_to_me {
            items.push(AttentionItem {
                icon: "crown",
                title: format!("{} offers you the ownership", facts.owner_name),
                text: format!("Until {until}"),
                label: "Answer",
                href: path("settings"),
            });
        } else if access.is_owner {
            items.push(AttentionItem {
                icon: "crown",
                title: format!("You offered the ownership to {to}"),
                text: format!("Until {until}"),
                label: "See",
                href: path("settings"),
            });
        }
    }
    if facts.undelivered_count > 0 {
        let title = match facts.undelivered_count {
            1 => "1 invitation was not delivered".to_owned(),
            many => format!("{many} invitations were not delivered"),
        };
        items.push(AttentionItem {
            icon: "mail",
            title,
            text: "The mail server refused it, or could not be reached.".into(),
            label: "See",
            href: path("invitations"),
        });
    }
    items
}
