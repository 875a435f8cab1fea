//! Service tokens of the platform's own back end, managed by operators.
use super::{
    Change, Scope, ServiceToken, SignedInUser,
    audit::{self, Chain, NewEvent},
};
use crate::{
    context::Context,
    crypto::secrets::{KeyKind, hash, machine_key},
    db::{Conn, Db},
    error::{Error, Result},
    model::{actor::RecentAuth, id::TokenId, text::Name, time::Time, token::Scopes},
};
use serde_json::{Value, json};

/// The most tokens that are listed.
const MOST: i64 = 100;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    pub last4: String,
    pub created_at: Time,
    pub used_at: Option<Time>,
    pub revoked_at: Option<Time>,
    scopes: String,
}

impl Token {
    pub fn scopes(&self) -> Scopes {
        Scopes::from_json(&self.scopes)
    }
}

/// The active tokens first, then the newest revoked ones.
pub async fn list(scope: &mut Scope<SignedInUser>) -> Result<Vec<Token>> {
    let sql = "select id, name, last4, created_at, used_at, revoked_at, scopes from service_tokens
        order by case when revoked_at is null then 0 else 1 end, id desc limit $1";
    Ok(scope.query_unscoped(sql).bind(MOST).fetch_all().await?)
}

/// Makes a token. The secret is returned once and not stored. In the console, an operator must have authenticated recently; the
/// command line needs no more.
pub async fn create<A>(
    change: &mut Change<A>,
    name: &Name,
    scopes: Scopes,
    _: Option<&RecentAuth>,
) -> Result<(TokenId, String)> {
    if scopes == Scopes::default() {
        return Err(Error::invalid("scopes", "required", "Choose at least one thing that the token is for."));
    }
    let (context, now) = (change.context().clone(), change.now());
    let (id, secret) = (TokenId(context.id()), machine_key(KeyKind::Service, &context.random));
    let hashed = hash(&secret);
    change.key_created(&hashed);
    change
        .query_unscoped(
            "insert into service_tokens (id, name, hash, last4, scopes, created_at) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(name.as_str())
        .bind(hashed.clone())
        .bind(&secret[secret.len() - 4..])
        .bind(scopes.to_json())
        .bind(now)
        .execute()
        .await?;
    let after = json!({ "scopes": scopes.iter().collect::<Vec<_>>() });
    let event = NewEvent::on("service_token.created", "service_token", id, name).changed(Value::Null, after);
    audit::record_in(change, Chain::Installation, event).await?;
    Ok((id, secret))
}

/// Revokes a token and returns its name.
pub async fn revoke(change: &mut Change<SignedInUser>, id: TokenId) -> Result<String> {
    if !change.access().operator {
        return Err(Error::NotFound);
    }
    let now = change.now();
    let sql = "update service_tokens set revoked_at = $2 where id = $1 and revoked_at is null returning name";
    let found: Option<(String,)> = change.query_unscoped(sql).bind(id).bind(now).fetch_optional().await?;
    let Some((name,)) = found else {
        let sql = "select name from service_tokens where id = $1";
        let (name,): (String,) =
            change.query_unscoped(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)?;
        return Ok(name);
    };
    let event = NewEvent::on("service_token.revoked", "service_token", id, &name);
    audit::record_in(change, Chain::Installation, event).await?;
    Ok(name)
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: TokenId,
    name: String,
    scopes: String,
}
impl From<TokenRow> for ServiceToken {
    fn from(row: TokenRow) -> ServiceToken {
        ServiceToken { id: row.id, name: row.name, scopes: Scopes::from_json(&row.scopes) }
    }
}

/// The active token whose secret has this hash.
pub async fn find(conn: &mut Conn, hash: &[u8]) -> Result<Option<ServiceToken>> {
    let sql = "select id, name, scopes from service_tokens where hash = $1 and revoked_at is null";
    Ok(conn.query(sql).bind(hash).fetch_optional::<TokenRow>().await?.map(ServiceToken::from))
}

/// An active token by its id.
pub(super) async fn in_force(conn: &mut Conn, id: TokenId) -> Result<Option<ServiceToken>> {
    let sql = "select id, name, scopes from service_tokens where id = $1 and revoked_at is null";
    Ok(conn.query(sql).bind(id).fetch_optional::<TokenRow>().await?.map(ServiceToken::from))
}

/// Stores that a token was used.
pub async fn touch(db: &Db, context: &Context, id: TokenId) -> Result<()> {
    let mut conn = db.begin().await?;
    conn.query("update service_tokens set used_at = $2 where id = $1")
        .bind(id)
        .bind(context.now())
        .execute()
        .await?;
    Ok(conn.commit().await?)
}
