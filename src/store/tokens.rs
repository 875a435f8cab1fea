//! Service tokens of the platform's own back end: made, listed and revoked by operators.
use super::{
    Change, Me, Scope, Service, Who,
    audit::{self, Chain, Did},
};
use crate::{
    context::Kit,
    crypto::secrets::{KeyKind, hash, machine_key},
    db::{Conn, Db},
    error::{Error, Result},
    model::{access::Fresh, id::TokenId, text::Name, time::Time, token::Scopes},
};
use serde_json::{Value, json};

/// The most tokens in force at a time: a list that is read at a glance.
const MOST: i64 = 100;

/// A token as its list shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What its maker called it.
    pub name: String,
    /// Its last four characters.
    pub last4: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used.
    pub used_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
    scopes: String,
}

impl Token {
    /// What it is for.
    pub fn scopes(&self) -> Scopes {
        Scopes::from_json(&self.scopes)
    }
}

/// The tokens, those in force first, then the newest of those that were revoked.
pub async fn list(scope: &mut Scope<Me>) -> Result<Vec<Token>> {
    let sql = "select id, name, last4, created_at, used_at, revoked_at, scopes from service_tokens
        order by case when revoked_at is null then 0 else 1 end, id desc limit $1";
    Ok(scope.sql(sql).bind(MOST).fetch_all().await?)
}

/// Makes a token; the secret is answered once, and kept nowhere. An operator in the console proves first who they are; the
/// command line is the operator's own.
pub async fn create<W: Who>(
    change: &mut Change<W>,
    name: &Name,
    scopes: Scopes,
    _: Option<&Fresh>,
) -> Result<(TokenId, String)> {
    if scopes == Scopes::default() {
        return Err(Error::invalid("scopes", "required", "Choose at least one thing that the token is for."));
    }
    let (kit, now) = (change.kit().clone(), change.now());
    let (id, secret) = (TokenId(kit.id()), machine_key(KeyKind::Service, &kit.chance));
    let hashed = hash(&secret);
    change.made(&hashed);
    change
        .sql(
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
    let did = Did::to("service_token.created", "service_token", id, name).changed(Value::Null, after);
    audit::write(change, Chain::Installation, did).await?;
    Ok((id, secret))
}

/// Revokes a token, at once; says what it was called.
pub async fn revoke(change: &mut Change<Me>, id: TokenId) -> Result<String> {
    if !change.who().operator {
        return Err(Error::NotFound);
    }
    let now = change.now();
    let sql = "update service_tokens set revoked_at = $2 where id = $1 and revoked_at is null returning name";
    let found: Option<(String,)> = change.sql(sql).bind(id).bind(now).fetch_optional().await?;
    let Some((name,)) = found else {
        let sql = "select name from service_tokens where id = $1";
        let (name,): (String,) = change.sql(sql).bind(id).fetch_optional().await?.ok_or(Error::NotFound)?;
        return Ok(name);
    };
    let did = Did::to("service_token.revoked", "service_token", id, &name);
    audit::write(change, Chain::Installation, did).await?;
    Ok(name)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: TokenId,
    name: String,
    scopes: String,
}
impl From<Row> for Service {
    fn from(it: Row) -> Service {
        Service { id: it.id, name: it.name, scopes: Scopes::from_json(&it.scopes) }
    }
}

/// Whose secret has this hash, if it is in force.
pub async fn find(conn: &mut Conn, hash: &[u8]) -> Result<Option<Service>> {
    let sql = "select id, name, scopes from service_tokens where hash = $1 and revoked_at is null";
    Ok(conn.query(sql).bind(hash).fetch_optional::<Row>().await?.map(Service::from))
}

/// The same by its id, for a change.
pub(super) async fn in_force(conn: &mut Conn, id: TokenId) -> Result<Option<Service>> {
    let sql = "select id, name, scopes from service_tokens where id = $1 and revoked_at is null";
    Ok(conn.query(sql).bind(id).fetch_optional::<Row>().await?.map(Service::from))
}

/// A token was used.
pub async fn touch(db: &Db, kit: &Kit, id: TokenId) -> Result<()> {
    let mut conn = db.begin().await?;
    conn.query("update service_tokens set used_at = $2 where id = $1").bind(id).bind(kit.now()).execute().await?;
    Ok(conn.commit().await?)
}
