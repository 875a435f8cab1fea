//! Undo of a removal, and the page that says what came back.
use super::{plural, up_to_a_thousand};
use crate::{
    error::{Error, Result},
    http::gate::{Can, PathId},
    model::{
        id::MembershipId,
        permission::{InviteMembers, Permission},
    },
    store::members::{self, RestoreResult},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "members/member/restored.html")]
struct RestoredPage {
    list: String,
    /// Their page, for who may see it.
    href: String,
    account: String,
    restored: RestoreResult,
    /// `(icon, sentence)`.
    returned: Vec<(&'static str, String)>,
}

pub(super) async fn restore(
    can: Can<InviteMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
) -> Result<Response> {
    let list = can.path(if can.access().may(Permission::ViewMembers) { "members" } else { "invitations" });
    match can.change(async |change| members::restore(change, id).await).await {
        Ok((_, member)) => {
            let text = format!("{} is a member again.", member.name);
            Ok(page.done(&can.path(&format!("members/{id}/restored")), text))
        }
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&list, detail)),
        Err(Error::NotFound) => {
            Ok(page.failed(&list, "This removal cannot be taken back any more: its 10 minutes are over."))
        }
        Err(other) => Err(other),
    }
}

pub(super) async fn show(
    can: Can<InviteMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
) -> Result<Response> {
    let mut scope = can.read();
    let sees = can.access().may(Permission::ViewMembers);
    let href = if sees { can.path(&format!("members/{id}")) } else { String::new() };
    let Some(restored) = members::outcome(&mut scope, id).await? else {
        // The outcome is kept for a while only. Afterwards the member's page shows all that is left of it.
        return if sees { Ok(page.to(&href)) } else { Err(Error::NotFound) };
    };
    let index = RestoredPage {
        list: can.path("members"),
        href,
        account: can.access().account.name.clone(),
        returned: returned(&restored),
        restored,
    };
    let title = format!("{} is back", index.restored.name);
    page.show(&mut scope, &title, index).await
}

fn returned(restored: &RestoreResult) -> Vec<(&'static str, String)> {
    let mut lines = vec![("user-check", "The membership, with its date".to_owned())];
    if !restored.grants.is_empty() {
        lines.push(("shield", restored.grants.join(", ")));
    }
    if restored.keys > 0 {
        lines.push((
            "key-round",
            format!("{} again", plural(restored.keys, "API key works", "API keys work")),
        ));
    }
    if restored.resources > 0 {
        let many = format!("{} private resources are", up_to_a_thousand(restored.resources));
        let what = if restored.resources == 1 { "1 private resource is" } else { &many };
        lines.push(("lock", format!("{what} theirs again")));
    }
    if !restored.teams.is_empty() {
        lines.push(("users-round", format!("Member of {} again", restored.teams.join(", "))));
    }
    if !restored.owned.is_empty() {
        lines.push(("crown", format!("Owner of {} again", restored.owned.join(", "))));
    }
    lines
}
