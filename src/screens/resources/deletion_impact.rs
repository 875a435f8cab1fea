//! Moving a resource away, and deleting it: what goes with it is said first.
use super::{
    Looks,
    one::{changed, version},
    says,
};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
    },
    model::{access::Entry, account::Kind, id::ResourceId, permission::DeleteResources},
    store::{
        Change,
        resources::{self, Resource},
    },
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "resources/move.html")]
struct Move {
    list: String,
    href: String,
    account: String,
    it: Resource,
    looks: Looks,
    /// `(slug, name, what it is)`.
    targets: Vec<(String, String, &'static str)>,
    to: String,
    says: Vec<String>,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "resources/delete.html")]
struct Delete {
    list: String,
    href: String,
    it: Resource,
    looks: Looks,
    says: Vec<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    to: String,
    seen: String,
}

pub(super) async fn ask_move(
    can: Can<DeleteResources>,
    page: Page,
    At(id): At<ResourceId>,
) -> Result<Response> {
    show_move(&can, &page, id, String::new(), Faults::default()).await
}

async fn show_move(
    can: &Can<DeleteResources>,
    page: &Page,
    id: ResourceId,
    to: String,
    faults: Faults,
) -> Result<Response> {
    let mut scope = can.read();
    let found = resources::find(&mut scope, id).await?;
    let it = scope.on::<DeleteResources, _>(found)?.into_inner();
    if it.account != can.me().here.id {
        let team = it.team.map(|it| it.slug).ok_or(Error::NotFound)?;
        return Ok(page.to(&format!("/a/{team}/resources/{id}/move")));
    }
    let goes = resources::goes(&mut scope, &it).await?;
    let seats = resources::targets(&mut scope).await?;
    let what = |it| match it {
        Kind::Team => "Team",
        Kind::Organization => "Organization",
        Kind::Personal => "Personal account",
    };
    let asked = Move {
        list: can.path("resources"),
        href: can.path(&format!("resources/{id}")),
        account: can.me().here.name.clone(),
        looks: Looks::of(&it, &can.kit().catalog),
        targets: seats.into_iter().map(|it| (it.slug, it.name, what(it.kind))).collect(),
        to,
        says: says(&goes),
        faults,
        it,
    };
    page.show(&mut scope, "Move resource", asked).await
}

pub(super) async fn move_to(
    can: Can<DeleteResources>,
    page: Page,
    At(id): At<ResourceId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let story = async |change: &mut Change, there: &Entry| {
        let found = resources::find(change, id).await?;
        let resource = change.on(found)?;
        let name = resource.name.clone();
        resources::move_to(change, resource, there, version(&it.seen)).await?;
        Ok(name)
    };
    let moved = if it.to.is_empty() || it.to == can.slug() {
        Err(Error::invalid("to", "required", "Choose where it goes."))
    } else {
        can.change_with(&it.to, story).await
    };
    match moved {
        Ok(name) => Ok(page.done(&format!("/a/{}/resources/{id}", it.to), format!("{name} is here now."))),
        Err(error) => {
            let (status, faults) = Faults::catch(changed(error))?;
            show_move(&can, &page.with(status), id, it.to, faults).await
        }
    }
}

pub(super) async fn ask_delete(
    can: Can<DeleteResources>,
    page: Page,
    At(id): At<ResourceId>,
) -> Result<Response> {
    let mut scope = can.read();
    let found = resources::find(&mut scope, id).await?;
    let it = scope.on::<DeleteResources, _>(found)?.into_inner();
    let goes = resources::goes(&mut scope, &it).await?;
    let asked = Delete {
        list: can.path("resources"),
        href: can.path(&format!("resources/{id}")),
        looks: Looks::of(&it, &can.kit().catalog),
        says: says(&goes),
        it,
    };
    page.show(&mut scope, "Delete resource", asked).await
}

pub(super) async fn delete(
    can: Can<DeleteResources>,
    page: Page,
    At(id): At<ResourceId>,
    Form(_): Form<Typed>,
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
