//! A connection, as an organization wishes for it.
use super::{
    super::{
        Change,
        audit::{self, Did},
        grants::{self, Wanted},
    },
    of, place, unlisted_grants,
};
use crate::{
    error::{Error, Fault, Result},
    model::{
        access::{Entry, Fresh},
        account::Kind,
        grant::Grant,
        id::AccountId,
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A connection as it is wished for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The provider.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// The new secret; none keeps the one that is stored.
    pub client_secret: Option<String>,
    /// Under which claim the provider lists groups.
    pub groups_claim: String,
    /// What somebody new holds.
    pub default_grants: Vec<Wanted>,
    /// What members of a group hold.
    pub group_grants: BTreeMap<String, Vec<Wanted>>,
}

/// The most groups that are mapped.
const MOST_GROUPS: usize = 200;

fn text(faults: &mut Vec<Fault>, field: &str, value: &str, most: usize) {
    let (code, detail) = if value.trim().is_empty() {
        ("blank", "Enter it as the identity provider shows it.".to_owned())
    } else if value.len() > most || value.chars().any(char::is_control) {
        ("unreadable", format!("It has at most {most} characters, and no control characters."))
    } else {
        return;
    };
    faults.push(Fault::new(field, code, detail));
}

/// Saves the connection of the organization that one is in.
pub async fn save(change: &mut Change, _: &Fresh, wish: Wish) -> Result<()> {
    organizations_only(change.who())?;
    let account = change.who().here.id;
    let before = of(change, account).await?;
    let mut faults = vec![];
    let issuer = change.kit().oidc.issuer(&wish.issuer);
    let issuer = issuer.map_err(|it| faults.push(Fault::new("issuer", "issuer_invalid", it.detail)));
    text(&mut faults, "client_id", &wish.client_id, 300);
    text(&mut faults, "groups_claim", &wish.groups_claim, 100);
    match &wish.client_secret {
        Some(it) => text(&mut faults, "client_secret", it, 1000),
        // Another provider must not be told the secret of the one before.
        None if before.as_ref().is_none_or(|it| it.issuer != wish.issuer.trim()) => {
            text(&mut faults, "client_secret", "", 1000);
        }
        None => {}
    }
    let (true, Ok(issuer)) = (faults.is_empty(), issuer) else { return Err(Error::Invalid(faults)) };
    let default_grants =
        grants::parse(change, &wish.default_grants).await.map_err(under("default_grants"))?;
    grants::check(change.who(), &default_grants)?;
    if wish.group_grants.len() > MOST_GROUPS {
        let detail = format!("At most {MOST_GROUPS} groups can be listed.");
        return Err(Error::invalid("group_grants", "too_many", detail));
    }
    let mut group_grants = BTreeMap::new();
    for (group, wanted) in &wish.group_grants {
        let parsed = grants::parse(change, wanted).await.map_err(under("group_grants"))?;
        grants::check(change.who(), &parsed)?;
        group_grants.insert(group.clone(), parsed);
    }
    write(change, account, &wish, &issuer, &default_grants, &group_grants).await?;
    let said = |issuer: &str, client_id: &str| json!({ "issuer": issuer, "client_id": client_id });
    let was = before.as_ref().map_or(Value::Null, |it| said(&it.issuer, &it.client_id));
    let mut is = said(&issuer, wish.client_id.trim());
    is["client_secret"] = json!(if wish.client_secret.is_some() { "replaced" } else { "kept" });
    let name = change.who().here.name.clone();
    audit::here(change, Did::to("sso.saved", "account", account, name).changed(was, is)).await
}

async fn write(
    change: &mut Change,
    account: AccountId,
    wish: &Wish,
    issuer: &str,
    default_grants: &[Grant],
    group_grants: &BTreeMap<String, Vec<Grant>>,
) -> Result<()> {
    let (kit, now) = (change.kit().clone(), change.now());
    let secret = wish
        .client_secret
        .as_ref()
        .map(|it| kit.seal.close(&kit.chance, &place(account), it.trim().as_bytes()));
    // What was tested is no longer what is there; and people of another provider are other people.
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
        .sql(sql)
        .bind(account)
        .bind(issuer.to_owned())
        .bind(wish.client_id.trim().to_owned())
        .bind(secret.clone().unwrap_or_default())
        .bind(wish.groups_claim.trim().to_owned())
        .bind(unlisted_grants::list(default_grants))
        .bind(unlisted_grants::lists(group_grants))
        .bind(now)
        .bind(secret.is_some())
        .execute()
        .await?;
    Ok(())
}

/// A fault of a grant, under the field that holds it.
fn under(field: &'static str) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::Invalid(mut faults) => {
            for it in &mut faults {
                it.field = it.field.replacen("grants", field, 1);
            }
            Error::Invalid(faults)
        }
        other => other,
    }
}

fn organizations_only(who: &Entry) -> Result<()> {
    if who.here.kind == Kind::Organization {
        return Ok(());
    }
    let detail = "Single sign-on belongs to an organization: its teams and their people use it too.";
    Err(Error::conflict("not_an_organization", detail))
}
