//! Sessions: tower-sessions on our own database, and the list that a user sees of theirs.
use super::{
    Change, Me, Scope, Who,
    audit::{self, Did},
    site, users,
};
use crate::{
    context::Kit,
    crypto::secrets::hash,
    db::Db,
    emails,
    error::{Error, Result},
    model::{
        id::{SessionId, UserId},
        time::{DAY, MINUTE, Time},
    },
};
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store,
};
use uuid::Uuid;

/// Unused for so long, a session ends.
pub const IDLE: Duration = Duration::from_secs(14 * 86_400);
/// However much it is used, a session ends after so long.
pub const ABSOLUTE: Duration = Duration::from_secs(90 * 86_400);

/// The names under which a session holds what has a column of its own.
pub mod held {
    /// The user's id.
    pub const USER: &str = "user";
    /// How they signed in.
    pub const METHOD: &str = "method";
    /// From where.
    pub const IP: &str = "ip";
    /// With what.
    pub const AGENT: &str = "agent";
    /// When they last showed on their own who they are, if not just now: microseconds.
    pub const PROVED: &str = "proved";
    /// Whether two factors were used.
    pub const TWO_FACTORS: &str = "two_factors";
    /// Who has proven one factor, and is asked for the second.
    pub const HALF: &str = "half";
    /// A challenge that a passkey is to sign.
    pub const CHALLENGE: &str = "challenge";
    /// The secret of an authenticator app that is being set up, sealed.
    pub const AUTHENTICATOR: &str = "authenticator";
    /// The sign-up that this browser began.
    pub const SIGN_UP: &str = "sign_up";
}

/// The secret in the cookie, as it is known here.
pub fn secret_hash(id: Id) -> Vec<u8> {
    hash(&id.to_string())
}

/// Where tower-sessions keeps its records.
#[derive(Clone)]
pub struct Sessions {
    db: Db,
    kit: Kit,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// On this database.
    pub fn new(db: Db, kit: Kit) -> Sessions {
        Sessions { db, kit }
    }
    async fn insert(&self, record: &Record) -> Result<bool> {
        let now = self.kit.now();
        let text = |name| record.data.get(name).and_then(|it| it.as_str()).unwrap_or_default().to_owned();
        let user = text(held::USER).parse::<UserId>().ok();
        let two_factors = record.data.get(held::TWO_FACTORS).and_then(serde_json::Value::as_bool);
        let data = serde_json::to_string(&record.data).map_err(|it| Error::Internal(it.to_string()))?;
        let mut conn = self.db.begin().await?;
        let made = conn
            .query(
                "insert into sessions (hash, id, user_id, data, method, ip, agent, created_at, seen_at, proved_at, expires_at, two_factors)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $11, $9, $10) on conflict (hash) do nothing",
            )
            .bind(secret_hash(record.id))
            .bind(self.kit.id())
            .bind(user)
            .bind(data)
            .bind(text(held::METHOD))
            .bind(text(held::IP))
            .bind(text(held::AGENT))
            .bind(now)
            .bind(now.plus(IDLE))
            .bind(two_factors.unwrap_or(false))
            .bind(text(held::PROVED).parse().map_or(now, Time))
            .execute()
            .await?;
        conn.commit().await?;
        Ok(made == 1)
    }
    async fn update(&self, record: &Record) -> Result<()> {
        let data = serde_json::to_string(&record.data).map_err(|it| Error::Internal(it.to_string()))?;
        let mut conn = self.db.begin().await?;
        // Only what is there: a session that was ended meanwhile stays ended.
        conn.query("update sessions set data = $2 where hash = $1")
            .bind(secret_hash(record.id))
            .bind(data)
            .execute()
            .await?;
        Ok(conn.commit().await?)
    }
    async fn find(&self, id: Id) -> Result<Option<Record>> {
        let now = self.kit.now();
        let found: Option<(String, Time)> = self
            .db
            .read()
            .await?
            .query("select data, expires_at from sessions where hash = $1 and expires_at > $2")
            .bind(secret_hash(id))
            .bind(now)
            .fetch_optional()
            .await?;
        let Some((data, expires_at)) = found else { return Ok(None) };
        let data: HashMap<String, serde_json::Value> = serde_json::from_str(&data).unwrap_or_default();
        let expiry_date = time::OffsetDateTime::from_unix_timestamp(expires_at.0 / 1_000_000)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        Ok(Some(Record { id, data, expiry_date }))
    }
    async fn remove(&self, id: Id) -> Result<()> {
        let mut conn = self.db.begin().await?;
        let sql = "delete from sessions where hash = $1 returning user_id";
        let gone: Option<(Option<Uuid>,)> = conn.query(sql).bind(secret_hash(id)).fetch_optional().await?;
        conn.commit().await?;
        self.kit.stale.renew(gone.and_then(|it| it.0).as_slice());
        Ok(())
    }
}

fn backend(it: Error) -> session_store::Error {
    session_store::Error::Backend(it.cause())
}

#[async_trait::async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        while !self.insert(record).await.map_err(backend)? {
            record.id = Id::default();
        }
        Ok(())
    }
    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.update(record).await.map_err(backend)
    }
    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        self.find(*id).await.map_err(backend)
    }
    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.remove(*id).await.map_err(backend)
    }
}

/// How often a session's use is written down.
pub const TOUCH: Duration = MINUTE.saturating_mul(5);

/// A session was used, in an account perhaps: it stays alive, the member was active, and the account is where its user was
/// last.
pub async fn touch(
    db: &Db,
    kit: &Kit,
    session: SessionId,
    account: Option<crate::model::id::AccountId>,
) -> Result<()> {
    let now = kit.now();
    let mut conn = db.begin().await?;
    conn.query("update sessions set seen_at = $2, expires_at = case when created_at + $3 < $4 then created_at + $3 else $4 end where id = $1")
        .bind(session)
        .bind(now)
        .bind(i64::try_from(ABSOLUTE.as_micros()).unwrap_or(i64::MAX))
        .bind(now.plus(IDLE))
        .execute()
        .await?;
    if let Some(account) = account {
        conn.query("update memberships set active_at = $3 where account_id = $2 and user_id = (select user_id from sessions where id = $1)")
            .bind(session)
            .bind(account)
            .bind(now)
            .execute()
            .await?;
        conn.query(
            "update users set last_account = $2 where id = (select user_id from sessions where id = $1)",
        )
        .bind(session)
        .bind(account)
        .execute()
        .await?;
    }
    conn.commit().await?;
    kit.stale.renew(account.map(|it| it.0).as_slice());
    Ok(())
}

/// A session as its user sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// By which it is ended.
    pub id: SessionId,
    /// How it began.
    pub method: String,
    /// From where.
    pub ip: String,
    /// With what.
    pub agent: String,
    /// Whether two factors were used.
    pub two_factors: bool,
    /// When it began.
    pub created_at: Time,
    /// When it was last used, within minutes.
    pub seen_at: Time,
}

/// The signed-in user's sessions, last used first.
pub async fn list(scope: &mut Scope<Me>) -> Result<Vec<Listed>> {
    let now = scope.now();
    let sql = "select id, method, ip, agent, two_factors, created_at, seen_at from sessions
        where user_id = $1 and expires_at > $2 order by seen_at desc, id limit 100";
    Ok(scope.ask(sql).bind(now).fetch_all().await?)
}

/// Ends one of the signed-in user's sessions.
pub async fn end(change: &mut Change<Me>, id: SessionId) -> Result<()> {
    let gone = change.ask("delete from sessions where user_id = $1 and id = $2").bind(id).execute().await?;
    if gone == 0 {
        return Err(Error::NotFound);
    }
    let person = change.who().person.clone();
    let chain = users::chain(change, person.id).await?;
    audit::write(change, chain, Did::to("session.ended", "session", id, &person.email)).await
}

/// Ends all sessions of the signed-in user but this one.
pub async fn end_others(change: &mut Change<Me>) -> Result<u64> {
    let (person, keep) = (change.who().person.clone(), change.who().session.id);
    let ended = end_all(change, person.id, Some(keep)).await?;
    let chain = users::chain(change, person.id).await?;
    audit::write(change, chain, Did::to("session.others_ended", "user", person.id, &person.email)).await?;
    Ok(ended)
}

/// Ends a user's sessions, but for one perhaps.
pub(super) async fn end_all<W: Who>(
    change: &mut Change<W>,
    user: UserId,
    keep: Option<SessionId>,
) -> Result<u64> {
    let keep = keep.unwrap_or(SessionId(Uuid::nil()));
    change.renews(user.0);
    Ok(change.sql("delete from sessions where user_id = $1 and id <> $2").bind(user).bind(keep).execute().await?)
}

/// Somebody signed in. They are told by mail if it was with a browser that they never used, but for the very first time.
pub async fn arrived(change: &mut Change<Me>, browser: Option<&str>) -> Result<()> {
    let (kit, now, ip) = (change.kit().clone(), change.now(), change.client.ip());
    let person = change.who().person.clone();
    let (before,): (Option<Time>,) = change.ask("select signed_in_at from users where id = $1").fetch_one().await?;
    change.ask("update users set signed_in_at = $2 where id = $1").bind(now).execute().await?;
    let Some(browser) = browser.filter(|_| before.is_some()) else { return Ok(()) };
    let told = emails::SignIn { at: &now.in_words(), ip: &ip, browser };
    change.post(&emails::new_browser(&site(&kit), &person.email, &told)).await?;
    let chain = users::chain(change, person.id).await?;
    let did = Did::to("session.new_browser", "user", person.id, &person.email);
    audit::write(change, chain, did.changed(Value::Null, json!({ "browser": browser }))).await
}

/// The person proved who they are just now.
pub async fn proved(change: &mut Change<Me>) -> Result<()> {
    let (session, now) = (change.who().session.id, change.now());
    let sql = "update sessions set proved_at = $3 where user_id = $1 and id = $2";
    change.ask(sql).bind(session).bind(now).execute().await?;
    Ok(())
}

/// Forgets what is over: sessions, links, sign-ups.
pub async fn sweep(change: &mut Change<super::Host>) -> Result<()> {
    let now = change.now();
    for sql in [
        "delete from sessions where expires_at <= $1",
        "delete from links where expires_at <= $1",
        "delete from sign_ups where expires_at <= $1",
    ] {
        change.sql(sql).bind(now).execute().await?;
    }
    // A session that nobody signed in by is of one browser's sign-up: it need not last longer than the link.
    let sql = "delete from sessions where user_id is null and created_at < $1";
    change.sql(sql).bind(now.minus(3 * DAY)).execute().await?;
    Ok(())
}
