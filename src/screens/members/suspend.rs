//! Suspending one member, and reactivating them. The page lists what stops before it happens.
use super::{
    back_path,
    impact::{Cause, Impact},
};
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::{Can, PathId},
    },
    model::{access::Access, id::MembershipId, permission::UpdateMembers},
    store::{Change, members},
    view::{page::Page, shell::tint},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "members/member/suspend.html")]
struct SuspendPage {
    list: String,
    href: String,
    name: String,
    tint: u8,
    account: String,
    impact: Impact,
}

pub(super) async fn ask(
    can: Can<UpdateMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
) -> Result<Response> {
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    members::may_change(&scope, &member)?;
    let href = can.path(&format!("members/{id}"));
    if member.suspended_at.is_some() {
        return Ok(page.failed(&href, format!("{} is suspended already.", member.person.name)));
    }
    let departure = members::preview_removal(&mut scope, &member).await?;
    let access = can.access();
    let zone = page.zone(can.actor().time_zone());
    let suspend = SuspendPage {
        list: can.path("members"),
        href,
        name: member.person.name.clone(),
        tint: tint(&member.person.id.to_string()),
        account: access.account.name.clone(),
        impact: Impact::of(
            &departure,
            Cause::Suspension,
            access.is_administrator(),
            &can.context().catalog,
            &zone,
        ),
    };
    page.show(&mut scope, &format!("Suspend {}", member.person.name), suspend).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct BackForm {
    back: String,
}

pub(super) async fn suspend(
    can: Can<UpdateMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
    Form(form): Form<BackForm>,
) -> Result<Response> {
    let suspend = async |change: &mut Change<Access>| {
        members::suspend(change, id).await?;
        name(change, id).await
    };
    let name = can.change(suspend).await?;
    let message = format!("{name} is suspended: their sessions and keys no longer open this account.");
    Ok(page.done(&next_path(&can, id, &form), message))
}

pub(super) async fn reactivate(
    can: Can<UpdateMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
    Form(form): Form<BackForm>,
) -> Result<Response> {
    let reactivate = async |change: &mut Change<Access>| {
        members::reactivate(change, id).await?;
        name(change, id).await
    };
    let name = can.change(reactivate).await?;
    Ok(page.done(&next_path(&can, id, &form), format!("{name} is active again.")))
}

async fn name(change: &mut Change<Access>, id: MembershipId) -> Result<String> {
    Ok(members::find(change, id).await?.person.name)
}

/// Where the form was: on the member's page, or in the list.
fn next_path(can: &Can<UpdateMembers>, id: MembershipId, form: &BackForm) -> String {
    can.path(&back_path(&form.back, &format!("members/{id}")))
}
