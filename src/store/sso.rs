//! An organization's own identity provider: how it is reached, and whom it lets in as what.
pub mod announce;
pub mod break_glass;
pub mod enforce;
mod groups;
mod save;
pub mod session_proofs;
pub mod sign_in;
mod unlisted_grants;

pub use save::{Wish, save};
pub use unlisted_grants::{named, wanted};

use super::{
    Change, Scope, Who,
    audit::{self, Did},
    roles::Role,
};
use crate::{
    clients::oidc::Client,
    error::{Error, Result},
    model::{access::Fresh, grant::Grant, id::AccountId, time::Time},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where providers send people back to.
pub const CALLBACK: &str = "/sso/callback";

/// One step of a test: what was done, whether it went well, what came back.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SsoStep)]
pub struct Step {
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
pub struct Test {
    /// When.
    pub at: Time,
    /// Who.
    #[schema(example = "Ada Byron")]
    pub by: String,
    /// Whether all of it went well.
    pub ok: bool,
    /// Step by step.
    pub steps: Vec<Step>,
}

/// A connection. The secret stays where it is.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose.
    pub account: AccountId,
    /// The provider.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Under which claim the provider lists a person's groups.
    pub groups_claim: String,
    /// What somebody new holds.
    pub default_grants: Vec<Grant>,
    /// What members of a group hold.
    pub group_grants: BTreeMap<String, Vec<Grant>>,
    /// Since when people at verified domains must use it.
    pub enforced_at: Option<Time>,
    /// Until when an administrator must have signed in by it.
    pub confirm_by: Option<Time>,
    /// The last test.
    pub last_test: Option<Test>,
    /// When it was last changed.
    pub updated_at: Time,
}

impl Connection {
    /// Whether it must be used now.
    pub fn is_enforced(&self, now: Time) -> bool {
        self.enforced_at.is_some() && self.confirm_by.is_none_or(|it| it > now)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
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

impl Row {
    async fn read<W: Who>(self, scope: &mut Scope<W>, custom: Option<&[Role]>) -> Result<Connection> {
        let it = self;
        let stored = [it.default_grants.as_str(), it.group_grants.as_str()];
        let (default_grants, group_grants) =
            unlisted_grants::read(scope, it.account_id, stored, custom).await?;
        Ok(Connection {
            account: it.account_id,
            issuer: it.issuer,
            client_id: it.client_id,
            groups_claim: it.groups_claim,
            default_grants,
            group_grants,
            enforced_at: it.enforced_at,
            confirm_by: it.confirm_by,
            last_test: it.last_test.and_then(|it| serde_json::from_str(&it).ok()),
            updated_at: it.updated_at,
        })
    }
}

macro_rules! connection {
    ($more:literal, $rest:literal) => {
        concat!(
            "select a.id as account_id, coalesce(c.issuer, '') as issuer, coalesce(c.client_id, '') as client_id,
                coalesce(c.groups_claim, '') as groups_claim, coalesce(c.default_grants, '[]') as default_grants,
                coalesce(c.group_grants, '{}') as group_grants, c.enforced_at, c.confirm_by, c.last_test,
                coalesce(c.updated_at, 0) as updated_at", $more, "
             from accounts a ", $rest
        )
    };
}

/// Of an account. A team's is that of its organization.
pub async fn of<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<Option<Connection>> {
    let sql = connection!("", "join sso_connections c on c.account_id = a.id where a.id = $1");
    match scope.sql(sql).bind(account).fetch_optional::<Row>().await? {
        Some(it) => it.read(scope, None).await.map(Some),
        None => Ok(None),
    }
}

/// What the page of the connection shows besides it.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Usage {
    /// Members whom the provider knows.
    pub linked: i64,
    /// All members.
    pub members: i64,
    /// The last sign-in.
    pub used_at: Option<Time>,
    /// Refused sign-ins in seven days.
    pub refused: i64,
    /// Whether a domain is proven.
    pub has_domain: bool,
    is_connected: bool,
}

#[derive(sqlx::FromRow)]
struct Seen {
    #[sqlx(flatten)]
    row: Row,
    #[sqlx(flatten)]
    usage: Usage,
}

/// The connection of the organization that one is in, and its use: one statement. `custom` are the organization's roles.
pub async fn overview(scope: &mut Scope, custom: &[Role]) -> Result<(Option<Connection>, Usage)> {
    let since = scope.now().minus(7 * crate::model::time::DAY);
    let sql = connection!(
        ", c.account_id is not null as is_connected, a.member_count as members,
            (select count(distinct i.user_id) from sso_identities i join memberships m
                on m.account_id = i.account_id and m.user_id = i.user_id where i.account_id = $1) as linked,
            (select max(used_at) from sso_identities where account_id = $1) as used_at,
            (select count(*) from audit_events where chain = $1 and action = 'sso.refused' and at > $2) as refused,
            exists (select 1 from domains where account_id = $1 and verified_at is not null) as has_domain",
        "left join sso_connections c on c.account_id = a.id where a.id = $1"
    );
    let Seen { row, usage } = scope.ask(sql).bind(since).fetch_one().await?;
    let connection = if usage.is_connected { Some(row.read(scope, Some(custom)).await?) } else { None };
    Ok((connection, usage))
}

/// The connection of the organization that one is in.
pub async fn here(scope: &mut Scope) -> Result<Option<Connection>> {
    let account = scope.who().here.id;
    of(scope, account).await
}

fn place(account: AccountId) -> String {
    format!("sso {account}")
}

/// The provider and who we are to it, secret included: for the way there and back.
pub async fn client<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<Option<Client>> {
    let sql = "select issuer, client_id, client_secret from sso_connections where account_id = $1";
    let found: Option<(String, String, Vec<u8>)> = scope.sql(sql).bind(account).fetch_optional().await?;
    let Some((issuer, id, sealed)) = found else { return Ok(None) };
    let secret = scope.kit().seal.open(&place(account), &sealed);
    let secret = secret.and_then(|it| String::from_utf8(it).ok()).ok_or_else(|| {
        Error::conflict(
            "secret_unreadable",
            "The client secret was stored under another secret key. Enter it again.",
        )
    })?;
    Ok(Some(Client { issuer, id, secret }))
}

/// An organization with a provider, by a slug of its: id, slug of today, name.
pub async fn by_slug<W: Who>(
    scope: &mut Scope<W>,
    slug: &str,
) -> Result<Option<(AccountId, String, String)>> {
    let sql = "select a.id, a.slug, a.name from slugs z join accounts a on a.id = z.account_id
        join sso_connections c on c.account_id = a.id where z.slug = $1";
    Ok(scope.sql(sql).bind(slug.to_owned()).fetch_optional().await?)
}

/// Every provider that is connected, by the slug of its organization: for the operator's check.
pub async fn issuers<W: Who>(scope: &mut Scope<W>) -> Result<Vec<(String, String)>> {
    let sql = "select a.slug, c.issuer from sso_connections c join accounts a on a.id = c.account_id order by a.slug limit 1000";
    Ok(scope.sql(sql).fetch_all().await?)
}

/// Takes the connection away, and with it what it proved. Its people sign in as themselves again.
pub async fn remove(change: &mut Change, _: &Fresh) -> Result<()> {
    let account = change.who().here.id;
    let before = of(change, account).await?.ok_or(Error::NotFound)?;
    for sql in [
        "delete from sso_connections where account_id = $1",
        "delete from sso_identities where account_id = $1",
        "delete from sso_proofs where account_id = $1",
        "delete from break_glass_codes where account_id = $1",
    ] {
        change.ask(sql).execute().await?;
    }
    session_proofs::end_empty(change).await?;
    let was = json!({ "issuer": before.issuer, "client_id": before.client_id, "enforced": before.enforced_at.is_some() });
    let name = change.who().here.name.clone();
    audit::here(change, Did::to("sso.removed", "account", account, name).changed(was, Value::Null)).await
}

/// Writes down how a test went.
pub async fn tested(change: &mut Change, test: &Test) -> Result<()> {
    let json = serde_json::to_string(test).map_err(|it| Error::Internal(it.to_string()))?;
    change.ask("update sso_connections set last_test = $2 where account_id = $1").bind(json).execute().await?;
    let (account, name) = (change.who().here.id, change.who().here.name.clone());
    let did = Did::to("sso.tested", "account", account, name).changed(Value::Null, json!({ "ok": test.ok }));
    audit::here(change, did).await
}
