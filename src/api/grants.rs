//! Grants, as members and invitations show them.
use crate::model::{
    grant::{self, Over, Role},
    id::ResourceId,
    time::Time,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A role held over a scope.
#[derive(Serialize, ToSchema)]
pub struct Grant {
    /// A built-in role's word, or a custom role's id.
    #[schema(example = "developer")]
    role: String,
    /// Until when.
    expires_at: Option<Time>,
    /// Over what.
    scope: Scope,
    /// Role and scope in a word.
    #[schema(example = "developer")]
    label: String,
}

/// Over what a role is held.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Scope {
    /// The whole account.
    Account,
    /// One product.
    Product {
        /// Its word in the catalogue.
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
