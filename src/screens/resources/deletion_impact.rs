//! Moving a resource away, and deleting it. The page lists the consequences before they happen.
use super::{
    ResourceLooks, impact_sentences,
    resource::{changed, version},
};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
    },
    model::{access::Access, account::Kind, id::ResourceId, permission::DeleteResources},
    store::{
        Change,
        resources::{self, Resource},
        shell::switcher,
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "resources/move.html")]
struct MovePage {
    list: String,
    href: String,
    account: String,
    resource: Resource,
    looks: ResourceLooks,
    /// `(slug, name, what it is)`.
    targets: Vec<(String, String, &'static str)>,
    to: String,
    consequences: Vec<String>,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "resources/delete.html")]
struct DeletePage {
    list: String,
    href: String,
    resource: Resource,
    looks: ResourceLooks,
    consequences: Vec<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct MoveForm {
    to: String,
    seen: String,
}

pub(super) async fn ask_move(
    can: Can<DeleteResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
) -> Result<Response> {
    show_move(&can, &page, id, String::new(), FormErrors::default()).await
}

async fn show_move(
    can: &Can<DeleteResources>,
    page: &Page,
    id: ResourceId,
    to: String,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let found = resources::find(&mut scope, id).await?;
    let resource = scope.on::<DeleteResources, _>(found)?.into_inner();
    if resource.account != can.access().account.id {
        let team = resource.team.map(|team| team.slug).ok_or(Error::NotFound)?;
        return Ok(page.to(&format!("/a/{team}/resources/{id}/move")));
    }
    let impact = resources::deletion_impact(&mut scope, &resource).await?;
    let accounts = switcher(&mut scope, can.user().id).await?;
    let targets = resources::targets(can.access(), &accounts);
    let what = |kind| match kind {
        Kind::Team => "Team",
        Kind::Organization => "Organization",
        Kind::Personal => "Personal account",
    };
    let body = MovePage {
        list: can.path("resources"),
        href: can.path(&format!("resources/{id}")),
        account: can.access().account.name.clone(),
        looks: ResourceLooks::of(&resource, &can.context().catalog),
        targets: targets
            .into_iter()
            .map(|account| (account.slug, account.name, what(account.kind)))
            .collect(),
        to,
        consequences: impact_sentences(&impact),
        errors,
        resource,
    };
    page.show_with_accounts(&scope, &accounts, "Move resource", body)
}

pub(super) async fn move_to(
    can: Can<DeleteResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
    Form(form): Form<MoveForm>,
) -> Result<Response> {
    let apply = async |change: &mut Change<Access>, there: &Access| {
        let found = resources::find(change, id).await?;
        let resource = change.on(found)?;
        let name = resource.name.clone();
        resources::move_to(change, resource, there, version(&form.seen)).await?;
        Ok(name)
    };
    let moved = if form.to.is_empty() || form.to == can.slug() {
        Err(Error::invalid("to", "required", "Choose where it goes."))
    } else {
        can.change_with(&form.to, apply).await
    };
    match moved {
        Ok(name) => Ok(page.done(&format!("/a/{}/resources/{id}", form.to), format!("{name} is here now."))),
        Err(error) => {
            let (status, errors) = FormErrors::catch(changed(error))?;
            show_move(&can, &page.with(status), id, form.to, errors).await
        }
    }
}

pub(super) async fn ask_delete(
    can: Can<DeleteResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
) -> Result<Response> {
    let mut scope = can.read();
    let found = resources::find(&mut scope, id).await?;
    let resource = scope.on::<DeleteResources, _>(found)?.into_inner();
    let impact = resources::deletion_impact(&mut scope, &resource).await?;
    let body = DeletePage {
        list: can.path("resources"),
        href: can.path(&format!("resources/{id}")),
        looks: ResourceLooks::of(&resource, &can.context().catalog),
        consequences: impact_sentences(&impact),
        resource,
    };
    page.show(&mut scope, "Delete resource", body).await
}

pub(super) async fn delete(
    can: Can<DeleteResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
    Form(_): Form<MoveForm>,
) -> Result<Response> {
    let name = can
        .change(async |change| {
            let found = resources::find(change, id).await?;
            let resource = change.on(found)?;
            let name = resource.name.clone();
            resources::delete(change, resource).await?;
            Ok(name)
        })
        .await?;
    Ok(page.done(&can.path("resources"), format!("{name} is deleted.")))
}
