//! Second factors: an authenticator app and recovery codes.
use super::{
    Anonymous, Change, Scope, SignedInUser, System,
    audit::{self, NewEvent},
    passkeys, sessions, site, users,
};
use crate::{
    context::Context,
    crypto::{
        secrets::{normalize_recovery_code, recovery_code},
        totp,
    },
    emails::{self, FactorChange},
    error::{Error, Result},
    model::{
        actor::{RecentAuth, UserSummary},
        id::UserId,
        text::EmailAddress,
        time::Time,
    },
};
use const_format::concatcp;
use serde_json::json;

/// How many recovery codes there are.
pub const CODES: usize = 10;

/// What a user can authenticate with.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct AvailableFactors {
    pub password: bool,
    /// When the authenticator app was set up.
    pub app_since: Option<Time>,
    /// Unused recovery codes.
    pub codes: i64,
    pub passkeys: i64,
    /// Linked with Google. A form cannot ask for this.
    pub google: bool,
    /// Linked with GitHub.
    pub github: bool,
}

impl AvailableFactors {
    /// Whether the user has a second factor besides a password.
    pub fn has_second(&self) -> bool {
        self.has_app() || self.passkeys > 0
    }
    /// Whether Google or GitHub is linked.
    pub fn is_linked(&self) -> bool {
        self.google || self.github
    }
    /// Whether there is an authenticator app.
    pub fn has_app(&self) -> bool {
        self.app_since.is_some()
    }
}

/// The columns of `AvailableFactors`, of the user `u`.
pub(super) const COLUMNS: &str = "select u.password is not null as password,
                (select a.created_at from authenticators a where a.user_id = u.id) as app_since,
                (select count(*) from recovery_codes c where c.user_id = u.id and c.used_at is null) as codes,
                (select count(*) from passkeys p where p.user_id = u.id) as passkeys,
                exists (select 1 from identities i where i.user_id = u.id and i.provider = 'google') as google,
                exists (select 1 from identities i where i.user_id = u.id and i.provider = 'github') as github";

pub async fn available<A>(scope: &mut Scope<A>, user: UserId) -> Result<AvailableFactors> {
    Ok(scope
        .query_unscoped(concatcp!(COLUMNS, " from users u where u.id = $1"))
        .bind(user)
        .fetch_one()
        .await?)
}

/// Binds an encrypted secret to its user.
fn aad(user: UserId) -> String {
    format!("authenticator {user}")
}

/// Encrypts the secret of an app that is being set up, to be stored in the session.
pub fn seal_secret(context: &Context, user: UserId, secret: &[u8]) -> Vec<u8> {
    context.secrets.encrypt(&context.random, &aad(user), secret)
}

/// Decrypts it.
pub fn open_secret(context: &Context, user: UserId, sealed: &[u8]) -> Option<Vec<u8>> {
    context.secrets.decrypt(&aad(user), sealed)
}

/// Sets up the authenticator app, replacing a previous one. `step` is the time step of the code that was entered. Returns
/// recovery codes if this is the user's first second factor.
pub async fn set_app(
    change: &mut Change<SignedInUser>,
    _: &RecentAuth,
    secret: &[u8],
    step: i64,
) -> Result<Option<Vec<String>>> {
    let (person, now) = (change.user().clone(), change.now());
    change.lock_user(person.id).await?;
    let codes = first_codes(change, &person).await?;
    let sealed = seal_secret(change.context(), person.id, secret);
    let sql = "insert into authenticators (user_id, secret, last_step, created_at) values ($1, $2, $3, $4)
        on conflict (user_id) do update set secret = excluded.secret, last_step = excluded.last_step,
            created_at = excluded.created_at";
    change.query_of_user(sql).bind(sealed).bind(step).bind(now).execute().await?;
    notify(change, &person, FactorChange::AppAdded, "factor.app_added").await?;
    Ok(codes)
}

/// Turns the authenticator app off.
pub async fn remove_app(change: &mut Change<SignedInUser>, _: &RecentAuth) -> Result<()> {
    let person = change.user().clone();
    change.lock_user(person.id).await?;
    if change.query_of_user("delete from authenticators where user_id = $1").execute().await? == 0 {
        return Err(Error::conflict("no_app", "No authenticator app is set up."));
    }
    delete_orphaned_codes(change, person.id).await?;
    notify(change, &person, FactorChange::AppRemoved, "factor.app_removed").await
}

/// Makes new recovery codes. The old ones stop working.
pub async fn new_codes(change: &mut Change<SignedInUser>, _: &RecentAuth) -> Result<Vec<String>> {
    let person = change.user().clone();
    change.lock_user(person.id).await?;
    if !available(change, person.id).await?.has_second() {
        let detail =
            "Recovery codes stand in for a second factor. Set up an authenticator app or a passkey first.";
        return Err(Error::conflict("no_factor", detail));
    }
    let codes = write_codes(change, person.id).await?;
    notify(change, &person, FactorChange::NewCodes, "factor.codes_renewed").await?;
    Ok(codes)
}

/// Makes recovery codes if the user has no second factor yet.
pub(super) async fn first_codes(
    change: &mut Change<SignedInUser>,
    person: &UserSummary,
) -> Result<Option<Vec<String>>> {
    if available(change, person.id).await?.has_second() {
        return Ok(None);
    }
    write_codes(change, person.id).await.map(Some)
}

async fn write_codes(change: &mut Change<SignedInUser>, user: UserId) -> Result<Vec<String>> {
    change.query_unscoped("delete from recovery_codes where user_id = $1").bind(user).execute().await?;
    let context = change.context().clone();
    let codes: Vec<String> = (0..CODES).map(|_| recovery_code(&context.random)).collect();
    for code in &codes {
        let sql = "insert into recovery_codes (user_id, hash) values ($1, $2)";
        change
            .query_unscoped(sql)
            .bind(user)
            .bind(context.secrets.recovery_code_mac(user.0.as_bytes(), code))
            .execute()
            .await?;
    }
    Ok(codes)
}

/// Deletes the recovery codes of a user without a second factor, and marks their sessions as single-factor.
pub(super) async fn delete_orphaned_codes<A>(change: &mut Change<A>, user: UserId) -> Result<()> {
    if available(change, user).await?.has_second() {
        return Ok(());
    }
    change.query_unscoped("delete from recovery_codes where user_id = $1").bind(user).execute().await?;
    change
        .query_unscoped("update sessions set two_factors = false where user_id = $1")
        .bind(user)
        .execute()
        .await?;
    Ok(())
}

/// Checks a code of the user's authenticator app. A code works once, and older ones stop working.
pub async fn take_app_code<A>(change: &mut Change<A>, user: UserId, code: &str) -> Result<bool> {
    let sql = "select secret from authenticators where user_id = $1";
    let found: Option<(Vec<u8>,)> = change.query_unscoped(sql).bind(user).fetch_optional().await?;
    let Some((sealed,)) = found else { return Ok(false) };
    let context = change.context().clone();
    let secret = open_secret(&context, user, &sealed).ok_or_else(|| {
        Error::Internal("an authenticator's secret does not open with this secret key".into())
    })?;
    let Some(step) = totp::matching_step(&secret, code, context.now()) else { return Ok(false) };
    let sql = "update authenticators set last_step = $2 where user_id = $1 and last_step < $2";
    Ok(change.query_unscoped(sql).bind(user).bind(step).execute().await? == 1)
}

/// Checks a code of the app or, at sign-in, a recovery code.
pub async fn take_code(change: &mut Change<Anonymous>, person: &UserSummary, code: &str) -> Result<bool> {
    if take_app_code(change, person.id, code).await? {
        return Ok(true);
    }
    let (context, now) = (change.context().clone(), change.now());
    let hash = context.secrets.recovery_code_mac(person.id.0.as_bytes(), &normalize_recovery_code(code));
    let sql = "update recovery_codes set used_at = $3 where user_id = $1 and hash = $2 and used_at is null";
    if change.query_unscoped(sql).bind(person.id).bind(hash).bind(now).execute().await? == 0 {
        return Ok(false);
    }
    let left = available(change, person.id).await?.codes;
    notify(change, person, FactorChange::CodeUsed(left), "factor.code_used").await?;
    Ok(true)
}

/// Records the change in the user's own audit chain and mails it to them.
pub(super) async fn notify<A>(
    change: &mut Change<A>,
    person: &UserSummary,
    what: FactorChange<'_>,
    action: &'static str,
) -> Result<()> {
    let context = change.context().clone();
    let letter = emails::factor_changed(&site(&context), &person.email, what, &context.now().in_words());
    change.send(&letter).await?;
    let after = match what {
        FactorChange::PasskeyAdded(name) | FactorChange::PasskeyRemoved(name) => json!({ "passkey": name }),
        FactorChange::CodeUsed(left) => json!({ "left": left }),
        _ => serde_json::Value::Null,
    };
    let chain = users::chain(change, person.id).await?;
    let event = NewEvent::on(action, "user", person.id, &person.email);
    audit::record_in(change, chain, event.changed(serde_json::Value::Null, after)).await
}

/// Removes a user's authenticator app, recovery codes and passkeys and ends their sessions, for a user who lost them all.
/// `None` if the address has no user.
pub async fn reset(change: &mut Change<System>, email: &EmailAddress) -> Result<Option<UserSummary>> {
    let Some(user) = users::find(change, email).await? else { return Ok(None) };
    let person = UserSummary { id: user.id, name: user.name, email: user.email };
    change.query_unscoped("delete from authenticators where user_id = $1").bind(person.id).execute().await?;
    passkeys::delete_all(change, person.id).await?;
    change.query_unscoped("delete from recovery_codes where user_id = $1").bind(person.id).execute().await?;
    sessions::end_all(change, person.id, None).await?;
    notify(change, &person, FactorChange::Reset, "factor.reset").await?;
    Ok(Some(person))
}
