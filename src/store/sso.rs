//! An organization's own identity provider: how it is reached, and whom it lets in as what.
pub mod arrive;
pub mod break_glass;
pub mod enforce;
mod held;
pub mod proofs;

use super::{
    Change, Scope, Who,
    audit::{self, Did},
    grants::{self, Wanted},
    roles::Role,
};
use crate::{
    error::{Error, Result},
    kit::oidc::Client,
    model::{
        entry::{Entry, Fresh},
        grant::Grant,
        id::AccountId,
        time::Time,
    },
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
        let (default_grants, group_grants) = held::read(scope, it.account_id, stored, custom).await?;
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
    match scope.sql(sql).bind(account).maybe::<Row>().await? {
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
    let Seen { row, usage } = scope.ask(sql).bind(since).one().await?;
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
    let found: Option<(String, String, Vec<u8>)> = scope.sql(sql).bind(account).maybe().await?;
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
    Ok(scope.sql(sql).bind(slug.to_owned()).maybe().await?)
}

/// Every provider that is connected, by the slug of its organization: for the operator's check.
pub async fn issuers<W: Who>(scope: &mut Scope<W>) -> Result<Vec<(String, String)>> {
    let sql = "select a.slug, c.issuer from sso_connections c join accounts a on a.id = c.account_id order by a.slug limit 1000";
    Ok(scope.sql(sql).all().await?)
}

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

fn text(faults: &mut Vec<crate::error::Fault>, field: &str, value: &str, most: usize) {
    let (code, detail) = if value.trim().is_empty() {
        ("blank", "Enter it as the identity provider shows it.".to_owned())
    } else if value.len() > most || value.chars().any(char::is_control) {
        ("unreadable", format!("It has at most {most} characters, and no control characters."))
    } else {
        return;
    };
    faults.push(crate::error::Fault::new(field, code, detail));
}

/// Saves the connection of the organization that one is in.
pub async fn save(change: &mut Change, _: &Fresh, wish: Wish) -> Result<()> {
    organizations_only(change.who())?;
    let account = change.who().here.id;
    let before = of(change, account).await?;
    let mut faults = vec![];
    let issuer = change.kit().oidc.issuer(&wish.issuer);
    let issuer =
        issuer.map_err(|it| faults.push(crate::error::Fault::new("issuer", "issuer_invalid", it.detail)));
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
        .bind(held::list(default_grants))
        .bind(held::lists(group_grants))
        .bind(now)
        .bind(secret.is_some())
        .run()
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
    if who.here.kind == crate::model::account::Kind::Organization {
        return Ok(());
    }
    let detail = "Single sign-on belongs to an organization: its teams and their people use it too.";
    Err(Error::conflict("not_an_organization", detail))
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
        change.ask(sql).run().await?;
    }
    proofs::end_empty(change).await?;
    let was = json!({ "issuer": before.issuer, "client_id": before.client_id, "enforced": before.enforced_at.is_some() });
    let name = change.who().here.name.clone();
    audit::here(change, Did::to("sso.removed", "account", account, name).changed(was, Value::Null)).await
}

/// Writes down how a test went.
pub async fn tested(change: &mut Change, test: &Test) -> Result<()> {
    let json = serde_json::to_string(test).map_err(|it| Error::Internal(it.to_string()))?;
    change.ask("update sso_connections set last_test = $2 where account_id = $1").bind(json).run().await?;
    let (account, name) = (change.who().here.id, change.who().here.name.clone());
    let did = Did::to("sso.tested", "account", account, name).changed(Value::Null, json!({ "ok": test.ok }));
    audit::here(change, did).await
}
