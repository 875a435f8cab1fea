//! Moving a resource: to a team, to the account above, or between its teams.
use super::{Resource, deletion_impact, index};
use crate::{
    error::{Error, Result},
    model::{access::Entry, permission::DeleteResources, time::Time},
    store::{
        Allowed, Change, Scope,
        audit::{self, Chain, Did},
        shell::{self, Seat},
    },
};
use serde_json::json;

/// Where a resource of the account can move to: the account above, its other teams, as far as the visitor is in them.
pub async fn targets(scope: &mut Scope) -> Result<Vec<Seat>> {
    let (here, user) = (scope.who().here.clone(), scope.who().person.id);
    let top = here.top();
    let seats = shell::seats(scope, user).await?;
    let is_near = |it: &&Seat| it.id != here.id && (it.id == top || it.parent_id == Some(top));
    Ok(seats.iter().filter(is_near).cloned().collect())
}

/// Moves a resource to `there`, an account of the same family: both are held, the one at the top first. Grants that name it
/// stay behind without it; those that named it alone end.
pub async fn move_to(
    change: &mut Change,
    it: Allowed<DeleteResources, Resource>,
    there: &Entry,
    seen: Option<Time>,
) -> Result<()> {
    let here = change.who().here.clone();
    if it.account != here.id || there.here.id == here.id || there.here.top() != here.top() {
        return Err(Error::invalid("to", "unknown_account", "Choose a team of this account."));
    }
    if !there.may_create_in(&it.product) {
        let product = change.kit().catalog.product_name(&it.product);
        let detail = format!(
            "You may not create {product} resources in {}. Ask an administrator there.",
            there.here.name
        );
        return Err(Error::invalid("to", "permission_missing", detail));
    }
    let sql = "select 1 as one from resources where account_id = $1 and product = $2 and kind = $3 and external_id = $4";
    let query = change.sql(sql).bind(there.here.id).bind(it.product.clone()).bind(it.kind.clone());
    if query.bind(it.external_id.clone()).fetch_optional::<(i32,)>().await?.is_some() {
        let detail = format!("{} has a resource with the same external id already.", there.here.name);
        return Err(Error::invalid("to", "taken", detail));
    }
    let gone = deletion_impact::drop_from_grants(change, it.id).await?;
    let version = change.now().max(Time(it.updated_at.0 + 1));
    let sql = "update resources set account_id = $2, updated_at = $3 where id = $1 and updated_at = $4";
    let query = change.sql(sql).bind(it.id).bind(there.here.id).bind(version);
    if query.bind(seen.unwrap_or(it.updated_at)).execute().await? == 0 {
        return Err(Error::Changed);
    }
    index(change, it.id).await?;
    for chain in [here.id, there.here.id] {
        let (from, to) =
            (json!({ "account": here.name }), json!({ "account": there.here.name, "grants": gone.grants }));
        let did = Did::to("resource.moved", "resource", it.id, &it.name).changed(from, to);
        audit::write(change, Chain::Account(chain), did).await?;
    }
    Ok(())
}
