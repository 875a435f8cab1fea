//! What the demonstration needs, and no screen makes yet: a role and resources, written as the screens will.
use super::{
    Change,
    audit::{self, Did},
    resources,
};
use crate::{
    error::{Error, Result},
    model::{
        id::{ResourceId, RoleId},
        permission::Permissions,
        resource::{ExternalId, Visibility},
        text::Name,
    },
};
use serde_json::{Value, json};

/// A custom role of the organization one is in.
pub async fn add_role(
    change: &mut Change,
    name: &Name,
    description: &str,
    permissions: Permissions,
) -> Result<RoleId> {
    let (id, now) = (RoleId(change.kit().id()), change.now());
    change
        .ask(
            "insert into roles (account_id, id, name, description, permissions, created_at, updated_at)
             values ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(id)
        .bind(name.as_str())
        .bind(description.to_owned())
        .bind(permissions.to_json())
        .bind(now)
        .execute()
        .await?;
    let did =
        Did::to("role.created", "role", id, name).changed(Value::Null, json!({ "permissions": permissions }));
    audit::here(change, did).await?;
    Ok(id)
}

/// A resource of the account one is in: product, kind, name, and the platform's own id.
pub async fn add_resource(
    change: &mut Change,
    (product, kind, name, external_id): (&str, &str, &str, &str),
) -> Result<ResourceId> {
    let new = resources::New {
        product: product.to_owned(),
        kind: kind.to_owned(),
        name: Name::parse(name).map_err(Error::at("name"))?,
        external_id: ExternalId::parse(external_id).map_err(Error::at("external_id"))?,
        visibility: Visibility::Shared,
        credentials: None,
    };
    resources::create(change, &new).await
}
