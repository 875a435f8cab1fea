//! Saves an organization's connection to its identity provider.
use super::{
    super::{
        Change,
        audit::{self, NewEvent},
        grants::{self, GrantRequest},
    },
    aad, of, unlisted_grants,
};
use crate::{
    error::{Error, FieldError, Result},
    model::{access::Access, account::Kind, actor::RecentAuth, grant::Grant, id::AccountId},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct ConnectionInput {
    pub issuer: String,
    pub client_id: String,
    /// `None` keeps the stored one.
    pub client_secret: Option<String>,
    /// The claim in which the provider lists groups.
    pub groups_claim: String,
    /// Grants of new members.
    pub default_grants: Vec<GrantRequest>,
    /// Grants of the members of each group.
    pub group_grants: BTreeMap<String, Vec<GrantRequest>>,
}

/// The most groups that are mapped.
const MOST_GROUPS: usize = 200;

fn check_text(faults: &mut Vec<FieldError>, field: &str, value: &str, max_bytes: usize) {
    let (code, detail) = if value.trim().is_empty() {
        ("blank", "Enter it as the identity provider shows it.".to_owned())
    } else if value.len() > max_bytes || value.chars().any(char::is_control) {
        ("unreadable", format!("It has at most {max_bytes} characters, and no control characters."))
    } else {
        return;
    };
    faults.push(FieldError::new(field, code, detail));
}

pub async fn save(change: &mut Change<Access>, _: &RecentAuth, input: ConnectionInput) -> Result<()> {
    organizations_only(change.access())?;
    let account = change.access().account.id;
    let before = of(change, account).await?;
    let mut faults = vec![];
    let issuer = change.context().oidc.parse_issuer(&input.issuer);
    let issuer =
        issuer.map_err(|error| faults.push(FieldError::new("issuer", "issuer_invalid", error.detail)));
    check_text(&mut faults, "client_id", &input.client_id, 300);
    check_text(&mut faults, "groups_claim", &input.groups_claim, 100);
    match &input.client_secret {
        Some(secret) => check_text(&mut faults, "client_secret", secret, 1000),
        // Another provider must not get the previous one's secret.
        None if before.as_ref().is_none_or(|before| before.issuer != input.issuer.trim()) => {
            check_text(&mut faults, "client_secret", "", 1000);
        }
        None => {}
    }
    let (true, Ok(issuer)) = (faults.is_empty(), issuer) else { return Err(Error::Validation(faults)) };
    let default_grants =
        grants::parse(change, &input.default_grants).await.map_err(under("default_grants"))?;
    grants::check(change.access(), &default_grants)?;
    if input.group_grants.len() > MOST_GROUPS {
        let detail = format!("At most {MOST_GROUPS} groups can be listed.");
        return Err(Error::invalid("group_grants", "too_many", detail));
    }
    let mut group_grants = BTreeMap::new();
    for (group, requests) in &input.group_grants {
        let parsed = grants::parse(change, requests).await.map_err(under("group_grants"))?;
        grants::check(change.access(), &parsed)?;
        group_grants.insert(group.clone(), parsed);
    }
    write(change, account, &input, &issuer, &default_grants, &group_grants).await?;
    let connection = |issuer: &str, client_id: &str| json!({ "issuer": issuer, "client_id": client_id });
    let before = before.as_ref().map_or(Value::Null, |before| connection(&before.issuer, &before.client_id));
    let mut after = connection(&issuer, input.client_id.trim());
    after["client_secret"] = json!(if input.client_secret.is_some() { "replaced" } else { "kept" });
    let name = change.access().account.name.clone();
    audit::record(change, NewEvent::on("sso.saved", "account", account, name).changed(before, after)).await
}

async fn write(
    change: &mut Change<Access>,
    account: AccountId,
    input: &ConnectionInput,
    issuer: &str,
    default_grants: &[Grant],
    group_grants: &BTreeMap<String, Vec<Grant>>,
) -> Result<()> {
    let (context, now) = (change.context().clone(), change.now());
    let secret = input
        .client_secret
        .as_ref()
        .map(|secret| context.secrets.encrypt(&context.random, &aad(account), secret.trim().as_bytes()));
    // The last test no longer applies, and another provider's subjects are other people.
    let sql = "insert into sso_connections (account_id, issuer, client_id, client_secret, groups_claim, default_grants,
            group_grants, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
        on conflict (account_id) do update set issuer = excluded.issuer, client_id = excluded.client_id,
            client_secret = case when $9 then excluded.client_secret else sso_connections.client_secret end,
            groups_claim = excluded.groups_claim, default_grants = excluded.default_grants,
            group_grants = excluded.group_grants,
            last_test = case when sso_connections.issuer = excluded.issuer and sso_connections.client_id = excluded.client_id
                and not $9 then sso_connections.last_test end,
            updated_at = excluded.updated_at";
    change
        .query_unscoped(sql)
        .bind(account)
        .bind(issuer.to_owned())
        .bind(input.client_id.trim().to_owned())
        .bind(secret.clone().unwrap_or_default())
        .bind(input.groups_claim.trim().to_owned())
        .bind(unlisted_grants::list(default_grants))
        .bind(unlisted_grants::lists(group_grants))
        .bind(now)
        .bind(secret.is_some())
        .execute()
        .await?;
    Ok(())
}

/// Moves errors of grants under the field of the connection.
fn under(field: &'static str) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::Validation(mut faults) => {
            for fault in &mut faults {
                fault.field = fault.field.replacen("grants", field, 1);
            }
            Error::Validation(faults)
        }
        other => other,
    }
}

fn organizations_only(access: &Access) -> Result<()> {
    if access.account.kind == Kind::Organization {
        return Ok(());
    }
    let detail = "Single sign-on belongs to an organization: its teams and their people use it too.";
    Err(Error::conflict("not_an_organization", detail))
}
