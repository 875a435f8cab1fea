//! Sessions: the store of tower-sessions in our database, and the list that users see of theirs.
use super::{
    Change, Scope, SignedInUser,
    audit::{self, NewEvent},
    site, users,
};
use crate::{
    context::Context,
    crypto::secrets::hash,
    db::Db,
    emails,
    error::{Error, Result},
    model::{
        id::{AccountId, SessionId, UserId},
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

/// A session ends when it was not used for this long.
pub const IDLE: Duration = Duration::from_secs(14 * 86_400);
/// A session ends this long after the sign-in, however much it is used.
pub const ABSOLUTE: Duration = Duration::from_secs(90 * 86_400);

/// The names of a session's values. Those with a column of their own are copied there when the session is made.
pub mod session_data {
    /// The user's id.
    pub const USER: &str = "user";
    /// How they signed in: `password`, `passkey`, …
    pub const METHOD: &str = "method";
    pub const IP: &str = "ip";
    /// The browser's `User-Agent`.
    pub const AGENT: &str = "agent";
    /// When the user last authenticated by themselves, in microseconds; absent for now.
    pub const PROVED_AT: &str = "proved";
    pub const TWO_FACTORS: &str = "two_factors";
    /// Who has shown one factor, and is asked for the second.
    pub const PENDING_SECOND_FACTOR: &str = "half";
    /// A challenge that a passkey is to sign.
    pub const CHALLENGE: &str = "challenge";
    /// The encrypted secret of an authenticator app that is being set up.
    pub const AUTHENTICATOR_SECRET: &str = "authenticator";
    /// The sign-up that this browser began.
    pub const SIGN_UP: &str = "sign_up";
}

/// The database holds a hash of the secret in the cookie.
pub fn secret_hash(id: Id) -> Vec<u8> {
    hash(&id.to_string())
}

/// The store of tower-sessions.
#[derive(Clone)]
pub struct Sessions {
    db: Db,
    context: Context,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    pub fn new(db: Db, context: Context) -> Sessions {
        Sessions { db, context }
    }
    async fn insert(&self, record: &Record) -> Result<bool> {
        let now = self.context.now();
        let text = |name| record.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let user = text(session_data::USER).parse::<UserId>().ok();
        let two_factors = record.data.get(session_data::TWO_FACTORS).and_then(Value::as_bool);
        let data = serde_json::to_string(&record.data).map_err(|error| Error::Internal(error.to_string()))?;
        let mut conn = self.db.begin().await?;
        let inserted = conn
            .query(
                "insert into sessions (
                    hash, id, user_id, data, method, ip, user_agent, created_at, seen_at, proved_at, expires_at, two_factors)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $11, $9, $10) on conflict (hash) do nothing",
            )
            .bind(secret_hash(record.id))
            .bind(self.context.id())
            .bind(user)
            .bind(data)
            .bind(text(session_data::METHOD))
            .bind(text(session_data::IP))
            .bind(text(session_data::AGENT))
            .bind(now)
            .bind(now.plus(IDLE))
            .bind(two_factors.unwrap_or(false))
            .bind(text(session_data::PROVED_AT).parse().map_or(now, Time))
            .execute()
            .await?;
        conn.commit().await?;
        Ok(inserted == 1)
    }
    async fn update(&self, record: &Record) -> Result<()> {
        let data = serde_json::to_string(&record.data).map_err(|error| Error::Internal(error.to_string()))?;
        let mut conn = self.db.begin().await?;
        // No upsert: a session that was ended meanwhile stays ended.
        conn.query("update sessions set data = $2 where hash = $1")
            .bind(secret_hash(record.id))
            .bind(data)
            .execute()
            .await?;
        Ok(conn.commit().await?)
    }
    async fn find(&self, id: Id) -> Result<Option<Record>> {
        let now = self.context.now();
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
        let data: HashMap<String, Value> = serde_json::from_str(&data).unwrap_or_default();
        let expiry_date = time::OffsetDateTime::from_unix_timestamp(expires_at.0 / 1_000_000)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        Ok(Some(Record { id, data, expiry_date }))
    }
    async fn remove(&self, id: Id) -> Result<()> {
        let mut conn = self.db.begin().await?;
        conn.query("delete from sessions where hash = $1").bind(secret_hash(id)).execute().await?;
        conn.commit().await?;
        Ok(())
    }
}

fn backend(error: Error) -> session_store::Error {
    session_store::Error::Backend(error.cause())
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

/// How often the use of a session is written.
pub const TOUCH: Duration = MINUTE.saturating_mul(5);

/// Notes that a session is in use: it stays alive, and in an account the member is active and comes back to it next time.
pub async fn touch(db: &Db, context: &Context, session: SessionId, account: Option<AccountId>) -> Result<()> {
    let now = context.now();
    let mut conn = db.begin().await?;
    let sql = "update sessions
        set seen_at = $2, expires_at = case when created_at + $3 < $4 then created_at + $3 else $4 end where id = $1";
    conn.query(sql)
        .bind(session)
        .bind(now)
        .bind(i64::try_from(ABSOLUTE.as_micros()).unwrap_or(i64::MAX))
        .bind(now.plus(IDLE))
        .execute()
        .await?;
    if let Some(account) = account {
        let sql = "update memberships set active_at = $3
            where account_id = $2 and user_id = (select user_id from sessions where id = $1)";
        conn.query(sql).bind(session).bind(account).bind(now).execute().await?;
        let sql =
            "update users set last_account = $2 where id = (select user_id from sessions where id = $1)";
        conn.query(sql).bind(session).bind(account).execute().await?;
    }
    conn.commit().await?;
    Ok(())
}

/// A session as its user sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ActiveSession {
    pub id: SessionId,
    /// The sign-in method.
    pub method: String,
    /// At the sign-in.
    pub ip: String,
    pub user_agent: String,
    pub two_factors: bool,
    pub created_at: Time,
    /// When it was last used, to [`TOUCH`].
    pub seen_at: Time,
}

/// The signed-in user's sessions, last used first.
pub async fn list(scope: &mut Scope<SignedInUser>) -> Result<Vec<ActiveSession>> {
    let now = scope.now();
    let sql = "select id, method, ip, user_agent, two_factors, created_at, seen_at from sessions
        where user_id = $1 and expires_at > $2 order by seen_at desc, id limit 100";
    Ok(scope.query_of_user(sql).bind(now).fetch_all().await?)
}

/// Ends one of the signed-in user's sessions.
pub async fn end(change: &mut Change<SignedInUser>, id: SessionId) -> Result<()> {
    let sql = "delete from sessions where user_id = $1 and id = $2";
    let ended = change.query_of_user(sql).bind(id).execute().await?;
    if ended == 0 {
        return Err(Error::NotFound);
    }
    let user = change.user().clone();
    let chain = users::chain(change, user.id).await?;
    audit::record_in(change, chain, NewEvent::on("session.ended", "session", id, &user.email)).await
}

/// Ends all sessions of the signed-in user but this one.
pub async fn end_others(change: &mut Change<SignedInUser>) -> Result<u64> {
    let (user, keep) = (change.user().clone(), change.access().session.id);
    let ended = end_all(change, user.id, Some(keep)).await?;
    let chain = users::chain(change, user.id).await?;
    audit::record_in(change, chain, NewEvent::on("session.others_ended", "user", user.id, &user.email))
        .await?;
    Ok(ended)
}

/// Ends all sessions of a user, except for `keep`.
pub(super) async fn end_all<A>(change: &mut Change<A>, user: UserId, keep: Option<SessionId>) -> Result<u64> {
    let keep = keep.unwrap_or(SessionId(Uuid::nil()));
    let sql = "delete from sessions where user_id = $1 and id <> $2";
    Ok(change.query_unscoped(sql).bind(user).bind(keep).execute().await?)
}

/// Notes a sign-in. `new_browser` is named to the user by mail, except for their first sign-in.
pub async fn record_sign_in(change: &mut Change<SignedInUser>, new_browser: Option<&str>) -> Result<()> {
    let (context, now, ip) = (change.context().clone(), change.now(), change.client.ip());
    let user = change.user().clone();
    let sql = "select signed_in_at from users where id = $1";
    let (before,): (Option<Time>,) = change.query_of_user(sql).fetch_one().await?;
    change.query_of_user("update users set signed_in_at = $2 where id = $1").bind(now).execute().await?;
    let Some(browser) = new_browser.filter(|_| before.is_some()) else { return Ok(()) };
    let sign_in = emails::SignIn { at: &now.in_words(), ip: &ip, browser };
    change.send(&emails::new_browser(&site(&context), &user.email, &sign_in)).await?;
    let chain = users::chain(change, user.id).await?;
    let event = NewEvent::on("session.new_browser", "user", user.id, &user.email);
    audit::record_in(change, chain, event.changed(Value::Null, json!({ "browser": browser }))).await
}

/// Notes that the session's user has just authenticated again.
pub async fn record_reauth(change: &mut Change<SignedInUser>) -> Result<()> {
    let (session, now) = (change.access().session.id, change.now());
    let sql = "update sessions set proved_at = $3 where user_id = $1 and id = $2";
    change.query_of_user(sql).bind(session).bind(now).execute().await?;
    Ok(())
}

/// Deletes expired sessions, tokens in mails and sign-ups.
pub async fn sweep(change: &mut Change<super::System>) -> Result<()> {
    let now = change.now();
    for sql in [
        "delete from sessions where expires_at <= $1",
        "delete from email_tokens where expires_at <= $1",
        "delete from sign_ups where expires_at <= $1",
    ] {
        change.query_unscoped(sql).bind(now).execute().await?;
    }
    // A session without a user belongs to a sign-up: it need not outlive the link in the mail.
    let sql = "delete from sessions where user_id is null and created_at < $1";
    change.query_unscoped(sql).bind(now.minus(3 * DAY)).execute().await?;
    Ok(())
}
