//! Grants that wait for somebody: stored as JSON, since nobody holds them yet.
use super::super::{
    Scope, Who,
    grants::{Wanted, WantedScope},
};
use crate::{
    crypto::secrets::hash,
    db::List,
    error::Result,
    model::{
        grant::{Grant, Listed, Over, Role},
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
struct Held {
    role: String,
    product: Option<String>,
    resources: Option<Vec<Uuid>>,
    expires_at: Option<i64>,
}

impl From<&Grant> for Held {
    fn from(it: &Grant) -> Held {
        let role = match &it.role {
            Role::BuiltIn(it) => it.word().to_owned(),
            Role::Custom(id, _) => id.to_string(),
        };
        let (product, resources) = match &it.over {
            Over::Account => (None, None),
            Over::Product(it) => (Some(it.clone()), None),
            Over::Resources(all) => (None, Some(all.iter().map(|it| it.id.0).collect())),
        };
        Held { role, product, resources, expires_at: it.expires_at.map(|it| it.0) }
    }
}

/// The same grants with ids, by which a form names what it keeps. Nobody holds them: the same grant has the same id.
pub fn named(grants: &[Grant]) -> Vec<Grant> {
    let name = |it: &Grant| {
        let mut id = [0; 16];
        id.copy_from_slice(&hash(&list(std::slice::from_ref(it)))[..16]);
        Grant { id: Some(GrantId(Uuid::from_bytes(id))), ..it.clone() }
    };
    grants.iter().map(name).collect()
}

/// A grant, as one asks for it again.
pub fn wanted(it: &Grant) -> Wanted {
    let Held { role, product, resources, .. } = Held::from(it);
    let listed = resources.map(|resources| WantedScope::Resources { resources });
    let scope = product.map(|product| WantedScope::Product { product }).or(listed);
    Wanted { role, scope, expires_at: it.expires_at }
}

/// A list, as it is stored.
pub fn list(grants: &[Grant]) -> String {
    let all: Vec<Held> = grants.iter().map(Held::from).collect();
    serde_json::to_string(&all).expect("words and ids are JSON")
}

/// Lists by group, as they are stored.
pub fn lists(groups: &BTreeMap<String, Vec<Grant>>) -> String {
    let all: BTreeMap<&String, Vec<Held>> =
        groups.iter().map(|(group, all)| (group, all.iter().map(Held::from).collect())).collect();
    serde_json::to_string(&all).expect("words and ids are JSON")
}

/// Reads both again. A role, a resource that is gone, a grant that is over, gives nothing.
pub async fn read<W: Who>(
    scope: &mut Scope<W>,
    account: AccountId,
    [list, groups]: [&str; 2],
    custom: Option<&[crate::store::roles::Role]>,
) -> Result<(Vec<Grant>, BTreeMap<String, Vec<Grant>>)> {
    let list: Vec<Held> = serde_json::from_str(list).unwrap_or_default();
    let groups: BTreeMap<String, Vec<Held>> = serde_json::from_str(groups).unwrap_or_default();
    let all = || list.iter().chain(groups.values().flatten());
    let mut roles: Vec<(RoleId, String, Permissions)> = vec![];
    match custom {
        Some(known) => roles.extend(known.iter().map(|it| (it.id, it.name.clone(), it.permissions))),
        None if all().any(|it| BuiltIn::parse(&it.role).is_none()) => {
            let sql = "select id, name, permissions from roles where account_id = $1 limit 1000";
            let found: Vec<(RoleId, String, String)> = scope.sql(sql).bind(account).fetch_all().await?;
            roles.extend(found.into_iter().map(|(id, name, all)| (id, name, Permissions::from_json(&all))));
        }
        None => {}
    }
    let ids: Vec<Uuid> = all().filter_map(|it| it.resources.as_ref()).flatten().copied().collect();
    let mut resources: Vec<(ResourceId, String)> = vec![];
    if !ids.is_empty() {
        let sql = "select id, product from resources where account_id = $1 and id = any($2::uuid[])";
        resources = scope.sql(sql).bind(account).bind(List(&ids)).fetch_all().await?;
    }
    let now = scope.now();
    let grant = |it: &Held| {
        let (role, allows) = match BuiltIn::parse(&it.role) {
            Some(BuiltIn::Owner) => return None,
            Some(it) => (Role::BuiltIn(it), it.permissions(true)),
            None => {
                let (id, name, allows) = roles.iter().find(|(id, ..)| id.to_string() == it.role)?;
                (Role::Custom(*id, name.clone()), *allows)
            }
        };
        let listed = |all: &Vec<Uuid>| -> Vec<Listed> {
            let known = resources.iter().filter(|(id, _)| all.contains(&id.0));
            known.map(|(id, product)| Listed { id: *id, product: product.clone() }).collect()
        };
        let over = match (&it.product, &it.resources) {
            (Some(product), _) => Over::Product(product.clone()),
            (_, Some(all)) => Over::Resources(listed(all)),
            _ => Over::Account,
        };
        let expires_at = it.expires_at.map(Time);
        let is_left = over != Over::Resources(vec![]) && expires_at.is_none_or(|it| it > now);
        is_left.then_some(Grant { id: None, role, over, allows, expires_at })
    };
    let default = list.iter().filter_map(grant).collect();
    let groups =
        groups.iter().map(|(name, all)| (name.clone(), all.iter().filter_map(grant).collect())).collect();
    Ok((default, groups))
}
