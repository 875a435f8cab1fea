//! Changing a resource's name, external id and credentials.
use super::{
    new::{credentials, to_form_fields},
    resource::{changed, version},
};
use crate::{
    error::{Error, FieldError, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
    },
    model::{
        id::ResourceId,
        permission::UpdateResources,
        resource::ExternalId,
        text::{Name, ValidationError},
    },
    store::resources::{self, Resource, ResourceUpdate},
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct EditForm {
    name: String,
    external_id: String,
    access_key_id: String,
    secret_access_key: String,
    seen: String,
}

#[derive(Template)]
#[template(path = "resources/edit.html")]
struct EditPage {
    list: String,
    href: String,
    resource: Resource,
    form: EditForm,
    has_credentials: bool,
    stored: Option<When>,
    /// Whether somebody else changed it after the form was shown.
    is_outdated: bool,
    errors: FormErrors,
}

pub(super) async fn show(
    can: Can<UpdateResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
) -> Result<Response> {
    ask(&can, &page, id, None, FormErrors::default()).await
}

async fn ask(
    can: &Can<UpdateResources>,
    page: &Page,
    id: ResourceId,
    typed: Option<EditForm>,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let found = resources::find(&mut scope, id).await?;
    let resource = scope.on::<UpdateResources, _>(found)?.into_inner();
    let is_outdated = typed.as_ref().is_some_and(|form| version(&form.seen) != Some(resource.updated_at));
    let current = || EditForm {
        name: resource.name.clone(),
        external_id: resource.external_id.clone(),
        ..EditForm::default()
    };
    let seen = resource.updated_at.0.to_string();
    let form = EditForm { secret_access_key: String::new(), seen, ..typed.unwrap_or_else(current) };
    let zone = page.zone(can.actor().time_zone());
    let title = format!("Edit {}", resource.name);
    let body = EditPage {
        list: can.path("resources"),
        href: can.path(&format!("resources/{id}")),
        has_credentials: can.context().catalog.kind(&resource.kind).is_some_and(|kind| kind.has_credentials),
        stored: resource.secret_at.map(|time| When::day(time, &zone)),
        resource,
        form,
        is_outdated,
        errors,
    };
    page.show(&mut scope, &title, body).await
}

pub(super) async fn save(
    can: Can<UpdateResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
    Form(form): Form<EditForm>,
) -> Result<Response> {
    match update(&can, id, &form).await {
        Ok(()) => Ok(page.done(&can.path(&format!("resources/{id}")), "The changes are saved.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(changed(to_form_fields(error)))?;
            ask(&can, &page.with(status), id, Some(form), errors).await
        }
    }
}

async fn update(can: &Can<UpdateResources>, id: ResourceId, form: &EditForm) -> Result<()> {
    let mut errors = vec![];
    let mut report =
        |field: &str, error: ValidationError| errors.push(FieldError::new(field, error.code, error.detail));
    let name = Name::parse(&form.name).map_err(|error| report("name", error)).ok();
    let external_id = ExternalId::parse(&form.external_id).map_err(|error| report("external_id", error)).ok();
    if !errors.is_empty() {
        return Err(Error::Validation(errors));
    }
    let credentials = credentials(&form.access_key_id, &form.secret_access_key);
    let update = ResourceUpdate { name, external_id, visibility: None, credentials };
    can.change(async |change| {
        let found = resources::find(change, id).await?;
        let resource = change.on(found)?;
        resources::update(change, resource, update, version(&form.seen)).await
    })
    .await
}
