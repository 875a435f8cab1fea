//! Invitations: the list, resending, revoking. Inviting is in `invite`, answering in `answer`.
mod accept;
mod choices;
pub mod invite;

use crate::{
    error::{Error, Result},
    http::{
        form::Query,
        gate::{Can, PathId},
        routes::Routes,
    },
    model::{
        catalog::Catalog,
        id::InvitationId,
        permission::{InviteMembers, Permission},
        text::{grouped, grouped_up_to},
    },
    store::invitations::{self, Invitation, InvitationQuery},
    view::{page::Page, role_picker::Badge, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/invitations", list)
        .post("/a/{slug}/invitations/{id}/resend", resend)
        .post("/a/{slug}/invitations/{id}/revoke", revoke)
        .post("/a/{slug}/invitations/{id}/link", link)
        .merge(invite::routes())
        .merge(accept::routes())
}

/// Invitations on a page.
const PAGE_SIZE: i64 = 25;

#[derive(Default, Deserialize)]
#[serde(default)]
struct InvitationsQuery {
    all: String,
    after: String,
    before: String,
}

struct InvitationRow {
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

impl InvitationRow {
    fn of(invitation: &Invitation, catalog: &Catalog, base: &str, zone: &TimeZone) -> InvitationRow {
        let path = |action: &str| format!("{base}/{}/{action}", invitation.id);
        let (state, tone) = match invitation.status {
            "pending" if invitation.delivery == "failed" => ("Not delivered", "bad"),
            "pending" => ("Pending", "wait"),
            "expired" => ("Expired", "bad"),
            "accepted" => ("Accepted", ""),
            "declined" => ("Declined", "off"),
            _ => ("Revoked", "off"),
        };
        let detail = invitation.delivery_detail.as_deref().unwrap_or_default();
        let mail = match (invitation.status, invitation.delivery.as_str()) {
            ("pending" | "expired", "failed") => format!("The mail server said: {detail}"),
            ("pending", "queued") if detail.is_empty() => "The mail is waiting to be sent".to_owned(),
            ("pending", "queued") => format!("Delivery failed and will be tried again soon: {detail}"),
            ("pending", _) => "The mail is sent".to_owned(),
            _ => String::new(),
        };
        InvitationRow {
            id: invitation.id.to_string(),
            menu: format!("menu-{}", invitation.id),
            actions: format!("Actions for {}", invitation.email),
            resend: path("resend"),
            link: path("link"),
            revoke: path("revoke"),
            email: invitation.email.clone(),
            badges: invitation.grants.iter().map(|grant| Badge::of(grant, catalog)).collect(),
            invited_by: invitation
                .invited_by
                .as_ref()
                .map_or_else(|| "—".to_owned(), |inviter| inviter.1.clone()),
            sent: When::day(invitation.sent_at, zone),
            expires: When::day(invitation.expires_at, zone),
            state,
            tone,
            mail,
            is_open: ["pending", "expired"].contains(&invitation.status),
            is_pending: invitation.status == "pending",
        }
    }
}

#[derive(Template)]
#[template(path = "invitations/index.html")]
struct InvitationsPage {
    base: String,
    account: String,
    may_view_members: bool,
    all: bool,
    rows: Vec<InvitationRow>,
    count: String,
    members_path: String,
    members: String,
    open: String,
    may_update: bool,
    requests_path: String,
    requests: String,
    newer: String,
    older: String,
}

async fn list(
    can: Can<InviteMembers>,
    page: Page,
    Query(query): Query<InvitationsQuery>,
) -> Result<Response> {
    let all = !query.all.is_empty();
    let (after, before) = (query.after.parse().ok(), query.before.parse().ok());
    let mut scope = can.read();
    let found =
        invitations::page(&mut scope, &InvitationQuery { all, after, before, limit: PAGE_SIZE }).await?;
    let (access, catalog) = (can.access(), &can.context().catalog);
    let zone = page.zone(can.actor().time_zone());
    let page_link = |name: &str, id: Option<InvitationId>| {
        let all = if all { "all=1&" } else { "" };
        id.map(|id| format!("?{all}{name}={id}")).unwrap_or_default()
    };
    let base = can.path("invitations");
    let invitations_page = InvitationsPage {
        account: access.account.name.clone(),
        may_view_members: access.may(Permission::ViewMembers),
        all,
        rows: found
            .invitations
            .iter()
            .map(|invitation| InvitationRow::of(invitation, catalog, &base, &zone))
            .collect(),
        count: page_count(found.invitations.len(), all),
        members_path: can.path("members"),
        members: grouped(found.members),
        may_update: access.may(Permission::UpdateMembers),
        requests_path: can.path("requests"),
        requests: if found.requests == 0 { String::new() } else { grouped_up_to(1000, found.requests) },
        open: grouped_up_to(1000, found.open),
        newer: page_link("before", found.previous),
        older: page_link("after", found.next),
        base,
    };
    page.show(&mut scope, "Invitations", invitations_page).await
}

fn page_count(count: usize, all: bool) -> String {
    let noun = if count == 1 { "invitation" } else { "invitations" };
    let kind = if all { "" } else { "open " };
    format!("{count} {kind}{noun} on this page. Inviting or sending again replaces the old link.")
}

/// Back to the list, with what was done or why it could not be: the row may have changed since the page was shown.
fn respond<T>(
    can: &Can<InviteMembers>,
    page: &Page,
    result: Result<T>,
    done: impl FnOnce(T) -> String,
) -> Result<Response> {
    match result {
        Ok(value) => Ok(page.done(&can.path("invitations"), done(value))),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&can.path("invitations"), detail)),
        Err(other) => Err(other),
    }
}

async fn resend(can: Can<InviteMembers>, page: Page, PathId(id): PathId<InvitationId>) -> Result<Response> {
    let result = can
        .change(async |change| {
            invitations::resend(change, id).await?;
            invitations::find(change, id).await
        })
        .await;
    let done = |invitation: Invitation| {
        format!("A new link is on its way to {}. The old one no longer works.", invitation.email)
    };
    respond(&can, &page, result, done)
}

async fn revoke(can: Can<InviteMembers>, page: Page, PathId(id): PathId<InvitationId>) -> Result<Response> {
    let result = can
        .change(async |change| {
            invitations::revoke(change, id).await?;
            invitations::find(change, id).await
        })
        .await;
    let done = |invitation: Invitation| {
        format!("The invitation of {} is revoked: its links no longer work.", invitation.email)
    };
    respond(&can, &page, result, done)
}

#[derive(Template)]
#[template(path = "invitations/link.html")]
struct InvitationLinkPage {
    base: String,
    email: String,
    url: String,
    expires: When,
}

/// This response alone holds the link: it is stored as a hash and cannot be shown again.
async fn link(can: Can<InviteMembers>, page: Page, PathId(id): PathId<InvitationId>) -> Result<Response> {
    let result = can
        .change(async |change| {
            let url = invitations::copy_link(change, id).await?;
            Ok((url, invitations::find(change, id).await?))
        })
        .await;
    let (url, invitation) = match result {
        Ok(copied) => copied,
        other => return respond(&can, &page, other, |_| String::new()),
    };
    let zone = page.zone(can.actor().time_zone());
    let (base, expires) = (can.path("invitations"), When::minute(invitation.expires_at, &zone));
    let link_page = InvitationLinkPage { base, email: invitation.email, url, expires };
    page.show(&mut can.read(), "Invitation link", link_page).await
}
