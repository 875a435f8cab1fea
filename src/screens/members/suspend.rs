//! Suspending one member, the page says first what stops; and letting them in again.
use super::{
    back,
    expiry::{Ending, Ends},
};
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::{At, Can},
    },
    model::{id::MembershipId, permission::UpdateMembers},
    store::{Change, members},
    view::{page::Page, shell::tint},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "members/member/suspend.html")]
struct Suspend {
    list: String,
    href: String,
    name: String,
    tint: u8,
    account: String,
    ends: Ends,
}

pub(super) async fn ask(can: Can<UpdateMembers>, page: Page, At(id): At<MembershipId>) -> Result<Response> {
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    members::may_change(&scope, &member)?;
    let href = can.path(&format!("members/{id}"));
    if member.suspended_at.is_some() {
        return Ok(page.failed(&href, format!("{} is suspended already.", member.person.name)));
    }
    let departure = members::departure(&mut scope, &member).await?;
    let me = can.me();
    let zone = page.zone(me.time_zone.as_deref());
    let suspend = Suspend {
        list: can.path("members"),
        href,
        name: member.person.name.clone(),
        tint: tint(&member.person.id.to_string()),
        account: me.here.name.clone(),
        ends: Ends::of(&departure, Ending::Suspension, me.is_administrator(), &can.kit().catalog, &zone),
    };
    page.show(&mut scope, &format!("Suspend {}", member.person.name), suspend).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct From {
    back: String,
}

pub(super) async fn suspend(
    can: Can<UpdateMembers>,
    page: Page,
    At(id): At<MembershipId>,
    Form(it): Form<From>,
) -> Result<Response> {
    let suspend = async |change: &mut Change| {
        members::suspend(change, id).await?;
        name(change, id).await
    };
    let name = can.change(suspend).await?;
    let said = format!("{name} is suspended: their sessions and keys no longer open this account.");
    Ok(page.done(&to(&can, id, &it), said))
}

pub(super) async fn reactivate(
    can: Can<UpdateMembers>,
    page: Page,
    At(id): At<MembershipId>,
    Form(it): Form<From>,
) -> Result<Response> {
    let reactivate = async |change: &mut Change| {
        members::reactivate(change, id).await?;
        name(change, id).await
    };
    let name = can.change(reactivate).await?;
    Ok(page.done(&to(&can, id, &it), format!("{name} is active again.")))
}

async fn name(change: &mut Change, id: MembershipId) -> Result<String> {
    Ok(members::find(change, id).await?.person.name)
}

/// Where the form was: on the member's page, or in the list.
fn to(can: &Can<UpdateMembers>, id: MembershipId, from: &From) -> String {
    can.path(&back(&from.back, &format!("members/{id}")))
}
