//! Invitations: listed, sent again, revoked; sent in `invite`, answered in `answer`.
mod answer;
mod choices;
pub mod invite;

use crate::{
    error::{Error, Result},
    http::{
        form::Query,
        gate::{At, Can},
        routes::Routes,
    },
    model::{
        grant::Grant,
        id::InvitationId,
        permission::{InviteMembers, Permission},
    },
    store::invitations::{self, Invitation, Turn},
    view::page::{Page, When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The routes of these screens.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/invitations", list)
        .post("/a/{slug}/invitations/{id}/resend", resend)
        .post("/a/{slug}/invitations/{id}/revoke", revoke)
        .post("/a/{slug}/invitations/{id}/link", link)
        .merge(invite::routes())
        .merge(answer::routes())
}

/// A page of the list.
const LIMIT: i64 = 25;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    all: String,
    after: String,
    before: String,
}

/// A grant as a badge: its name, and the colour and sign of its product.
pub(super) struct Badge {
    title: String,
    tone: &'static str,
    icon: &'static str,
}

impl Badge {
    fn of(grant: &Grant) -> Badge {
        let (tone, icon) = match grant.product() {
            Some("video") => ("video", "film"),
            Some("image") => ("image", "image"),
            _ => ("", ""),
        };
        Badge { title: grant.title(), tone, icon }
    }
}

struct Row {
    id: String,
    menu: String,
    actions: String,
    resend: String,
    link: String,
    revoke: String,
    email: String,
    badges: Vec<Badge>,
    invited_by: String,
    sent: When,
    expires: When,
    state: &'static str,
    tone: &'static str,
    mail: String,
    is_open: bool,
    is_pending: bool,
}

impl Row {
    fn of(it: &Invitation, base: &str, zone: &TimeZone) -> Row {
        let act = |act: &str| format!("{base}/{}/{act}", it.id);
        let (state, tone) = match it.status {
            "pending" if it.delivery == "failed" => ("Not delivered", "bad"),
            "pending" => ("Pending", "wait"),
            "expired" => ("Expired", "bad"),
            "accepted" => ("Accepted", ""),
            "declined" => ("Declined", "off"),
            _ => ("Revoked", "off"),
        };
        let words = it.delivery_detail.as_deref().unwrap_or_default();
        let mail = match (it.status, it.delivery.as_str()) {
            ("pending" | "expired", "failed") => format!("The mail server said: {words}"),
            ("pending", "queued") if words.is_empty() => "The mail waits to be sent".to_owned(),
            ("pending", "queued") => format!("Tried, and tried again soon: {words}"),
            ("pending", _) => "The mail is sent".to_owned(),
            _ => String::new(),
        };
        Row {
            id: it.id.to_string(),
            menu: format!("menu-{}", it.id),
            actions: format!("Actions for {}", it.email),
            resend: act("resend"),
            link: act("link"),
            revoke: act("revoke"),
            email: it.email.clone(),
            badges: it.grants.iter().map(Badge::of).collect(),
            invited_by: it.invited_by.as_ref().map_or_else(|| "—".to_owned(), |it| it.1.clone()),
            sent: When::day(it.sent_at, zone),
            expires: When::day(it.expires_at, zone),
            state,
            tone,
            mail,
            is_open: ["pending", "expired"].contains(&it.status),
            is_pending: it.status == "pending",
        }
    }
}

#[derive(Template)]
#[template(path = "invitations/index.html")]
struct Index {
    base: String,
    account: String,
    may_view_members: bool,
    all: bool,
    rows: Vec<Row>,
    said: String,
    members_at: String,
    members: String,
    open: String,
    may_update: bool,
    requests_at: String,
    requests: String,
    newer: String,
    older: String,
}

async fn list(can: Can<InviteMembers>, page: Page, Query(asked): Query<Asked>) -> Result<Response> {
    let all = !asked.all.is_empty();
    let (after, before) = (asked.after.parse().ok(), asked.before.parse().ok());
    let mut scope = can.read();
    let found = invitations::page(&mut scope, &Turn { all, after, before, limit: LIMIT }).await?;
    let who = can.me();
    let zone = page.zone(who.time_zone.as_deref());
    let turn = |name: &str, id: Option<InvitationId>| {
        let all = if all { "all=1&" } else { "" };
        id.map(|id| format!("?{all}{name}={id}")).unwrap_or_default()
    };
    let base = can.path("invitations");
    let index = Index {
        account: who.here.name.clone(),
        may_view_members: who.may(Permission::ViewMembers),
        all,
        rows: found.invitations.iter().map(|it| Row::of(it, &base, &zone)).collect(),
        said: said(found.invitations.len(), all),
        members_at: can.path("members"),
        members: found.members.to_string(),
        may_update: who.may(Permission::UpdateMembers),
        requests_at: can.path("requests"),
        requests: match found.requests {
            0 => String::new(),
            1..=1000 => found.requests.to_string(),
            _ => "1,000+".into(),
        },
        open: if found.open > 1000 { "1,000+".into() } else { found.open.to_string() },
        newer: turn("before", found.previous),
        older: turn("after", found.next),
        base,
    };
    page.show(&mut scope, "Invitations", index).await
}

fn said(count: usize, all: bool) -> String {
    let noun = if count == 1 { "invitation" } else { "invitations" };
    let kind = if all { "" } else { "open " };
    format!("{count} {kind}{noun} on this page. Inviting or sending again replaces the old link.")
}

/// What cannot be done is said above the list: the row may have changed since it was drawn.
fn told<T>(
    can: &Can<InviteMembers>,
    page: &Page,
    result: Result<T>,
    done: impl FnOnce(T) -> String,
) -> Result<Response> {
    match result {
        Ok(it) => Ok(page.done(&can.path("invitations"), done(it))),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&can.path("invitations"), detail)),
        Err(other) => Err(other),
    }
}

async fn resend(can: Can<InviteMembers>, page: Page, At(id): At<InvitationId>) -> Result<Response> {
    let result = can
        .change(async |change| {
            invitations::resend(change, id).await?;
            invitations::find(change, id).await
        })
        .await;
    let done =
        |it: Invitation| format!("A new link is on its way to {}. The old one no longer works.", it.email);
    told(&can, &page, result, done)
}

async fn revoke(can: Can<InviteMembers>, page: Page, At(id): At<InvitationId>) -> Result<Response> {
    let result = can
        .change(async |change| {
            invitations::revoke(change, id).await?;
            invitations::find(change, id).await
        })
        .await;
    let done =
        |it: Invitation| format!("The invitation of {} is revoked: its links no longer work.", it.email);
    told(&can, &page, result, done)
}

#[derive(Template)]
#[template(path = "invitations/link.html")]
struct Link {
    base: String,
    email: String,
    url: String,
    expires: When,
}

/// The link is in this answer alone: it is stored hashed, and cannot be shown again.
async fn link(can: Can<InviteMembers>, page: Page, At(id): At<InvitationId>) -> Result<Response> {
    let result = can
        .change(async |change| {
            let url = invitations::copy_link(change, id).await?;
            Ok((url, invitations::find(change, id).await?))
        })
        .await;
    let (url, it) = match result {
        Ok(it) => it,
        other => return told(&can, &page, other, |_| String::new()),
    };
    let zone = page.zone(can.me().time_zone.as_deref());
    let (base, expires) = (can.path("invitations"), When::minute(it.expires_at, &zone));
    let link = Link { base, email: it.email, url, expires };
    page.show(&mut can.read(), "Invitation link", link).await
}
