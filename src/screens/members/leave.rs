//! A member leaves an account.
use super::impact::{Cause, Impact};
use crate::{
    error::Result,
    http::gate::Can,
    model::permission::{AnyMember, Permission},
    store::members,
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "members/member/leave.html")]
struct LeavePage {
    action: String,
    /// Where "Stay" leads.
    stay: String,
    account: String,
    impact: Impact,
}

pub(super) async fn ask(can: Can<AnyMember>, page: Page) -> Result<Response> {
    let id = members::may_leave(can.access())?;
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    let departure = members::preview_removal(&mut scope, &member).await?;
    let access = can.access();
    let stay = if access.may(Permission::ViewMembers) { format!("members/{id}") } else { "settings".into() };
    let leave = LeavePage {
        action: can.path("members/leave"),
        stay: can.path(&stay),
        account: access.account.name.clone(),
        impact: Impact::of(
            &departure,
            Cause::Leave,
            true,
            &can.context().catalog,
            &page.zone(can.actor().time_zone()),
        ),
    };
    page.show(&mut scope, &format!("Leave {}", access.account.name), leave).await
}

pub(super) async fn leave(can: Can<AnyMember>, page: Page) -> Result<Response> {
    can.change(async |change| members::leave(change).await).await?;
    Ok(page.done("/", format!("You left {}.", can.access().account.name)))
}
