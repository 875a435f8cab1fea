//! Removing one member. The page lists what they lose before it happens.
use super::impact::{Cause, Impact};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
    },
    model::{
        id::MembershipId,
        permission::{Permission, RemoveMembers},
    },
    store::members,
    view::{
        form_errors::FormErrors,
        page::Page,
        shell::{Undo, tint},
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RemoveForm {
    heir: String,
}

#[derive(Template)]
#[template(path = "members/member/remove.html")]
struct RemovePage {
    list: String,
    href: String,
    name: String,
    tint: u8,
    account: String,
    noun: &'static str,
    may_suspend: bool,
    impact: Impact,
    heirs: Vec<(String, String)>,
    heir: String,
    errors: FormErrors,
}

pub(super) async fn ask(
    can: Can<RemoveMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
) -> Result<Response> {
    draw(&can, page, id, String::new(), FormErrors::default()).await
}

async fn draw(
    can: &Can<RemoveMembers>,
    page: Page,
    id: MembershipId,
    heir: String,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let member = members::find(&mut scope, id).await?;
    members::may_change(&scope, &member)?;
    let departure = members::preview_removal(&mut scope, &member).await?;
    let access = can.access();
    let zone = page.zone(can.actor().time_zone());
    let impact =
        Impact::of(&departure, Cause::Removal, access.is_administrator(), &can.context().catalog, &zone);
    let heirs =
        departure.heirs.iter().map(|heir| (heir.id().to_string(), format!("{} ({})", heir.name, heir.email)));
    let remove = RemovePage {
        list: can.path("members"),
        href: can.path(&format!("members/{id}")),
        name: member.person.name.clone(),
        tint: tint(&member.person.id.to_string()),
        account: access.account.name.clone(),
        noun: access.account.kind.noun(),
        may_suspend: member.suspended_at.is_none() && access.may(Permission::UpdateMembers),
        impact,
        heirs: heirs.collect(),
        heir,
        errors,
    };
    page.show(&mut scope, &format!("Remove {}", member.person.name), remove).await
}

pub(super) async fn remove(
    can: Can<RemoveMembers>,
    page: Page,
    PathId(id): PathId<MembershipId>,
    Form(form): Form<RemoveForm>,
) -> Result<Response> {
    let done = can
        .change(async |change| {
            let heir = match form.heir.as_str() {
                "" => None,
                // The nil id belongs to nobody, so the store refuses it beside the field.
                text => Some(text.parse().unwrap_or(MembershipId(uuid::Uuid::nil()))),
            };
            let name = members::find(change, id).await?.person.name;
            members::remove(change, id, heir).await?;
            Ok(name)
        })
        .await;
    match done {
        Ok(name) if can.access().may(Permission::InviteMembers) => {
            let action = can.path(&format!("members/{id}/restore"));
            let undo = Undo { label: "Undo".into(), action };
            Ok(page.undoable(&can.path("members"), format!("{name} was removed."), undo))
        }
        Ok(name) => Ok(page.done(&can.path("members"), format!("{name} was removed."))),
        Err(Error::Validation(errors)) => draw(&can, page.with(422), id, form.heir, FormErrors(errors)).await,
        Err(error) => Err(error),
    }
}
