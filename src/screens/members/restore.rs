//! Undo of a removal, and the page that says what came back.
use super::{count, up_to_a_thousand};
use crate::{
    error::{Error, Result},
    http::gate::{At, Can},
    model::{
        id::MembershipId,
        permission::{InviteMembers, Permission},
    },
    store::members::{self, Restored},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "members/member/restored.html")]
struct Index {
    list: String,
    /// Their page, for who may see it.
    href: String,
    account: String,
    it: Restored,
    /// `(glyph, sentence)`.
    back: Vec<(&'static str, String)>,
}

pub(super) async fn restore(
    can: Can<InviteMembers>,
    page: Page,
    At(id): At<MembershipId>,
) -> Result<Response> {
    let list = can.path(if can.me().may(Permission::ViewMembers) { "members" } else { "invitations" });
    match can.change(async |change| members::restore(change, id).await).await {
        Ok((_, told)) => {
            let text = format!("{} is a member again.", told.name);
            Ok(page.done(&can.path(&format!("members/{id}/restored")), text))
        }
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&list, detail)),
        Err(Error::NotFound) => {
            Ok(page.failed(&list, "This removal cannot be taken back any more: its 10 minutes are over."))
        }
        Err(other) => Err(other),
    }
}

pub(super) async fn show(can: Can<InviteMembers>, page: Page, At(id): At<MembershipId>) -> Result<Response> {
    let mut scope = can.read();
    let sees = can.me().may(Permission::ViewMembers);
    let href = if sees { can.path(&format!("members/{id}")) } else { String::new() };
    let Some(it) = members::outcome(&mut scope, id).await? else {
        // What was told is told no more: the member is what is left of it.
        return if sees { Ok(page.to(&href)) } else { Err(Error::NotFound) };
    };
    let index =
        Index { list: can.path("members"), href, account: can.me().here.name.clone(), back: back(&it), it };
    let title = format!("{} is back", index.it.name);
    page.show(&mut scope, &title, index).await
}

fn back(it: &Restored) -> Vec<(&'static str, String)> {
    let mut all = vec![("user-check", "The membership, with its date".to_owned())];
    if !it.grants.is_empty() {
        all.push(("shield", it.grants.join(", ")));
    }
    if it.keys > 0 {
        all.push(("key-round", format!("{} again", count(it.keys, "API key works", "API keys work"))));
    }
    if it.resources > 0 {
        let many = format!("{} private resources are", up_to_a_thousand(it.resources));
        let what = if it.resources == 1 { "1 private resource is" } else { &many };
        all.push(("lock", format!("{what} theirs again")));
    }
    if !it.teams.is_empty() {
        all.push(("users-round", format!("Member of {} again", it.teams.join(", "))));
    }
    if !it.owned.is_empty() {
        all.push(("crown", format!("Owner of {} again", it.owned.join(", "))));
    }
    all
}
