//! Resources of an account.
use super::{
    etag::{IfMatch, Versioned, WithEtag},
    pagination::{List, ListQuery},
    present,
};
use crate::{
    error::{Error, FieldError, Result},
    http::{
        form,
        gate::{Key, PathId},
        routes::Routes,
    },
    model::{
        access::Access,
        account::AccountRef,
        id::{ResourceId, UserId},
        permission::{CreateResources, DeleteResources, UpdateResources, ViewResources},
        resource::{ExternalId, Visibility},
        text::{Name, ValidationError},
        time::Time,
    },
    store::{
        Scope,
        resources::{self, Credentials, Cursor, Filter, Order, ResourceUpdate},
    },
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/resources";
    let one = "/api/v1/accounts/{slug}/resources/{id}";
    Routes::default()
        .get(all, list)
        .doc(|call| {
            call.summary(
                "List resources",
                "Those that this key may see. Administrators of an organization also see those of its teams.",
            )
            .query::<ResourceQuery>()
            .returns_list::<Resource>()
        })
        .post(all, create)
        .doc(|call| {
            call.summary(
                "Create a resource",
                "Registers something of the platform in this account. The key’s member becomes its creator.",
            )
            .body::<NewResource>()
            .returns::<Resource>(201)
            .with_etag()
            .errors(&["permission_missing"])
        })
        .get(one, show)
        .doc(|call| {
            call.summary("Get a resource", "With its team and creator.").returns::<Resource>(200).with_etag()
        })
        .patch(one, update)
        .doc(|call| {
            call.summary("Update a resource", "Its name, external id, visibility, or storage credentials.")
                .body::<ResourcePatch>()
                .returns::<Resource>(200)
                .with_etag()
                .errors(&["permission_missing", "not_yours"])
        })
        .delete(one, delete)
        .doc(|call| {
            call.summary("Delete a resource", "With the grants that are only for it.")
                .no_content()
                .with_etag()
                .errors(&["permission_missing", "not_yours"])
        })
        .about("Resources", "What the platform manages for customers. Each is registered in one account.")
}

/// Something of the platform that belongs to an account.
#[derive(Serialize, ToSchema)]
struct Resource {
    /// Its id.
    id: ResourceId,
    /// Its product in the catalogue.
    #[schema(example = "video")]
    product: String,
    /// Its kind in the catalogue.
    #[schema(example = "index")]
    kind: String,
    /// Its name.
    #[schema(example = "Interviews")]
    name: String,
    /// The platform's own id.
    #[schema(example = "idx_8f2c")]
    external_id: String,
    /// Who may see it.
    visibility: Visibility,
    /// The team that owns it; `null`: the account itself.
    team: Option<AccountRef>,
    /// Who created it, if they are still a user.
    created_by: Option<UserId>,
    /// When it was created.
    created_at: Time,
    #[serde(skip)]
    version: Time,
}

impl From<resources::Resource> for Resource {
    fn from(row: resources::Resource) -> Resource {
        Resource {
            id: row.id,
            product: row.product,
            kind: row.kind,
            name: row.name,
            external_id: row.external_id,
            visibility: row.visibility,
            team: row.team,
            created_by: row.creator,
            created_at: row.created_at,
            version: row.updated_at,
        }
    }
}

impl Versioned for Resource {
    /// Credentials are not shown, but changing them makes another version.
    fn hidden_version(&self) -> String {
        self.version.to_string()
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct ResourceQuery {
    /// The beginning of an external id or of any word of a name.
    q: String,
    /// Only of this product.
    product: String,
    /// Only of this kind.
    kind: String,
    /// Only with this visibility.
    #[serde(deserialize_with = "present")]
    visibility: Option<Visibility>,
    /// Only of this team, by its slug.
    team: String,
    /// The order.
    sort: ResourceSort,
}

/// The order; with a hyphen descending.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
enum ResourceSort {
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

async fn list(key: Key<ViewResources>, query: ListQuery<ResourceQuery>) -> Result<List<Resource>> {
    let (sort, order) = match query.filter.sort {
        ResourceSort::Name => (resources::Sort::Name, Order::Up),
        ResourceSort::NameDown => (resources::Sort::Name, Order::Down),
        ResourceSort::Created => (resources::Sort::Created, Order::Up),
        ResourceSort::CreatedDown => (resources::Sort::Created, Order::Down),
        ResourceSort::Changed => (resources::Sort::Changed, Order::Up),
        ResourceSort::ChangedDown => (resources::Sort::Changed, Order::Down),
    };
    let filter = Filter {
        search: query.filter.q.clone(),
        product: query.filter.product.clone(),
        kind: query.filter.kind.clone(),
        visibility: query.filter.visibility,
        team: query.filter.team.clone(),
        sort,
        order,
        after: query.after_with(Cursor::parse)?,
        before: None,
        limit: query.limit(),
    };
    let page = resources::list(&mut key.read(), &filter).await?;
    let items = page.resources.into_iter().map(Resource::from).collect();
    Ok(query.page_with_next(items, page.next.map(|cursor| cursor.to_string())))
}

/// A resource to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewResource {
    /// Its product in the catalogue.
    #[schema(example = "video")]
    product: String,
    /// Its kind in the catalogue.
    #[schema(example = "index")]
    kind: String,
    /// Its name.
    #[schema(value_type = Name)]
    name: String,
    /// The platform's own id: unique in this account for a product and kind.
    #[schema(value_type = ExternalId)]
    external_id: String,
    /// Who may see it.
    #[serde(default)]
    visibility: Visibility,
    /// Credentials of its storage, for kinds that have some. They can be written but never read.
    #[serde(default)]
    credentials: Option<Credentials>,
}

async fn create(
    key: Key<CreateResources>,
    form::Json(body): form::Json<NewResource>,
) -> Result<(StatusCode, WithEtag<Resource>)> {
    let mut errors = vec![];
    let mut add =
        |field: &str, error: ValidationError| errors.push(FieldError::new(field, error.code, error.detail));
    let name = Name::parse(&body.name).map_err(|error| add("name", error)).ok();
    let external_id = ExternalId::parse(&body.external_id).map_err(|error| add("external_id", error)).ok();
    let (Some(name), Some(external_id)) = (name, external_id) else { return Err(Error::Validation(errors)) };
    let new = resources::NewResource {
        product: body.product,
        kind: body.kind,
        name,
        external_id,
        visibility: body.visibility,
        credentials: body.credentials,
    };
    let created = key
        .change(async |change| {
            let id = resources::create(change, &new).await?;
            resources::made(change, id).await
        })
        .await?;
    Ok((StatusCode::CREATED, WithEtag(created.into())))
}

async fn show(key: Key<ViewResources>, PathId(id): PathId<ResourceId>) -> Result<WithEtag<Resource>> {
    read(&mut key.read(), id).await
}

async fn read(scope: &mut Scope<Access>, id: ResourceId) -> Result<WithEtag<Resource>> {
    let found = resources::find(scope, id).await?;
    Ok(WithEtag(scope.on::<ViewResources, _>(found)?.into_inner().into()))
}

/// What to change; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResourcePatch {
    /// A new name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Name>, nullable = false)]
    name: Option<String>,
    /// Another id of the platform.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ExternalId>, nullable = false)]
    external_id: Option<String>,
    /// Who may see it.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    visibility: Option<Visibility>,
    /// Other credentials of its storage.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    credentials: Option<Credentials>,
}

async fn update(
    key: Key<UpdateResources>,
    PathId(id): PathId<ResourceId>,
    if_match: IfMatch,
    form::Json(patch): form::Json<ResourcePatch>,
) -> Result<WithEtag<Resource>> {
    let update = ResourceUpdate {
        name: patch.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?,
        external_id: patch
            .external_id
            .as_deref()
            .map(ExternalId::parse)
            .transpose()
            .map_err(Error::at("external_id"))?,
        visibility: patch.visibility,
        credentials: patch.credentials,
    };
    key.change(async |change| {
        let found = resources::find(change, id).await?;
        let resource = change.on(found)?;
        if_match.check(&Resource::from(resource.clone()))?;
        resources::update(change, resource, update, None).await?;
        read(change, id).await
    })
    .await
}

async fn delete(
    key: Key<DeleteResources>,
    PathId(id): PathId<ResourceId>,
    if_match: IfMatch,
) -> Result<StatusCode> {
    key.change(async |change| {
        let found = resources::find(change, id).await?;
        let resource = change.on(found)?;
        if_match.check(&Resource::from(resource.clone()))?;
        resources::delete(change, resource).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
