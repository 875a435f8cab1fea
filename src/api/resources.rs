//! Resources: registered, read, changed, deleted.
use super::{
    given,
    list::{Ask, List},
    matches,
};
use crate::{
    app::{
        form,
        gate::{At, Key},
        routes::Routes,
    },
    error::{Error, Fault, Result},
    model::{
        account::AccountRef,
        id::{ResourceId, UserId},
        permission::{CreateResources, DeleteResources, UpdateResources, ViewResources},
        resource::{ExternalId, Visibility},
        text::{Name, Refusal},
        time::Time,
    },
    store::{
        Scope,
        resources::{self, Credentials, Cursor, Filter, Order, Update},
    },
};
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/resources";
    let one = "/api/v1/accounts/{slug}/resources/{id}";
    Routes::default().get(all, list).post(all, create).get(one, show).patch(one, update).delete(one, delete)
}

#[derive(Serialize)]
struct Resource {
    id: ResourceId,
    product: String,
    kind: String,
    name: String,
    external_id: String,
    visibility: Visibility,
    team: Option<AccountRef>,
    created_by: Option<UserId>,
    created_at: Time,
    #[serde(skip)]
    version: Time,
}

impl From<resources::Resource> for Resource {
    fn from(it: resources::Resource) -> Resource {
        Resource {
            id: it.id,
            product: it.product,
            kind: it.kind,
            name: it.name,
            external_id: it.external_id,
            visibility: it.visibility,
            team: it.team,
            created_by: it.creator,
            created_at: it.created_at,
            version: it.updated_at,
        }
    }
}

/// The version, as `ETag` and `If-Match` tell it.
fn tag(version: Time) -> String {
    format!("{:x}", version.0)
}

/// A resource and its version.
struct Tagged(Resource);
impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", tag(self.0.version)));
        let mut response = Json(self.0).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    q: String,
    product: String,
    kind: String,
    visibility: Option<Visibility>,
    team: String,
    sort: Sort,
}

/// By what, and with a hyphen from the other end.
#[derive(Clone, Copy, Default, Deserialize)]
enum Sort {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDown,
    #[default]
    #[serde(rename = "created")]
    Created,
    #[serde(rename = "-created")]
    CreatedDown,
    #[serde(rename = "changed")]
    Changed,
    #[serde(rename = "-changed")]
    ChangedDown,
}

async fn list(key: Key<ViewResources>, ask: Ask<Wish>) -> Result<List<Resource>> {
    let (sort, order) = match ask.filter.sort {
        Sort::Name => (resources::Sort::Name, Order::Up),
        Sort::NameDown => (resources::Sort::Name, Order::Down),
        Sort::Created => (resources::Sort::Created, Order::Up),
        Sort::CreatedDown => (resources::Sort::Created, Order::Down),
        Sort::Changed => (resources::Sort::Changed, Order::Up),
        Sort::ChangedDown => (resources::Sort::Changed, Order::Down),
    };
    let filter = Filter {
        search: ask.filter.q.clone(),
        product: ask.filter.product.clone(),
        kind: ask.filter.kind.clone(),
        visibility: ask.filter.visibility,
        team: ask.filter.team.clone(),
        sort,
        order,
        after: ask.after_by(Cursor::parse)?,
        before: None,
        limit: ask.limit(),
    };
    let page = resources::list(&mut key.read().await?, &filter).await?;
    let items = page.resources.into_iter().map(Resource::from).collect();
    Ok(ask.list(items, page.next.map(|it| it.to_string())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    product: String,
    kind: String,
    name: String,
    external_id: String,
    #[serde(default)]
    visibility: Visibility,
    /// Written, never read.
    #[serde(default)]
    credentials: Option<Credentials>,
}

async fn create(
    key: Key<CreateResources>,
    form::Json(asked): form::Json<New>,
) -> Result<(StatusCode, Tagged)> {
    let mut faults = vec![];
    let mut fault = |field: &str, it: Refusal| faults.push(Fault::new(field, it.code, it.detail));
    let name = Name::parse(&asked.name).map_err(|it| fault("name", it)).ok();
    let external_id = ExternalId::parse(&asked.external_id).map_err(|it| fault("external_id", it)).ok();
    let (Some(name), Some(external_id)) = (name, external_id) else { return Err(Error::Invalid(faults)) };
    let new = resources::New {
        product: asked.product,
        kind: asked.kind,
        name,
        external_id,
        visibility: asked.visibility,
        credentials: asked.credentials,
    };
    let made = key
        .change(async |change| {
            let id = resources::create(change, &new).await?;
            resources::made(change, id).await
        })
        .await?;
    Ok((StatusCode::CREATED, Tagged(made.into())))
}

async fn show(key: Key<ViewResources>, At(id): At<ResourceId>) -> Result<Tagged> {
    read(&mut key.read().await?, id).await
}

async fn read(scope: &mut Scope, id: ResourceId) -> Result<Tagged> {
    let found = resources::find(scope, id).await?;
    Ok(Tagged(scope.on::<ViewResources, _>(found)?.into_inner().into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    external_id: Option<String>,
    #[serde(default, deserialize_with = "given")]
    visibility: Option<Visibility>,
    #[serde(default, deserialize_with = "given")]
    credentials: Option<Credentials>,
}

async fn update(
    key: Key<UpdateResources>,
    At(id): At<ResourceId>,
    fields: HeaderMap,
    form::Json(asked): form::Json<Patch>,
) -> Result<Tagged> {
    let update = Update {
        name: asked.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?,
        external_id: asked
            .external_id
            .as_deref()
            .map(ExternalId::parse)
            .transpose()
            .map_err(Error::at("external_id"))?,
        visibility: asked.visibility,
        credentials: asked.credentials,
    };
    key.change(async |change| {
        let found = resources::find(change, id).await?;
        let it = change.on(found)?;
        if !matches(&fields, &tag(it.updated_at)) {
            return Err(Error::Changed);
        }
        resources::update(change, it, update, None).await?;
        read(change, id).await
    })
    .await
}

async fn delete(key: Key<DeleteResources>, At(id): At<ResourceId>, fields: HeaderMap) -> Result<StatusCode> {
    key.change(async |change| {
        let found = resources::find(change, id).await?;
        let it = change.on(found)?;
        if !matches(&fields, &tag(it.updated_at)) {
            return Err(Error::Changed);
        }
        resources::delete(change, it).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
