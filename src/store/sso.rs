//! An organization's own identity provider, and the grants of people who sign in through it.
pub mod announce;
pub mod break_glass;
pub mod enforce;
mod groups;
mod save;
pub mod session_proofs;
pub mod sign_in;
mod unlisted_grants;

pub use save::{ConnectionInput, save};
pub use unlisted_grants::{as_request, with_form_ids};

use super::{
    Change, Scope,
    audit::{self, NewEvent},
    roles::Role,
};
use crate::{
    clients::oidc::Client,
    error::{Error, Result},
    model::{access::Access, actor::RecentAuth, grant::Grant, id::AccountId, time::Time},
};
use const_format::concatcp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The redirect URI's path.
pub const CALLBACK: &str = "/sso/callback";

/// One step of a test: what was done, whether it went well, what came back.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SsoStep)]
pub struct TestStep {
    /// `Discovery document`.
    #[schema(example = "Discovery document")]
    pub title: String,
    /// Whether it went well.
    pub ok: bool,
    /// What came back, in words.
    #[schema(example = "It names the issuer to the letter.")]
    pub detail: String,
}

/// The last test of a connection.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SsoTest)]
pub struct ConnectionTest {
    /// When.
    pub at: Time,
    /// Who.
    #[schema(example = "Ada Byron")]
    pub by: String,
    /// Whether all of it went well.
    pub ok: bool,
    /// Step by step.
    pub steps: Vec<TestStep>,
}

/// A connection, without the client secret.
#[derive(Clone, Debug)]
pub struct Connection {
    pub account: AccountId,
    pub issuer: String,
    pub client_id: String,
    /// The claim that lists a person's groups.
    pub groups_claim: String,
    /// The grants of a new member.
    pub default_grants: Vec<Grant>,
    /// The grants by group.
    pub group_grants: BTreeMap<String, Vec<Grant>>,
    /// Since when it is required for people at verified domains.
    pub enforced_at: Option<Time>,
    /// Until when an administrator must have signed in with it; otherwise enforcement ends.
    pub confirm_by: Option<Time>,
    pub last_test: Option<ConnectionTest>,
    pub updated_at: Time,
}

impl Connection {
    /// Whether it is required now.
    pub fn is_enforced(&self, now: Time) -> bool {
        self.enforced_at.is_some() && self.confirm_by.is_none_or(|end| end > now)
    }
}

#[derive(sqlx::FromRow)]
struct ConnectionRow {
    account_id: AccountId,
    issuer: String,
    client_id: String,
    groups_claim: String,
    default_grants: String,
    group_grants: String,
    enforced_at: Option<Time>,
    confirm_by: Option<Time>,
    last_test: Option<String>,
    updated_at: Time,
}

impl ConnectionRow {
    async fn read<A>(self, scope: &mut Scope<A>, custom: Option<&[Role]>) -> Result<Connection> {
        let row = self;
        let stored = [row.default_grants.as_str(), row.group_grants.as_str()];
        let (default_grants, group_grants) =
            unlisted_grants::read(scope, row.account_id, stored, custom).await?;
        Ok(Connection {
            account: row.account_id,
            issuer: row.issuer,
            client_id: row.client_id,
            groups_claim: row.groups_claim,
            default_grants,
            group_grants,
            enforced_at: row.enforced_at,
            confirm_by: row.confirm_by,
            last_test: row.last_test.and_then(|json| serde_json::from_str(&json).ok()),
            updated_at: row.updated_at,
        })
    }
}

const COLUMNS: &str = "select a.id as account_id, coalesce(c.issuer, '') as issuer, coalesce(c.client_id, '') as client_id,
                coalesce(c.groups_claim, '') as groups_claim, coalesce(c.default_grants, '[]') as default_grants,
                coalesce(c.group_grants, '{}') as group_grants, c.enforced_at, c.confirm_by, c.last_test,
                coalesce(c.updated_at, 0) as updated_at";

/// The connection of an account.
pub async fn of<A>(scope: &mut Scope<A>, account: AccountId) -> Result<Option<Connection>> {
    let sql =
        concatcp!(COLUMNS, " from accounts a join sso_connections c on c.account_id = a.id where a.id = $1");
    match scope.query_unscoped(sql).bind(account).fetch_optional::<ConnectionRow>().await? {
        Some(row) => row.read(scope, None).await.map(Some),
        None => Ok(None),
    }
}

/// How a connection is used.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct ConnectionUsage {
    /// Members who signed in through the provider.
    pub linked: i64,
    pub members: i64,
    pub used_at: Option<Time>,
    /// Refused sign-ins in the last seven days.
    pub refused: i64,
    /// Whether a domain is verified.
    pub has_domain: bool,
    is_connected: bool,
}

#[derive(sqlx::FromRow)]
struct OverviewRow {
    #[sqlx(flatten)]
    row: ConnectionRow,
    #[sqlx(flatten)]
    usage: ConnectionUsage,
}

/// The connection of the current organization and its usage, in one statement. `custom` are the organization's roles.
pub async fn overview(
    scope: &mut Scope<Access>,
    custom: &[Role],
) -> Result<(Option<Connection>, ConnectionUsage)> {
    let since = scope.now().minus(7 * crate::model::time::DAY);
    let sql = concatcp!(
        COLUMNS,
        ", c.account_id is not null as is_connected, a.member_count as members,
            (select count(distinct i.user_id) from sso_identities i join memberships m
                on m.account_id = i.account_id and m.user_id = i.user_id where i.account_id = $1) as linked,
            (select max(used_at) from sso_identities where account_id = $1) as used_at,
            (select count(*) from audit_events where chain = $1 and action = 'sso.refused' and at > $2) as refused,
            exists (select 1 from domains where account_id = $1 and verified_at is not null) as has_domain",
        " from accounts a left join sso_connections c on c.account_id = a.id where a.id = $1"
    );
    let OverviewRow { row, usage } = scope.query_in_account(sql).bind(since).fetch_one().await?;
    let connection = if usage.is_connected { Some(row.read(scope, Some(custom)).await?) } else { None };
    Ok((connection, usage))
}

/// The connection of the current organization.
pub async fn get(scope: &mut Scope<Access>) -> Result<Option<Connection>> {
    let account = scope.access().account.id;
    of(scope, account).await
}

fn aad(account: AccountId) -> String {
    format!("sso {account}")
}

/// The OIDC client, with the decrypted secret.
pub async fn client<A>(scope: &mut Scope<A>, account: AccountId) -> Result<Option<Client>> {
    let sql = "select issuer, client_id, client_secret from sso_connections where account_id = $1";
    let found: Option<(String, String, Vec<u8>)> =
        scope.query_unscoped(sql).bind(account).fetch_optional().await?;
    let Some((issuer, id, sealed)) = found else { return Ok(None) };
    let secret = scope.context().secrets.decrypt(&aad(account), &sealed);
    let secret = secret.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        Error::conflict(
            "secret_unreadable",
            "The client secret was stored under another secret key. Enter it again.",
        )
    })?;
    Ok(Some(Client { issuer, id, secret }))
}

/// An organization with a provider, by a current or former slug: id, current slug, name.
pub async fn by_slug<A>(scope: &mut Scope<A>, slug: &str) -> Result<Option<(AccountId, String, String)>> {
    let sql = "select a.id, a.slug, a.name from slugs z join accounts a on a.id = z.account_id
        join sso_connections c on c.account_id = a.id where z.slug = $1";
    Ok(scope.query_unscoped(sql).bind(slug.to_owned()).fetch_optional().await?)
}

/// Every connected provider with the slug of its organization, for the operator's check.
pub async fn issuers<A>(scope: &mut Scope<A>) -> Result<Vec<(String, String)>> {
    let sql = "select a.slug, c.issuer from sso_connections c join accounts a on a.id = c.account_id order by a.slug limit 1000";
    Ok(scope.query_unscoped(sql).fetch_all().await?)
}

/// Removes the connection and everything that was signed in with it. Members sign in with their own credentials again.
pub async fn remove(change: &mut Change<Access>, _: &RecentAuth) -> Result<()> {
    let account = change.access().account.id;
    let before = of(change, account).await?.ok_or(Error::NotFound)?;
    for sql in [
        "delete from sso_connections where account_id = $1",
        "delete from sso_identities where account_id = $1",
        "delete from sso_proofs where account_id = $1",
        "delete from break_glass_codes where account_id = $1",
    ] {
        change.query_in_account(sql).execute().await?;
    }
    session_proofs::end_empty(change).await?;
    let was = json!({ "issuer": before.issuer, "client_id": before.client_id, "enforced": before.enforced_at.is_some() });
    let name = change.access().account.name.clone();
    audit::record(change, NewEvent::on("sso.removed", "account", account, name).changed(was, Value::Null))
        .await
}

/// Stores the result of a test.
pub async fn record_test(change: &mut Change<Access>, test: &ConnectionTest) -> Result<()> {
    let json = serde_json::to_string(test).map_err(|error| Error::Internal(error.to_string()))?;
    change
        .query_in_account("update sso_connections set last_test = $2 where account_id = $1")
        .bind(json)
        .execute()
        .await?;
    let (account, name) = (change.access().account.id, change.access().account.name.clone());
    let event =
        NewEvent::on("sso.tested", "account", account, name).changed(Value::Null, json!({ "ok": test.ok }));
    audit::record(change, event).await
}
