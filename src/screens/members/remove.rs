//! Removing one member: the page says first what ends.
use super::count;
use crate::{
    app::{
        form::Form,
        gate::{At, Can},
        page::{Faults, Page, When},
        shell::tint,
    },
    error::{Error, Result},
    model::{
        id::MembershipId,
        permission::{Permission, RemoveMembers},
    },
    store::members::{self, Departure},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Removal {
    heir: String,
}

#[derive(Template)]
#[template(path = "member/remove.html")]
struct Remove {
    list: String,
    href: String,
    name: String,
    tint: u8,
    account: String,
    noun: &'static str,
    may_suspend: bool,
    ends: Ends,
    heirs: Vec<(String, String)>,
    heir: String,
    faults: Faults,
}

/// What ends, as templates show it.
pub(super) struct Ends {
    pub key_count: String,
    pub keys: Vec<Key>,
    pub more_keys: String,
    pub seats: String,
    pub teams: Vec<Team>,
    pub owned: String,
}

/// A key that stops.
pub(super) struct Key {
    pub name: String,
    pub last4: String,
    pub account: String,
    pub used: Option<When>,
}

/// A team that is left.
pub(super) struct Team {
    pub name: String,
    pub tint: u8,
    pub owns: bool,
    pub members: String,
}

impl Ends {
    pub(super) fn of(it: &Departure, zone: &TimeZone) -> Ends {
        let len = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let key = |it: &members::HeldKey| Key {
            name: it.name.clone(),
            last4: it.last4.clone(),
            account: it.account.clone(),
            used: it.used_at().map(|at| When::minute(at, zone)),
        };
        let team = |it: &members::Seat| Team {
            name: it.name.clone(),
            tint: tint(&it.slug),
            owns: it.is_owner(),
            members: count(it.member_count, "member", "members"),
        };
        let more = it.key_count - len(it.keys.len());
        let owned: Vec<&str> =
            it.teams.iter().filter(|it| it.is_owner()).map(|it| it.name.as_str()).collect();
        Ends {
            key_count: if it.key_count == 0 {
                String::new()
            } else {
                count(it.key_count, "API key", "API keys")
            },
            keys: it.keys.iter().map(key).collect(),
            more_keys: if more > 0 { count(more, "more key", "more keys") } else { String::new() },
            seats: if it.teams.is_empty() {
                String::new()
            } else {
                count(len(it.teams.len()), "team", "teams")
            },
            teams: it.teams.iter().map(team).collect(),
            owned: owned.join(", "),
        }
    }
}

pub(super) async fn ask(can: Can<RemoveMembers>, page: Page, At(id): At<MembershipId>) -> Result<Response> {
    question(&can, page, id, String::new(), Faults::default()).await
}

async fn question(
    can: &Can<RemoveMembers>,
    page: Page,
    id: MembershipId,
    heir: String,
    faults: Faults,
) -> Result<Response> {
    let mut scope = can.read().await?;
    let member = members::find(&mut scope, id).await?;
    members::may_change(&scope, &member)?;
    let departure = members::departure(&mut scope, &member).await?;
    let me = can.me();
    let ends = Ends::of(&departure, &page.zone(me.time_zone.as_deref()));
    let heirs = departure.heirs.iter().map(|it| (it.id().to_string(), format!("{} ({})", it.name, it.email)));
    let remove = Remove {
        list: can.path("members"),
        href: can.path(&format!("members/{id}")),
        name: member.person.name.clone(),
        tint: tint(&member.person.id.to_string()),
        account: me.here.name.clone(),
        noun: me.here.kind.noun(),
        may_suspend: member.suspended_at.is_none() && me.may(Permission::UpdateMembers),
        ends,
        heirs: heirs.collect(),
        heir,
        faults,
    };
    page.show(&mut scope, &format!("Remove {}", member.person.name), remove).await
}

pub(super) async fn remove(
    can: Can<RemoveMembers>,
    page: Page,
    At(id): At<MembershipId>,
    Form(it): Form<Removal>,
) -> Result<Response> {
    let done = can
        .change(async |change| {
            let heir = match it.heir.as_str() {
                "" => None,
                // An id that cannot be read is nobody's.
                text => Some(text.parse().unwrap_or(MembershipId(uuid::Uuid::nil()))),
            };
            let name = members::find(change, id).await?.person.name;
            members::remove(change, id, heir).await?;
            Ok(name)
        })
        .await;
    match done {
        Ok(name) => Ok(page.done(&can.path("members"), format!("{name} was removed."))),
        Err(Error::Invalid(faults)) => question(&can, page.with(422), id, it.heir, Faults(faults)).await,
        Err(error) => Err(error),
    }
}
