//! Grants of a connection, stored as JSON because nobody has them yet.
use super::super::{
    Scope,
    grants::{GrantRequest, GrantScopeRequest},
};
use crate::{
    crypto::secrets::hash,
    db::List,
    error::Result,
    model::{
        grant::{Grant, GrantScope, Role, ScopedResource},
        id::{AccountId, GrantId, ResourceId, RoleId},
        permission::Permissions,
        role::BuiltIn,
        time::Time,
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
struct StoredGrant {
    role: String,
    product: Option<String>,
    resources: Option<Vec<Uuid>>,
    expires_at: Option<i64>,
}

impl From<&Grant> for StoredGrant {
    fn from(grant: &Grant) -> StoredGrant {
        let role = match &grant.role {
            Role::BuiltIn(role) => role.as_str().to_owned(),
            Role::Custom(id, _) => id.to_string(),
        };
        let (product, resources) = match &grant.over {
            GrantScope::Account => (None, None),
            GrantScope::Product(product) => (Some(product.clone()), None),
            GrantScope::Resources(all) => (None, Some(all.iter().map(|resource| resource.id.0).collect())),
        };
        StoredGrant { role, product, resources, expires_at: grant.expires_at.map(|end| end.0) }
    }
}

/// The same grants with ids, which a form needs to say which ones it keeps. Equal grants have equal ids.
pub fn with_form_ids(grants: &[Grant]) -> Vec<Grant> {
    let name = |grant: &Grant| {
        let mut id = [0; 16];
        id.copy_from_slice(&hash(&list(std::slice::from_ref(grant)))[..16]);
        Grant { id: Some(GrantId(Uuid::from_bytes(id))), ..grant.clone() }
    };
    grants.iter().map(name).collect()
}

/// The request that would result in this grant.
pub fn as_request(grant: &Grant) -> GrantRequest {
    let StoredGrant { role, product, resources, .. } = StoredGrant::from(grant);
    let listed = resources.map(|resources| GrantScopeRequest::Resources { resources });
    let scope = product.map(|product| GrantScopeRequest::Product { product }).or(listed);
    GrantRequest { role, scope, expires_at: grant.expires_at }
}

/// Serializes a list.
pub fn list(grants: &[Grant]) -> String {
    let all: Vec<StoredGrant> = grants.iter().map(StoredGrant::from).collect();
    serde_json::to_string(&all).expect("words and ids are JSON")
}

/// Serializes lists by group.
pub fn lists(groups: &BTreeMap<String, Vec<Grant>>) -> String {
    let all: BTreeMap<&String, Vec<StoredGrant>> =
        groups.iter().map(|(group, all)| (group, all.iter().map(StoredGrant::from).collect())).collect();
    serde_json::to_string(&all).expect("words and ids are JSON")
}

/// Parses both. Deleted roles and resources and expired grants are left out.
pub async fn read<A>(
    scope: &mut Scope<A>,
    account: AccountId,
    [list, groups]: [&str; 2],
    custom: Option<&[crate::store::roles::Role]>,
) -> Result<(Vec<Grant>, BTreeMap<String, Vec<Grant>>)> {
    let list: Vec<StoredGrant> = serde_json::from_str(list).unwrap_or_default();
    let groups: BTreeMap<String, Vec<StoredGrant>> = serde_json::from_str(groups).unwrap_or_default();
    let all = || list.iter().chain(groups.values().flatten());
    let mut roles: Vec<(RoleId, String, Permissions)> = vec![];
    match custom {
        Some(known) => roles.extend(known.iter().map(|role| (role.id, role.name.clone(), role.permissions))),
        None if all().any(|stored| BuiltIn::parse(&stored.role).is_none()) => {
            let sql = "select id, name, permissions from roles where account_id = $1 limit 1000";
            let found: Vec<(RoleId, String, String)> =
                scope.query_unscoped(sql).bind(account).fetch_all().await?;
            roles.extend(found.into_iter().map(|(id, name, all)| (id, name, Permissions::from_json(&all))));
        }
        None => {}
    }
    let ids: Vec<Uuid> = all().filter_map(|stored| stored.resources.as_ref()).flatten().copied().collect();
    let mut resources: Vec<(ResourceId, String)> = vec![];
    if !ids.is_empty() {
        let sql = "select id, product from resources where account_id = $1 and id = any($2::uuid[])";
        resources = scope.query_unscoped(sql).bind(account).bind(List(&ids)).fetch_all().await?;
    }
    let now = scope.now();
    let grant = |stored: &StoredGrant| {
        let (role, allows) = match BuiltIn::parse(&stored.role) {
            Some(BuiltIn::Owner) => return None,
            Some(role) => (Role::BuiltIn(role), role.permissions(true)),
            None => {
                let (id, name, allows) = roles.iter().find(|(id, ..)| id.to_string() == stored.role)?;
                (Role::Custom(*id, name.clone()), *allows)
            }
        };
        let listed = |all: &Vec<Uuid>| -> Vec<ScopedResource> {
            let known = resources.iter().filter(|(id, _)| all.contains(&id.0));
            known.map(|(id, product)| ScopedResource { id: *id, product: product.clone() }).collect()
        };
        let over = match (&stored.product, &stored.resources) {
            (Some(product), _) => GrantScope::Product(product.clone()),
            (_, Some(all)) => GrantScope::Resources(listed(all)),
            _ => GrantScope::Account,
        };
        let expires_at = stored.expires_at.map(Time);
        let is_left = over != GrantScope::Resources(vec![]) && expires_at.is_none_or(|end| end > now);
        is_left.then_some(Grant { id: None, role, over, allows, expires_at })
    };
    let default = list.iter().filter_map(grant).collect();
    let groups =
        groups.iter().map(|(name, all)| (name.clone(), all.iter().filter_map(grant).collect())).collect();
    Ok((default, groups))
}
