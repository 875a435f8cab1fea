//! Data of the demonstration.
use super::{
    Change,
    audit::{self, NewEvent},
    resources,
};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        id::{ResourceId, RoleId},
        permission::Permissions,
        resource::{ExternalId, Visibility},
        text::Name,
    },
};
use serde_json::{Value, json};

/// Creates a custom role in the current organization.
pub async fn add_role(
    change: &mut Change<Access>,
    name: &Name,
    description: &str,
    permissions: Permissions,
) -> Result<RoleId> {
    let (id, now) = (RoleId(change.context().id()), change.now());
    change
        .query_in_account(
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
    let event = NewEvent::on("role.created", "role", id, name)
        .changed(Value::Null, json!({ "permissions": permissions }));
    audit::record(change, event).await?;
    Ok(id)
}

/// Creates a resource in the current account: product, kind, name, and the platform's own id.
pub async fn add_resource(
    change: &mut Change<Access>,
    (product, kind, name, external_id): (&str, &str, &str, &str),
) -> Result<ResourceId> {
    let new = resources::NewResource {
        product: product.to_owned(),
        kind: kind.to_owned(),
        name: Name::parse(name).map_err(Error::at("name"))?,
        external_id: ExternalId::parse(external_id).map_err(Error::at("external_id"))?,
        visibility: Visibility::Shared,
        credentials: None,
    };
    resources::create(change, &new).await
}
