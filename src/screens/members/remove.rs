//! Removing one member: the page says first what ends.
use super::expiry::{Ending, Ends};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
    },
    model::{
        id::MembershipId,
        permission::{Permission, RemoveMembers},
    },
    store::members,
    view::{
        page::{Faults, Page},
        shell::{Undo, tint},
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Removal {
    heir: String,
}

#[derive(Template)]
#[template(path = "members/member/remove.html")]
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
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    members::may_change(&scope, &member)?;
    let departure = members::departure(&mut scope, &member).await?;
    let me = can.me();
    let zone = page.zone(me.time_zone.as_deref());
    let ends = Ends::of(&departure, Ending::Removal, me.is_administrator(), &can.kit().catalog, &zone);
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
        Ok(name) if can.me().may(Permission::InviteMembers) => {
            let action = can.path(&format!("members/{id}/restore"));
            let undo = Undo { label: "Undo".into(), action };
            Ok(page.undoable(&can.path("members"), format!("{name} was removed."), undo))
        }
        Ok(name) => Ok(page.done(&can.path("members"), format!("{name} was removed."))),
        Err(Error::Invalid(faults)) => question(&can, page.with(422), id, it.heir, Faults(faults)).await,
        Err(error) => Err(error),
    }
}
