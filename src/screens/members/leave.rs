//! Leaving an account of one's own will.
use super::expiry::{Ending, Ends};
use crate::{
    error::Result,
    http::gate::Can,
    model::permission::{Inside, Permission},
    store::members,
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "members/member/leave.html")]
struct Leave {
    action: String,
    /// Where to go instead.
    stay: String,
    account: String,
    ends: Ends,
}

pub(super) async fn ask(can: Can<Inside>, page: Page) -> Result<Response> {
    let id = members::may_leave(can.me())?;
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    let departure = members::departure(&mut scope, &member).await?;
    let me = can.me();
    let stay = if me.may(Permission::ViewMembers) { format!("members/{id}") } else { "settings".into() };
    let leave = Leave {
        action: can.path("members/leave"),
        stay: can.path(&stay),
        account: me.here.name.clone(),
        ends: Ends::of(
            &departure,
            Ending::Leave,
            true,
            &can.kit().catalog,
            &page.zone(me.time_zone.as_deref()),
        ),
    };
    page.show(&mut scope, &format!("Leave {}", me.here.name), leave).await
}

pub(super) async fn leave(can: Can<Inside>, page: Page) -> Result<Response> {
    can.change(async |change| members::leave(change).await).await?;
    Ok(page.done("/", format!("You left {}.", can.me().here.name)))
}
