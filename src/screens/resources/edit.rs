//! Changing a resource's name, external id and credentials.
use super::{
    new::{credentials, shown},
    one::{changed, version},
};
use crate::{
    error::{Error, Fault, Result},
    http::{
        form::Form,
        gate::{At, Can},
    },
    model::{
        id::ResourceId,
        permission::UpdateResources,
        resource::ExternalId,
        text::{Name, Refusal},
    },
    store::resources::{self, Resource, Update},
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    external_id: String,
    access_key_id: String,
    secret_access_key: String,
    seen: String,
}

#[derive(Template)]
#[template(path = "resources/edit.html")]
struct Edit {
    list: String,
    href: String,
    now: Resource,
    it: Typed,
    has_credentials: bool,
    stored: Option<When>,
    /// Whether somebody else changed it since the form was made.
    is_late: bool,
    faults: Faults,
}

pub(super) async fn show(can: Can<UpdateResources>, page: Page, At(id): At<ResourceId>) -> Result<Response> {
    ask(&can, &page, id, None, Faults::default()).await
}

async fn ask(
    can: &Can<UpdateResources>,
    page: &Page,
    id: ResourceId,
    typed: Option<Typed>,
    faults: Faults,
) -> Result<Response> {
    let mut scope = can.read();
    let found = resources::find(&mut scope, id).await?;
    let now = scope.on::<UpdateResources, _>(found)?.into_inner();
    let is_late = typed.as_ref().is_some_and(|it| version(&it.seen) != Some(now.updated_at));
    let of_now =
        || Typed { name: now.name.clone(), external_id: now.external_id.clone(), ..Typed::default() };
    let seen = now.updated_at.0.to_string();
    let it = Typed { secret_access_key: String::new(), seen, ..typed.unwrap_or_else(of_now) };
    let zone = page.zone(can.me().time_zone.as_deref());
    let title = format!("Edit {}", now.name);
    let edit = Edit {
        list: can.path("resources"),
        href: can.path(&format!("resources/{id}")),
        has_credentials: can.kit().catalog.kind(&now.kind).is_some_and(|it| it.has_credentials),
        stored: now.secret_at.map(|at| When::day(at, &zone)),
        now,
        it,
        is_late,
        faults,
    };
    page.show(&mut scope, &title, edit).await
}

pub(super) async fn save(
    can: Can<UpdateResources>,
    page: Page,
    At(id): At<ResourceId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    match store(&can, id, &it).await {
        Ok(()) => Ok(page.done(&can.path(&format!("resources/{id}")), "The changes are saved.")),
        Err(error) => {
            let (status, faults) = Faults::catch(changed(shown(error)))?;
            ask(&can, &page.with(status), id, Some(it), faults).await
        }
    }
}

async fn store(can: &Can<UpdateResources>, id: ResourceId, it: &Typed) -> Result<()> {
    let mut faults = vec![];
    let mut fault = |field: &str, it: Refusal| faults.push(Fault::new(field, it.code, it.detail));
    let name = Name::parse(&it.name).map_err(|it| fault("name", it)).ok();
    let external_id = ExternalId::parse(&it.external_id).map_err(|it| fault("external_id", it)).ok();
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let credentials = credentials(&it.access_key_id, &it.secret_access_key);
    let update = Update { name, external_id, visibility: None, credentials };
    can.change(async |change| {
        let found = resources::find(change, id).await?;
        let resource = change.on(found)?;
        resources::update(change, resource, update, version(&it.seen)).await
    })
    .await
}
