//! Resources: registered, read, changed, deleted.
use super::{
    etag::{IfMatch, Tagged, Versioned},
    given,
    pagination::{Ask, List},
};
use crate::{
    error::{Error, Fault, Result},
    http::{
        form,
        gate::{At, Key},
        routes::Routes,
    },
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
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/resources";
    let one = "/api/v1/accounts/{slug}/resources/{id}";
    Routes::default()
        .get(all, list)
        .told(|it| {
            it.says("List resources", "Those that this key sees; an organization’s include those of its teams for its administrators.")
                .asks::<Wish>()
                .lists::<Resource>()
        })
        .post(all, create)
        .told(|it| {
            it.says("Register a resource", "A thing of the platform, in this account. Who registers it is its creator.")
                .takes::<New>()
                .gives::<Resource>(201)
                .tagged()
                .fails(&["permission_missing"])
        })
        .get(one, show)
        .told(|it| it.says("Read a resource", "What it is, and where.").gives::<Resource>(200).tagged())
        .patch(one, update)
        .told(|it| {
            it.says("Change a resource", "Its name, its external id, who sees it, the key to its storage.")
                .takes::<Patch>()
                .gives::<Resource>(200)
                .tagged()
                .fails(&["permission_missing", "not_yours"])
        })
        .delete(one, delete)
        .told(|it| {
            it.says("Delete a resource", "With the grants that name it alone.")
                .gives_nothing()
                .tagged()
                .fails(&["permission_missing", "not_yours"])
        })
        .about("Resources", "The things of the platform, each registered in one account.")
}

/// A thing of the platform.
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
    /// Who sees it.
    visibility: Visibility,
    /// The team that owns it, if it is not the account itself.
    team: Option<AccountRef>,
    /// Who registered it, if they are still a user.
    created_by: Option<UserId>,
    /// When it was registered.
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

/// A changed key to its storage is another version too, and is not shown.
impl Versioned for Resource {
    fn besides(&self) -> String {
        self.version.to_string()
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    /// The beginning of an external id, or of any word of a name.
    q: String,
    /// Only of this product.
    product: String,
    /// Only of this kind.
    kind: String,
    /// Only those.
    #[serde(deserialize_with = "given")]
    visibility: Option<Visibility>,
    /// Only of this team: its slug.
    team: String,
    /// In which order.
    sort: Sort,
}

/// By what, and with a hyphen from the other end.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ResourceSort)]
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
    let page = resources::list(&mut key.read(), &filter).await?;
    let items = page.resources.into_iter().map(Resource::from).collect();
    Ok(ask.list(items, page.next.map(|it| it.to_string())))
}

/// A resource that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewResource)]
struct New {
    /// Its product in the catalogue.
    #[schema(example = "video")]
    product: String,
    /// Its kind in the catalogue.
    #[schema(example = "index")]
    kind: String,
    /// Its name.
    #[schema(value_type = Name)]
    name: String,
    /// The platform's own id: once in this account, for a product and kind.
    #[schema(value_type = ExternalId)]
    external_id: String,
    /// Who sees it.
    #[serde(default)]
    visibility: Visibility,
    /// The key to its storage, for kinds that have one. Written, never read.
    #[serde(default)]
    credentials: Option<Credentials>,
}

async fn create(
    key: Key<CreateResources>,
    form::Json(asked): form::Json<New>,
) -> Result<(StatusCode, Tagged<Resource>)> {
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

async fn show(key: Key<ViewResources>, At(id): At<ResourceId>) -> Result<Tagged<Resource>> {
    read(&mut key.read(), id).await
}

async fn read(scope: &mut Scope, id: ResourceId) -> Result<Tagged<Resource>> {
    let found = resources::find(scope, id).await?;
    Ok(Tagged(scope.on::<ViewResources, _>(found)?.into_inner().into()))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResourcePatch)]
struct Patch {
    /// A new name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Name>, nullable = false)]
    name: Option<String>,
    /// Another id of the platform's own.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ExternalId>, nullable = false)]
    external_id: Option<String>,
    /// Who sees it.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    visibility: Option<Visibility>,
    /// Another key to its storage.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    credentials: Option<Credentials>,
}

async fn update(
    key: Key<UpdateResources>,
    At(id): At<ResourceId>,
    version: IfMatch,
    form::Json(asked): form::Json<Patch>,
) -> Result<Tagged<Resource>> {
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
        version.holds(&Resource::from(it.clone()))?;
        resources::update(change, it, update, None).await?;
        read(change, id).await
    })
    .await
}

async fn delete(key: Key<DeleteResources>, At(id): At<ResourceId>, version: IfMatch) -> Result<StatusCode> {
    key.change(async |change| {
        let found = resources::find(change, id).await?;
        let it = change.on(found)?;
        version.holds(&Resource::from(it.clone()))?;
        resources::delete(change, it).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
