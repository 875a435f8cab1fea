//! Resources: found, registered, changed, deleted. Lists, moves and who reaches one have files of their own.
mod deletion_impact;
mod list;
mod moves;
mod reach;
mod used;

pub use deletion_impact::{Goes, goes};
pub use list::{Around, Cursor, Filter, Order, Page, Sort, around, list};
pub use moves::{move_to, targets};
pub use reach::{Group, Held, Seen, reach};
pub use used::find_with_usage;

use super::{
    Allowed, Change, Guarded, Scope, Who,
    audit::{self, Chain, Did},
};
use crate::{
    error::{Error, Result},
    model::{
        account::{AccountRef, Kind},
        id::{AccountId, ResourceId, UserId},
        permission::{CreateResources, DeleteResources, Needs as _, UpdateResources, ViewResources},
        resource::{ExternalId, Located, Place, Visibility, search_words},
        text::{Name, fold},
        time::Time,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A thing of the platform, registered in one account.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its id here.
    pub id: ResourceId,
    /// Its product's word.
    pub product: String,
    /// Its kind's word.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The platform's own id.
    pub external_id: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// Which account owns it.
    pub account: AccountId,
    /// The team, if a team owns it.
    pub team: Option<AccountRef>,
    /// Who registered it, as long as they are a user.
    pub creator: Option<UserId>,
    /// Their name.
    pub creator_name: Option<String>,
    /// Since when.
    pub created_at: Time,
    /// When it was last changed: its version.
    pub updated_at: Time,
    /// Since when credentials are stored for it.
    pub secret_at: Option<Time>,
}

impl Located for Resource {
    type See = ViewResources;
    fn place(&self) -> Place<'_> {
        Place { product: &self.product, id: self.id, visibility: self.visibility, creator: self.creator }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
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

impl From<Row> for Resource {
    fn from(it: Row) -> Resource {
        let account = AccountRef { id: it.account_id, slug: it.account_slug, name: it.account_name };
        Resource {
            id: it.id,
            product: it.product,
            kind: it.kind,
            name: it.name,
            external_id: it.external_id,
            visibility: it.visibility,
            account: it.account_id,
            team: (it.account_kind == Kind::Team).then_some(account),
            creator: it.creator,
            creator_name: it.creator_name,
            created_at: it.created_at,
            updated_at: it.updated_at,
            secret_at: it.secret_at,
        }
    }
}

macro_rules! select {
    () => { select!("") };
    ($rest:expr) => {
        concat!("select r.id, r.product, r.kind, r.name, r.name_key, r.external_id, r.visibility, r.account_id, a.kind as account_kind,
            a.slug as account_slug, a.name as account_name, u.id as creator, u.name as creator_name, r.created_at, r.updated_at,
            r.secret_at", $rest, "
         from resources r join accounts a on a.id = r.account_id left join users u on u.id = r.created_by ")
    };
}
use select;

/// One resource of the account; for an organization's administrators, of its teams too.
pub async fn find(scope: &mut Scope, id: ResourceId) -> Result<Guarded<Resource>> {
    let leads = scope.who().leads_teams();
    let sql = concat!(select!(), "where r.id = $2 and (r.account_id = $1 or (r.top_id = $1 and $3))");
    let found: Option<Row> = scope.ask(sql).bind(id).bind(leads).fetch_optional().await?;
    found.map(|it| Guarded(it.into())).ok_or(Error::NotFound)
}

/// What was registered just now, for its maker: who may not see it may know what they sent.
pub async fn made(change: &mut Change, id: ResourceId) -> Result<Resource> {
    find(change, id).await.map(|Guarded(it)| it)
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

/// What a new resource is.
#[derive(Clone, Debug)]
pub struct New {
    /// A product's word.
    pub product: String,
    /// A kind's word.
    pub kind: String,
    /// Its name.
    pub name: Name,
    /// The platform's own id.
    pub external_id: ExternalId,
    /// Who sees it.
    pub visibility: Visibility,
    /// For the kinds that have them.
    pub credentials: Option<Credentials>,
}

/// Registers a resource.
pub async fn create(change: &mut Change, new: &New) -> Result<ResourceId> {
    check_kind(change, new)?;
    if !change.who().may_create_in(&new.product) {
        return Err(CreateResources::PERMISSION.map_or(Error::NotFound, Error::Forbidden));
    }
    let id = ResourceId(change.kit().id());
    let sealed = new.credentials.as_ref().map(|it| seal(change, id, &new.kind, it)).transpose()?;
    let (now, by) = (change.now(), change.who().person.id);
    let made: Option<(ResourceId,)> = change
        .ask(
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
    audit::here(change, Did::to("resource.created", "resource", id, &new.name).changed(Value::Null, after))
        .await?;
    Ok(id)
}

fn check_kind(change: &Change, new: &New) -> Result<()> {
    let catalog = &change.kit().catalog;
    let known = |all: Vec<&str>| all.join(", ");
    if catalog.product(&new.product).is_none() {
        let all = known(catalog.products.iter().map(|it| it.id.as_str()).collect());
        let detail = format!("There is no product “{}”. There are: {all}.", brief(&new.product));
        return Err(Error::invalid("product", "unknown_product", detail));
    }
    let fits = catalog.kind(&new.kind).is_some_and(|it| it.products.contains(&new.product));
    if !fits {
        let kinds = catalog.kinds.iter().filter(|it| it.products.contains(&new.product));
        let all = known(kinds.map(|it| it.id.as_str()).collect());
        let detail =
            format!("The product {} has no kind “{}”. It has: {all}.", new.product, brief(&new.kind));
        return Err(Error::invalid("kind", "unknown_kind", detail));
    }
    Ok(())
}

fn brief(text: &str) -> String {
    crate::model::text::shorten(text, 40)
}

fn taken(change: &Change, kind: &str, external_id: &ExternalId) -> Error {
    let kind = change.kit().catalog.kind_name(kind).to_lowercase();
    let detail =
        format!("Another {kind} of this account has the external id “{}”.", brief(external_id.as_str()));
    Error::invalid("external_id", "taken", detail)
}

fn seal(scope: &Scope, id: ResourceId, kind: &str, it: &Credentials) -> Result<Vec<u8>> {
    let kit = scope.kit();
    if !kit.catalog.kind(kind).is_some_and(|it| it.has_credentials) {
        let detail = format!("A {} has no credentials.", kit.catalog.kind_name(kind).to_lowercase());
        return Err(Error::invalid("credentials", "not_allowed", detail));
    }
    for (field, text) in [("access_key_id", &it.access_key_id), ("secret_access_key", &it.secret_access_key)]
    {
        let is_one_word =
            !text.is_empty() && text.len() <= 1000 && text.chars().all(|it| it.is_ascii_graphic());
        if !is_one_word {
            let detail = "Enter both the id and the secret of the access key, without spaces.";
            return Err(Error::invalid(format!("credentials/{field}"), "invalid", detail));
        }
    }
    let plain = serde_json::to_vec(it).map_err(|it| Error::Internal(it.to_string()))?;
    Ok(kit.seal.close(&kit.chance, &format!("resource {id}"), &plain))
}

/// What of a resource changes.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Its name.
    pub name: Option<Name>,
    /// The platform's own id.
    pub external_id: Option<ExternalId>,
    /// Who sees it.
    pub visibility: Option<Visibility>,
    /// New credentials in place of the old.
    pub credentials: Option<Credentials>,
}

/// Changes a resource. `Changed` if it is no longer as it was at `seen`, its version that the caller read.
pub async fn update(
    change: &mut Change,
    it: Allowed<UpdateResources, Resource>,
    update: Update,
    seen: Option<Time>,
) -> Result<()> {
    hold(change, it.account).await?;
    let mine = it.creator == Some(change.who().person.id);
    let hides = update.visibility == Some(Visibility::Private) && it.visibility == Visibility::Shared;
    if hides && !mine && !change.who().is_administrator() {
        let detail =
            "You would lose sight of it: only its creator and administrators make a resource private.";
        return Err(Error::conflict("not_yours", detail));
    }
    let external_id = update.external_id.filter(|new| new.as_str() != it.external_id);
    if let Some(new) = &external_id {
        let sql = "select 1 as one from resources where account_id = $1 and product = $2 and kind = $3 and external_id = $4";
        let query = change.sql(sql).bind(it.account).bind(it.product.clone()).bind(it.kind.clone());
        if query.bind(new.as_str().to_owned()).fetch_optional::<(i32,)>().await?.is_some() {
            return Err(taken(change, &it.kind, new));
        }
    }
    let sealed = update.credentials.as_ref().map(|new| seal(change, it.id, &it.kind, new)).transpose()?;
    let (mut before, mut after) = (Map::new(), Map::new());
    let mut note = |field: &str, old: Value, new: Value| {
        if old != new {
            before.insert(field.into(), old);
            after.insert(field.into(), new);
        }
    };
    let name = update.name.map_or_else(|| it.name.clone(), |it| it.to_string());
    let external_id = external_id.map_or_else(|| it.external_id.clone(), |it| it.as_str().to_owned());
    let visibility = update.visibility.unwrap_or(it.visibility);
    note("name", json!(it.name), json!(name));
    note("external_id", json!(it.external_id), json!(external_id));
    note("visibility", json!(it.visibility), json!(visibility));
    if sealed.is_some() {
        note("credentials", Value::Null, json!("replaced"));
    }
    if after.is_empty() && seen.is_none_or(|seen| seen == it.updated_at) {
        return Ok(());
    }
    // Later than it was, even if the clock stands still: it is the version.
    let (now, seen) = (change.now(), seen.unwrap_or(it.updated_at));
    let version = now.max(Time(it.updated_at.0 + 1));
    let sql = "update resources set name = $2, external_id = $3, visibility = $4, updated_at = $5, secret = coalesce($6, secret),
            secret_at = case when $6 is null then secret_at else $7 end
        where id = $1 and updated_at = $8";
    let query = change.sql(sql).bind(it.id).bind(name.clone()).bind(external_id).bind(visibility);
    if query.bind(version).bind(sealed).bind(now).bind(seen).execute().await? == 0 {
        return Err(Error::Changed);
    }
    index(change, it.id).await?;
    let did = Did::to("resource.updated", "resource", it.id, name);
    audit::write(change, Chain::Account(it.account), did.changed(before.into(), after.into())).await
}

/// Deletes a resource, and drops it from the grants that name it. A grant that named it alone ends.
pub async fn delete(change: &mut Change, it: Allowed<DeleteResources, Resource>) -> Result<()> {
    hold(change, it.account).await?;
    let gone = deletion_impact::drop_from_grants(change, it.id).await?;
    if change.sql("delete from resources where id = $1").bind(it.id).execute().await? == 0 {
        return Err(Error::NotFound);
    }
    let before = json!({
        "product": it.product, "kind": it.kind, "external_id": it.external_id, "visibility": it.visibility, "grants": gone.grants,
    });
    let did = Did::to("resource.deleted", "resource", it.id, &it.name).changed(before, Value::Null);
    audit::write(change, Chain::Account(it.account), did).await
}

/// A team's resource, changed from its organization: the team is taken too, after the organization.
async fn hold(change: &mut Change, account: AccountId) -> Result<()> {
    if account != change.who().here.id {
        let sql = "select 1 from accounts where id = $1 for no key update";
        change.sql(sql).bind(account).execute().await?;
    }
    Ok(())
}

/// Writes how a resource is sorted and found: after every change of its name, external id or account.
pub(super) async fn index<W: Who>(change: &mut Change<W>, id: ResourceId) -> Result<()> {
    let sql = "select r.name, r.external_id, a.id, coalesce(a.parent_id, a.id) from resources r
        join accounts a on a.id = r.account_id where r.id = $1";
    let (name, external_id, account, top): (String, String, AccountId, AccountId) =
        change.sql(sql).bind(id).fetch_one().await?;
    let sql = "update resources set name_key = $2, top_id = $3 where id = $1";
    change.sql(sql).bind(id).bind(fold(&name)).bind(top).execute().await?;
    change.sql("delete from resource_words where resource_id = $1").bind(id).execute().await?;
    for word in search_words(&name, &external_id) {
        let sql = "insert into resource_words (within, word, resource_id) values ($2, $3, $1), ($4, $3, $1)
            on conflict do nothing";
        change.sql(sql).bind(id).bind(account).bind(word).bind(top).execute().await?;
    }
    Ok(())
}
