//! Grants, as members and invitations show them.
use crate::model::{
    grant::{self, Over, Role},
    id::ResourceId,
    time::Time,
};
use serde::Serialize;

/// A role held over a scope.
#[derive(Serialize)]
pub struct Grant {
    role: String,
    expires_at: Option<Time>,
    scope: Scope,
    label: String,
}

/// Over what.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Scope {
    Account,
    Product { product: String },
    Resources { resources: Vec<ResourceId> },
}

impl From<&grant::Grant> for Grant {
    fn from(it: &grant::Grant) -> Grant {
        let role = match &it.role {
            Role::BuiltIn(it) => it.word().to_owned(),
            Role::Custom(id, _) => id.to_string(),
        };
        let scope = match &it.over {
            Over::Account => Scope::Account,
            Over::Product(product) => Scope::Product { product: product.clone() },
            Over::Resources(listed) => {
                Scope::Resources { resources: listed.iter().map(|it| it.id).collect() }
            }
        };
        Grant { role, expires_at: it.expires_at, scope, label: it.label() }
    }
}
