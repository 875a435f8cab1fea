//! Moves a resource to a team, to the parent account, or between teams.
use super::{Resource, deletion_impact, index};
use crate::{
    error::{Error, Result},
    model::{access::Access, permission::DeleteResources, time::Time},
    store::{
        Allowed, Change,
        audit::{self, Chain, NewEvent},
        shell::SwitcherRow,
    },
};
use serde_json::json;

/// Of the accounts that the caller can enter, those that a resource can move to: the parent and its other teams.
pub fn targets(access: &Access, accounts: &[SwitcherRow]) -> Vec<SwitcherRow> {
    let (here, top) = (access.account.id, access.account.top());
    let is_near = |row: &&SwitcherRow| row.id != here && (row.id == top || row.parent_id == Some(top));
    accounts.iter().filter(is_near).cloned().collect()
}

/// Moves a resource to `there`, an account of the same organization. Both accounts are locked, the parent first. Grants that
/// list the resource lose it, and those that list nothing else end.
pub async fn move_to(
    change: &mut Change<Access>,
    resource: Allowed<DeleteResources, Resource>,
    there: &Access,
    seen: Option<Time>,
) -> Result<()> {
    let here = change.access().account.clone();
    if resource.account != here.id || there.account.id == here.id || there.account.top() != here.top() {
        return Err(Error::invalid("to", "unknown_account", "Choose a team of this account."));
    }
    if !there.may_create_in(&resource.product) {
        let product = change.context().catalog.product_name(&resource.product);
        let detail = format!(
            "You may not create {product} resources in {}. Ask an administrator there.",
            there.account.name
        );
        return Err(Error::invalid("to", "permission_missing", detail));
    }
    let sql = "select 1 as one from resources where account_id = $1 and product = $2 and kind = $3 and external_id = $4";
    let query = change
        .query_unscoped(sql)
        .bind(there.account.id)
        .bind(resource.product.clone())
        .bind(resource.kind.clone());
    if query.bind(resource.external_id.clone()).fetch_optional::<(i32,)>().await?.is_some() {
        let detail = format!("{} has a resource with the same external id already.", there.account.name);
        return Err(Error::invalid("to", "taken", detail));
    }
    let gone = deletion_impact::drop_from_grants(change, resource.id).await?;
    let version = change.now().max(Time(resource.updated_at.0 + 1));
    let sql = "update resources set account_id = $2, updated_at = $3 where id = $1 and updated_at = $4";
    let query = change.query_unscoped(sql).bind(resource.id).bind(there.account.id).bind(version);
    if query.bind(seen.unwrap_or(resource.updated_at)).execute().await? == 0 {
        return Err(Error::VersionMismatch);
    }
    index(change, resource.id).await?;
    for chain in [here.id, there.account.id] {
        let (from, to) = (
            json!({ "account": here.name }),
            json!({ "account": there.account.name, "grants": gone.grants }),
        );
        let event = NewEvent::on("resource.moved", "resource", resource.id, &resource.name).changed(from, to);
        audit::record_in(change, Chain::Account(chain), event).await?;
    }
    Ok(())
}
