//! Second factors: an authenticator app, and recovery codes. What proves who one is.
use super::{
    Change, Host, Me, Scope, Visitor, Who,
    audit::{self, Did},
    passkeys, sessions, site, users,
};
use crate::{
    context::Kit,
    crypto::{
        secrets::{recovery_code, tidy_recovery_code},
        totp,
    },
    emails::{self, FactorChange},
    error::{Error, Result},
    model::{
        access::{Fresh, Person},
        id::UserId,
        text::Email,
        time::Time,
    },
};
use serde_json::json;

/// How many recovery codes there are.
pub const CODES: usize = 10;

/// By what a user can prove who they are.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct Ways {
    /// By a password.
    pub password: bool,
    /// By an authenticator app, set up then.
    pub app_since: Option<Time>,
    /// By so many recovery codes that were not used.
    pub codes: i64,
    /// By so many passkeys.
    pub passkeys: i64,
    /// By signing in with Google, which proves nothing on a form.
    pub google: bool,
    /// Likewise with GitHub.
    pub github: bool,
}

impl Ways {
    /// Whether a password alone is not enough.
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

/// By what the user `$1` can prove who they are, and what else is asked.
macro_rules! ways_sql {
    ($rest:literal) => {
        concat!(
            "select u.password is not null as password,
                (select a.created_at from authenticators a where a.user_id = u.id) as app_since,
                (select count(*) from recovery_codes c where c.user_id = u.id and c.used_at is null) as codes,
                (select count(*) from passkeys p where p.user_id = u.id) as passkeys,
                exists (select 1 from identities i where i.user_id = u.id and i.provider = 'google') as google,
                exists (select 1 from identities i where i.user_id = u.id and i.provider = 'github') as github",
            $rest,
            " from users u where u.id = $1"
        )
    };
}
pub(super) use ways_sql;

/// By what this user can prove who they are.
pub async fn ways<W: Who>(scope: &mut Scope<W>, user: UserId) -> Result<Ways> {
    Ok(scope.sql(ways_sql!("")).bind(user).fetch_one().await?)
}

/// Where a secret is sealed, so that it opens for nobody else.
fn place(user: UserId) -> String {
    format!("authenticator {user}")
}

/// The secret of an app that is being set up, as it may be kept in a session.
pub fn seal_secret(kit: &Kit, user: UserId, secret: &[u8]) -> Vec<u8> {
    kit.seal.close(&kit.chance, &place(user), secret)
}

/// The same, opened.
pub fn open_secret(kit: &Kit, user: UserId, sealed: &[u8]) -> Option<Vec<u8>> {
    kit.seal.open(&place(user), sealed)
}

/// Sets up the authenticator app, in place of another; `step` is that of the code that showed that it works. Answers the
/// recovery codes, where the user had no second factor before.
pub async fn set_app(
    change: &mut Change<Me>,
    _: &Fresh,
    secret: &[u8],
    step: i64,
) -> Result<Option<Vec<String>>> {
    let (person, now) = (change.who().person.clone(), change.now());
    change.lock_user(person.id).await?;
    let codes = first_codes(change, &person).await?;
    let sealed = seal_secret(change.kit(), person.id, secret);
    let sql = "insert into authenticators (user_id, secret, last_step, created_at) values ($1, $2, $3, $4)
        on conflict (user_id) do update set secret = excluded.secret, last_step = excluded.last_step,
            created_at = excluded.created_at";
    change.ask(sql).bind(sealed).bind(step).bind(now).execute().await?;
    tell(change, &person, FactorChange::AppAdded, "factor.app_added").await?;
    Ok(codes)
}

/// Turns the authenticator app off.
pub async fn remove_app(change: &mut Change<Me>, _: &Fresh) -> Result<()> {
    let person = change.who().person.clone();
    change.lock_user(person.id).await?;
    if change.ask("delete from authenticators where user_id = $1").execute().await? == 0 {
        return Err(Error::conflict("no_app", "No authenticator app is set up."));
    }
    forget_codes_of_none(change, person.id).await?;
    tell(change, &person, FactorChange::AppRemoved, "factor.app_removed").await
}

/// Makes new recovery codes; the old ones stop.
pub async fn new_codes(change: &mut Change<Me>, _: &Fresh) -> Result<Vec<String>> {
    let person = change.who().person.clone();
    change.lock_user(person.id).await?;
    if !ways(change, person.id).await?.has_second() {
        let detail =
            "Recovery codes stand in for a second factor. Set up an authenticator app or a passkey first.";
        return Err(Error::conflict("no_factor", detail));
    }
    let codes = write_codes(change, person.id).await?;
    tell(change, &person, FactorChange::NewCodes, "factor.codes_renewed").await?;
    Ok(codes)
}

/// The first second factor comes with recovery codes.
pub(super) async fn first_codes(change: &mut Change<Me>, person: &Person) -> Result<Option<Vec<String>>> {
    if ways(change, person.id).await?.has_second() {
        return Ok(None);
    }
    write_codes(change, person.id).await.map(Some)
}

async fn write_codes(change: &mut Change<Me>, user: UserId) -> Result<Vec<String>> {
    change.sql("delete from recovery_codes where user_id = $1").bind(user).execute().await?;
    let kit = change.kit().clone();
    let codes: Vec<String> = (0..CODES).map(|_| recovery_code(&kit.chance)).collect();
    for code in &codes {
        let sql = "insert into recovery_codes (user_id, hash) values ($1, $2)";
        change.sql(sql).bind(user).bind(kit.seal.recovery(user.0.as_bytes(), code)).execute().await?;
    }
    Ok(codes)
}

/// Without a second factor there is nothing to recover, and no session was made with two.
pub(super) async fn forget_codes_of_none<W: Who>(change: &mut Change<W>, user: UserId) -> Result<()> {
    if ways(change, user).await?.has_second() {
        return Ok(());
    }
    change.sql("delete from recovery_codes where user_id = $1").bind(user).execute().await?;
    change.sql("update sessions set two_factors = false where user_id = $1").bind(user).execute().await?;
    Ok(())
}

/// Takes a code of the user's authenticator app: each once, and none older than the last.
pub async fn take_app_code<W: Who>(change: &mut Change<W>, user: UserId, code: &str) -> Result<bool> {
    let sql = "select secret from authenticators where user_id = $1";
    let found: Option<(Vec<u8>,)> = change.sql(sql).bind(user).fetch_optional().await?;
    let Some((sealed,)) = found else { return Ok(false) };
    let kit = change.kit().clone();
    let secret = open_secret(&kit, user, &sealed).ok_or_else(|| {
        Error::Internal("an authenticator's secret does not open with this secret key".into())
    })?;
    let Some(step) = totp::step(&secret, code, kit.now()) else { return Ok(false) };
    let sql = "update authenticators set last_step = $2 where user_id = $1 and last_step < $2";
    Ok(change.sql(sql).bind(user).bind(step).execute().await? == 1)
}

/// Takes a code of the app or, at sign-in, one of the recovery codes.
pub async fn take_code(change: &mut Change<Visitor>, person: &Person, code: &str) -> Result<bool> {
    if take_app_code(change, person.id, code).await? {
        return Ok(true);
    }
    let (kit, now) = (change.kit().clone(), change.now());
    let hash = kit.seal.recovery(person.id.0.as_bytes(), &tidy_recovery_code(code));
    let sql = "update recovery_codes set used_at = $3 where user_id = $1 and hash = $2 and used_at is null";
    if change.sql(sql).bind(person.id).bind(hash).bind(now).execute().await? == 0 {
        return Ok(false);
    }
    let left = ways(change, person.id).await?.codes;
    tell(change, person, FactorChange::CodeUsed(left), "factor.code_used").await?;
    Ok(true)
}

/// Writes what changed into the user's own chain, and mails it to them.
pub(super) async fn tell<W: Who>(
    change: &mut Change<W>,
    person: &Person,
    what: FactorChange<'_>,
    action: &'static str,
) -> Result<()> {
    let kit = change.kit().clone();
    let letter = emails::factor_changed(&site(&kit), &person.email, what, &kit.now().in_words());
    change.post(&letter).await?;
    let after = match what {
        FactorChange::PasskeyAdded(name) | FactorChange::PasskeyRemoved(name) => json!({ "passkey": name }),
        FactorChange::CodeUsed(left) => json!({ "left": left }),
        _ => serde_json::Value::Null,
    };
    let chain = users::chain(change, person.id).await?;
    let did = Did::to(action, "user", person.id, &person.email);
    audit::write(change, chain, did.changed(serde_json::Value::Null, after)).await
}

/// Takes a user's authenticator app, recovery codes and passkeys away and ends their sessions: for who has lost them all.
/// `None` if the address has no user.
pub async fn reset(change: &mut Change<Host>, email: &Email) -> Result<Option<Person>> {
    let Some(user) = users::find(change, email).await? else { return Ok(None) };
    let person = Person { id: user.id, name: user.name, email: user.email };
    change.sql("delete from authenticators where user_id = $1").bind(person.id).execute().await?;
    passkeys::forget_all(change, person.id).await?;
    change.sql("delete from recovery_codes where user_id = $1").bind(person.id).execute().await?;
    sessions::end_all(change, person.id, None).await?;
    tell(change, &person, FactorChange::Reset, "factor.reset").await?;
    Ok(Some(person))
}
