//! Grants, as members and invitations have them.
use crate::model::{
    grant::{self, Role},
    id::ResourceId,
    time::Time,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A role held over a scope.
#[derive(Serialize, ToSchema)]
pub struct Grant {
    /// The name of a built-in role, or the id of a custom one.
    #[schema(example = "developer")]
    role: String,
    /// When it ends; `null`: never.
    expires_at: Option<Time>,
    /// What it is for.
    scope: GrantScope,
    /// Role and scope in one word.
    #[schema(example = "developer")]
    label: String,
}

/// What a role is held for.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schema(as = Scope)]
enum GrantScope {
    /// The whole account.
    Account,
    /// One product.
    Product {
        /// Its id in the catalogue.
        #[schema(example = "video")]
        product: String,
    },
    /// These resources.
    Resources {
        /// Their ids.
        resources: Vec<ResourceId>,
    },
}

impl From<&grant::Grant> for Grant {
    fn from(grant: &grant::Grant) -> Grant {
        let role = match &grant.role {
            Role::BuiltIn(role) => role.as_str().to_owned(),
            Role::Custom(id, _) => id.to_string(),
        };
        let scope = match &grant.over {
            grant::GrantScope::Account => GrantScope::Account,
            grant::GrantScope::Product(product) => GrantScope::Product { product: product.clone() },
            grant::GrantScope::Resources(listed) => {
                GrantScope::Resources { resources: listed.iter().map(|resource| resource.id).collect() }
            }
        };
        Grant { role, expires_at: grant.expires_at, scope, label: grant.label() }
    }
}
