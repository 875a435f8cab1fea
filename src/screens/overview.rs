//! An account's first page: what is there, what wants attention, what to do next. Each visitor sees what they may see.
mod pace;
mod start;

use crate::{
    error::Result,
    http::{gate::Can, routes::Routes},
    model::{
        access::Entry,
        account::Kind,
        calendar::Day,
        catalog::Plan,
        permission::{Permission, ViewAccount},
    },
    store::{
        audit::{self, Event},
        overview::{self, Facts},
    },
    view::{
        audit_sentences,
        page::{Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/overview", show)
}

#[derive(Template)]
#[template(path = "overview/index.html")]
struct Index {
    name: String,
    slug: String,
    kind: Kind,
    tint: u8,
    lede: String,
    stats: Vec<Stat>,
    pace: Option<pace::Pace>,
    start: Option<start::Start>,
    may_invite: bool,
    plan: String,
    limits: String,
    parent: Option<String>,
    attention: Vec<Attention>,
    activity: Option<Vec<Act>>,
    /// What the visitor holds: title and sentence.
    roles: Vec<(String, String)>,
    owner: (String, String),
    created: When,
}

impl Index {
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

/// A number that leads to what it counts.
struct Stat {
    label: &'static str,
    count: i64,
    href: String,
}

/// Something that waits for the visitor.
struct Attention {
    icon: &'static str,
    title: String,
    text: String,
    label: &'static str,
    href: String,
}

/// An event of the audit log.
struct Act {
    actor: String,
    tint: u8,
    says: String,
    at: When,
}

impl Act {
    fn of(it: &Event, zone: &TimeZone) -> Act {
        let tint = tint(&it.actor_id.map_or_else(String::new, |it| it.to_string()));
        Act {
            actor: it.actor_name.clone(),
            tint,
            says: audit_sentences::sentence(it),
            at: When::minute(it.at, zone),
        }
    }
    /// What stands for the actor: the address without its domain.
    fn short(&self) -> &str {
        self.actor.split('@').next().unwrap_or(&self.actor)
    }
}

async fn show(can: Can<ViewAccount>, page: Page) -> Result<Response> {
    let me = can.me();
    let mut scope = can.read();
    let today = Day::of(can.kit().now());
    let meter = can.kit().catalog.meters.first();
    let since = pace::since(today);
    let facts = overview::facts(&mut scope, meter.map_or("", |it| &it.id), since).await?;
    let zone = page.zone(me.time_zone.as_deref());
    let mut activity = None;
    if me.may(Permission::ViewAudit) {
        let last = audit::Filter { limit: 5, ..audit::Filter::default() };
        let events = audit::list(&mut scope, &last).await?;
        activity = Some(events.iter().map(|it| Act::of(it, &zone)).collect());
    }
    let catalog = &can.kit().catalog;
    let plan = catalog.plan(&me.here.plan);
    let index = Index {
        name: me.here.name.clone(),
        slug: me.here.slug.clone(),
        kind: me.here.kind,
        tint: tint(&me.here.slug),
        lede: lede(me),
        stats: stats(me, &facts),
        pace: meter
            .filter(|_| me.may(Permission::ViewUsage))
            .map(|it| pace::Pace::of(&it.name, &facts.days(), today)),
        start: start::Start::of(me, &facts, can.kit().now()),
        may_invite: me.may(Permission::InviteMembers),
        plan: catalog.plan_name(&me.here.plan).to_owned(),
        limits: plan.map_or_else(String::new, Plan::limits_in_words),
        parent: me.here.parent.as_ref().map(|(it, _)| it.name.clone()),
        attention: attention(me, &facts, &zone),
        activity,
        roles: me.rights.grants.iter().map(|it| (it.title(), it.says())).collect(),
        owner: (facts.owner_name.clone(), facts.owner_email.clone()),
        created: When::day(facts.created_at, &zone),
    };
    page.show(&mut scope, "Overview", index).await
}

fn lede(me: &Entry) -> String {
    match (&me.here.parent, me.here.kind) {
        (Some((parent, Kind::Organization)), _) => format!("A team of {}, which pays for it.", parent.name),
        (Some(_), _) => "A team that its owner’s personal account pays for.".to_owned(),
        (None, Kind::Personal) => "Your personal account. Only you see it.".to_owned(),
        (None, _) if me.is_owner => "You own this organization.".to_owned(),
        (None, _) => "An organization that you are a member of.".to_owned(),
    }
}

fn stats(me: &Entry, facts: &Facts) -> Vec<Stat> {
    let is_shared = me.here.kind != Kind::Personal;
    let all = [
        ("Members", facts.member_count, "members", is_shared && me.may(Permission::ViewMembers)),
        (
            "Pending invitations",
            facts.invitation_count,
            "invitations",
            is_shared && me.may(Permission::InviteMembers),
        ),
        ("Teams", facts.team_count, "teams", me.here.kind != Kind::Team),
        (
            if me.may(Permission::ManageKeys) { "API keys" } else { "Your API keys" },
            facts.key_count,
            "keys",
            me.may(Permission::OwnKeys) || me.may(Permission::ManageKeys),
        ),
    ];
    let stat = |(label, count, page, _)| Stat { label, count, href: format!("/a/{}/{page}", me.here.slug) };
    all.into_iter().filter(|it| it.3).map(stat).collect()
}

fn attention(me: &Entry, facts: &Facts, zone: &TimeZone) -> Vec<Attention> {
    let path = |rest: &str| format!("/a/{}/{rest}", me.here.slug);
    let mut all = vec![];
    if let (Some(to), Some(until)) = (&facts.offered_to, facts.offered_until) {
        let until = until.day(zone);
        if facts.is_offered_to_me {
            all.push(Attention {
                icon: "crown",
                title: format!("{} offers you the ownership", facts.owner_name),
                text: format!("Until {until}"),
                label: "Answer",
                href: path("settings"),
            });
        } else if me.is_owner {
            all.push(Attention {
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
        all.push(Attention {
            icon: "mail",
            title,
            text: "The mail server refused it, or could not be reached.".into(),
            label: "See",
            href: path("invitations"),
        });
    }
    all
}
