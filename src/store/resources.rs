//! Resources: find, create, update, delete.
mod deletion_impact;
mod list;
mod moves;
mod reach;
mod used;

pub use deletion_impact::{ResourceDeletionImpact, deletion_impact};
pub use list::{Cursor, Filter, Order, Page, ResourceListSummary, Sort, list, summary};
pub use moves::{move_to, targets};
pub use reach::{ReachGroup, ReachedBy, ResourceReach, reach};
pub use used::find_with_usage;

use super::{
    Allowed, Change, Guarded, Scope,
    audit::{self, Chain, NewEvent},
};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        account::{AccountRef, Kind},
        id::{AccountId, ResourceId, UserId},
        permission::{CreateResources, DeleteResources, Needs as _, UpdateResources, ViewResources},
        resource::{ExternalId, HasTarget, ResourceTarget, Visibility, search_words},
        text::{Name, fold},
        time::Time,
    },
};
use const_format::concatcp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A resource of the platform, registered in one account.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its id here.
    pub id: ResourceId,
    pub product: String,
    pub kind: String,
    pub name: String,
    /// The platform's own id.
    pub external_id: String,
    pub visibility: Visibility,
    pub account: AccountId,
    pub team: Option<AccountRef>,
    /// Who registered it, if the user still exists.
    pub creator: Option<UserId>,
    pub creator_name: Option<String>,
    pub created_at: Time,
    /// Also the version, for the `ETag`.
    pub updated_at: Time,
    /// When credentials were stored.
    pub secret_at: Option<Time>,
}

impl HasTarget for Resource {
    type See = ViewResources;
    fn target(&self) -> ResourceTarget<'_> {
        ResourceTarget {
            product: &self.product,
            id: self.id,
            visibility: self.visibility,
            creator: self.creator,
        }
    }
}

#[derive(sqlx::FromRow)]
struct ResourceRow {
    id: ResourceId,
    product: String,
    kind: String,
    name: String,
    name_key: String,
    external_id: String,
    visibility: Visibility,
    account_id: AccountId,
    account_kind: Kind,
    account_slug: String,
    account_name: String,
    creator: Option<UserId>,
    creator_name: Option<String>,
    created_at: Time,
    updated_at: Time,
    secret_at: Option<Time>,
}

impl From<ResourceRow> for Resource {
    fn from(row: ResourceRow) -> Resource {
        let account = AccountRef { id: row.account_id, slug: row.account_slug, name: row.account_name };
        Resource {
            id: row.id,
            product: row.product,
            kind: row.kind,
            name: row.name,
            external_id: row.external_id,
            visibility: row.visibility,
            account: row.account_id,
            team: (row.account_kind == Kind::Team).then_some(account),
            creator: row.creator,
            creator_name: row.creator_name,
            created_at: row.created_at,
            updated_at: row.updated_at,
            secret_at: row.secret_at,
        }
    }
}

const COLUMNS: &str = "select r.id, r.product, r.kind, r.name, r.name_key, r.external_id, r.visibility, r.account_id, a.kind as account_kind,
            a.slug as account_slug, a.name as account_name, u.id as creator, u.name as creator_name, r.created_at, r.updated_at,
            r.secret_at";
const TABLES: &str =
    " from resources r join accounts a on a.id = r.account_id left join users u on u.id = r.created_by ";
const RESOURCES: &str = concatcp!(COLUMNS, TABLES);

/// A resource of the account; for an organization's administrators, also of its teams.
pub async fn find(scope: &mut Scope<Access>, id: ResourceId) -> Result<Guarded<Resource>> {
    let leads = scope.access().leads_teams();
    let sql =
        concatcp!(RESOURCES, "where r.id = $2 and (r.account_id = $1 or (r.root_account_id = $1 and $3))");
    let found: Option<ResourceRow> =
        scope.query_in_account(sql).bind(id).bind(leads).fetch_optional().await?;
    found.map(|row| Guarded(row.into())).ok_or(Error::NotFound)
}

/// A resource for the caller who just created it, who may not be allowed to see it otherwise.
pub async fn made(change: &mut Change<Access>, id: ResourceId) -> Result<Resource> {
    find(change, id).await.map(|Guarded(resource)| resource)
}

/// An access key of somebody else's storage. It goes in, and never comes out.
#[derive(Clone, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Its id.
    #[schema(example = "AKIA…")]
    pub access_key_id: String,
    /// Its secret.
    #[schema(example = "wJalr…")]
    pub secret_access_key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[derive(Clone, Debug)]
pub struct NewResource {
    pub product: String,
    pub kind: String,
    pub name: Name,
    /// The platform's own id.
    pub external_id: ExternalId,
    pub visibility: Visibility,
    /// For kinds that have credentials.
    pub credentials: Option<Credentials>,
}

/// Registers a resource.
pub async fn create(change: &mut Change<Access>, new: &NewResource) -> Result<ResourceId> {
    check_kind(change, new)?;
    if !change.access().may_create_in(&new.product) {
        return Err(CreateResources::PERMISSION.map_or(Error::NotFound, Error::MissingPermission));
    }
    let id = ResourceId(change.context().id());
    let sealed = new
        .credentials
        .as_ref()
        .map(|credentials| encrypt_credentials(change, id, &new.kind, credentials))
        .transpose()?;
    let (now, by) = (change.now(), change.access().user_id());
    let made: Option<(ResourceId,)> = change
        .query_in_account(
            "insert into resources (account_id, id, product, kind, name, external_id, visibility, created_by, created_at, updated_at,
                secret, secret_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)
             on conflict (account_id, product, kind, external_id) do nothing returning id",
        )
        .bind(id)
        .bind(new.product.clone())
        .bind(new.kind.clone())
        .bind(new.name.as_str().to_owned())
        .bind(new.external_id.as_str().to_owned())
        .bind(new.visibility)
        .bind(by)
        .bind(now)
        .bind(sealed.clone())
        .bind(sealed.map(|_| now))
        .fetch_optional()
        .await?;
    if made.is_none() {
        return Err(taken(change, &new.kind, &new.external_id));
    }
    index(change, id).await?;
    let after = json!({
        "product": new.product, "kind": new.kind, "external_id": new.external_id.as_str(), "visibility": new.visibility,
    });
    audit::record(
        change,
        NewEvent::on("resource.created", "resource", id, &new.name).changed(Value::Null, after),
    )
    .await?;
    Ok(id)
}

fn check_kind(change: &Change<Access>, new: &NewResource) -> Result<()> {
    let catalog = &change.context().catalog;
    let known = |all: Vec<&str>| all.join(", ");
    if catalog.product(&new.product).is_none() {
        let all = known(catalog.products.iter().map(|product| product.id.as_str()).collect());
        let detail = format!("There is no product “{}”. There are: {all}.", brief(&new.product));
        return Err(Error::invalid("product", "unknown_product", detail));
    }
    let fits = catalog.kind(&new.kind).is_some_and(|kind| kind.products.contains(&new.product));
    if !fits {
        let kinds = catalog.kinds.iter().filter(|kind| kind.products.contains(&new.product));
        let all = known(kinds.map(|kind| kind.id.as_str()).collect());
        let detail =
            format!("The product {} has no kind “{}”. It has: {all}.", new.product, brief(&new.kind));
        return Err(Error::invalid("kind", "unknown_kind", detail));
    }
    Ok(())
}

fn brief(text: &str) -> String {
    crate::model::text::shorten(text, 40)
}

fn taken(change: &Change<Access>, kind: &str, external_id: &ExternalId) -> Error {
    let kind = change.context().catalog.kind_name(kind).to_lowercase();
    let detail =
        format!("Another {kind} of this account has the external id “{}”.", brief(external_id.as_str()));
    Error::invalid("external_id", "taken", detail)
}

fn encrypt_credentials(
    scope: &Scope<Access>,
    id: ResourceId,
    kind: &str,
    credentials: &Credentials,
) -> Result<Vec<u8>> {
    let context = scope.context();
    if !context.catalog.kind(kind).is_some_and(|kind| kind.has_credentials) {
        let detail = format!("A {} has no credentials.", context.catalog.kind_name(kind).to_lowercase());
        return Err(Error::invalid("credentials", "not_allowed", detail));
    }
    for (field, text) in
        [("access_key_id", &credentials.access_key_id), ("secret_access_key", &credentials.secret_access_key)]
    {
        let is_one_word =
            !text.is_empty() && text.len() <= 1000 && text.chars().all(|c| c.is_ascii_graphic());
        if !is_one_word {
            let detail = "Enter both the id and the secret of the access key, without spaces.";
            return Err(Error::invalid(format!("credentials/{field}"), "invalid", detail));
        }
    }
    let plain = serde_json::to_vec(credentials).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(context.secrets.encrypt(&context.random, &format!("resource {id}"), &plain))
}

#[derive(Clone, Debug, Default)]
pub struct ResourceUpdate {
    pub name: Option<Name>,
    /// The platform's own id.
    pub external_id: Option<ExternalId>,
    pub visibility: Option<Visibility>,
    /// Replace the stored ones.
    pub credentials: Option<Credentials>,
}

/// Changes a resource. `VersionMismatch` if it is no longer at version `seen`.
pub async fn update(
    change: &mut Change<Access>,
    resource: Allowed<UpdateResources, Resource>,
    update: ResourceUpdate,
    seen: Option<Time>,
) -> Result<()> {
    hold(change, resource.account).await?;
    let mine = resource.creator.is_some_and(|creator| change.access().is_user(creator));
    let hides = update.visibility == Some(Visibility::Private) && resource.visibility == Visibility::Shared;
    if hides && !mine && !change.access().is_administrator() {
        let detail =
            "You would lose sight of it: only its creator and administrators make a resource private.";
        return Err(Error::conflict("not_yours", detail));
    }
    let external_id = update.external_id.filter(|new| new.as_str() != resource.external_id);
    if let Some(new) = &external_id {
        let sql = "select 1 as one from resources where account_id = $1 and product = $2 and kind = $3 and external_id = $4";
        let query = change
            .query_unscoped(sql)
            .bind(resource.account)
            .bind(resource.product.clone())
            .bind(resource.kind.clone());
        if query.bind(new.as_str().to_owned()).fetch_optional::<(i32,)>().await?.is_some() {
            return Err(taken(change, &resource.kind, new));
        }
    }
    let sealed = update
        .credentials
        .as_ref()
        .map(|new| encrypt_credentials(change, resource.id, &resource.kind, new))
        .transpose()?;
    let (mut before, mut after) = (Map::new(), Map::new());
    let mut note = |field: &str, old: Value, new: Value| {
        if old != new {
            before.insert(field.into(), old);
            after.insert(field.into(), new);
        }
    };
    let name = update.name.map_or_else(|| resource.name.clone(), |name| name.to_string());
    let external_id = external_id.map_or_else(|| resource.external_id.clone(), |id| id.as_str().to_owned());
    let visibility = update.visibility.unwrap_or(resource.visibility);
    note("name", json!(resource.name), json!(name));
    note("external_id", json!(resource.external_id), json!(external_id));
    note("visibility", json!(resource.visibility), json!(visibility));
    if sealed.is_some() {
        note("credentials", Value::Null, json!("replaced"));
    }
    if after.is_empty() && seen.is_none_or(|seen| seen == resource.updated_at) {
        return Ok(());
    }
    // The version must increase even if the clock does not.
    let (now, seen) = (change.now(), seen.unwrap_or(resource.updated_at));
    let version = now.max(Time(resource.updated_at.0 + 1));
    let sql = "update resources set name = $2, external_id = $3, visibility = $4, updated_at = $5, secret = coalesce($6, secret),
            secret_at = case when $6 is null then secret_at else $7 end
        where id = $1 and updated_at = $8";
    let query =
        change.query_unscoped(sql).bind(resource.id).bind(name.clone()).bind(external_id).bind(visibility);
    if query.bind(version).bind(sealed).bind(now).bind(seen).execute().await? == 0 {
        return Err(Error::VersionMismatch);
    }
    index(change, resource.id).await?;
    let event = NewEvent::on("resource.updated", "resource", resource.id, name);
    audit::record_in(change, Chain::Account(resource.account), event.changed(before.into(), after.into()))
        .await
}

/// Deletes a resource and removes it from the grants that list it. A grant that lists nothing else ends.
pub async fn delete(change: &mut Change<Access>, resource: Allowed<DeleteResources, Resource>) -> Result<()> {
    hold(change, resource.account).await?;
    let gone = deletion_impact::drop_from_grants(change, resource.id).await?;
    if change.query_unscoped("delete from resources where id = $1").bind(resource.id).execute().await? == 0 {
        return Err(Error::NotFound);
    }
    let before = json!({
        "product": resource.product, "kind": resource.kind, "external_id": resource.external_id, "visibility": resource.visibility, "grants": gone.grants,
    });
    let event = NewEvent::on("resource.deleted", "resource", resource.id, &resource.name)
        .changed(before, Value::Null);
    audit::record_in(change, Chain::Account(resource.account), event).await
}

/// Locks the team of a resource that is changed from its organization. The organization is locked already.
async fn hold(change: &mut Change<Access>, account: AccountId) -> Result<()> {
    if account != change.access().account.id {
        change.lock_account(account).await?;
    }
    Ok(())
}

/// Updates the search index and sort key. Called after every change of name, external id or account.
pub(super) async fn index<A>(change: &mut Change<A>, id: ResourceId) -> Result<()> {
    let sql = "select r.name, r.external_id, a.id, coalesce(a.parent_id, a.id) from resources r
        join accounts a on a.id = r.account_id where r.id = $1";
    let (name, external_id, account, top): (String, String, AccountId, AccountId) =
        change.query_unscoped(sql).bind(id).fetch_one().await?;
    let sql = "update resources set name_key = $2, root_account_id = $3 where id = $1";
    change.query_unscoped(sql).bind(id).bind(fold(&name)).bind(top).execute().await?;
    change.query_unscoped("delete from resource_search where resource_id = $1").bind(id).execute().await?;
    for word in search_words(&name, &external_id) {
        let sql =
            "insert into resource_search (account_id, word, resource_id) values ($2, $3, $1), ($4, $3, $1)
            on conflict do nothing";
        change.query_unscoped(sql).bind(id).bind(account).bind(word).bind(top).execute().await?;
    }
    Ok(())
}
