//! What commands share: the database and the context.
use super::out::{CliError, CliResult};
use crate::{
    context::{Clock, Context, InstallationConfig},
    crypto::random::Random,
    crypto::secrets::Secrets,
    db::Db,
    error::Error,
    settings::{Database, Settings},
    store::{Change, Scope, System, audit},
};
use std::time::Duration;

/// How long to wait for a database that does not answer: it may be starting, too.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(12);

/// What to do if there is no database yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    Create,
    Fail,
}

/// What a command works on.
pub struct Installation {
    /// Migrated.
    pub db: Db,
    pub context: Context,
    system: System,
}

pub fn context(settings: &Settings, base_url: String) -> CliResult<Context> {
    let key = settings.secret_key().map_err(CliError::Config)?;
    let config = InstallationConfig {
        base_url,
        max_organizations_per_user: settings.max_organizations_per_user,
        open_sign_up: settings.open_sign_up,
        loopback: settings.is_loopback(),
        allow_private_addresses: settings.allow_private_addresses,
        dns_resolver: settings.dns_resolver,
        social: settings.social.clone(),
    };
    Ok(Context::new(Clock::real(), Random::real(), Secrets::new(&key), settings.catalog.clone(), config))
}

/// Connects to the database, and waits for a server that is starting.
pub async fn connect(settings: &Settings) -> CliResult<Db> {
    let began = tokio::time::Instant::now();
    let shown = settings.database.describe();
    loop {
        let cause = match Db::connect(settings.database.url()).await {
            Ok(db) => return Ok(db),
            Err(cause) => cause.into(),
        };
        let is_server = matches!(settings.database, Database::Postgres(_));
        match cause {
            Error::Unavailable(_) if is_server && began.elapsed() < CONNECT_TIMEOUT => {
                tracing::warn!(database = shown, "waiting for the database");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Error::Unavailable(detail) | Error::Internal(detail) => {
                let sentence = format!(
                    "The database {shown} cannot be opened ({detail}). Check GUILDHALL_DATABASE_URL."
                );
                return Err(CliError::Message(sentence));
            }
            other => return Err(other.into()),
        }
    }
}

/// Connects to the database and migrates it.
pub async fn database(settings: &Settings) -> CliResult<Db> {
    let db = connect(settings).await?;
    let migrated = db.migrate().await.map_err(Error::from);
    migrated.map_err(|error| {
        let (Error::Unavailable(detail) | Error::Internal(detail)) = error else { return error.into() };
        let shown = settings.database.describe();
        CliError::Message(format!("The database {shown} cannot be migrated ({detail})."))
    })?;
    Ok(db)
}

/// Fails if the database was written under another secret key: nothing that is encrypted in it could be read, and the audit log
/// would not verify any more.
pub async fn check_key(db: &Db, context: &Context) -> CliResult {
    let mut scope = Scope::system(db, System("guildhall"), context);
    if audit::is_ours(&mut scope).await? {
        return Ok(());
    }
    let sentence =
        "This database was written under another secret key. Set GUILDHALL_SECRET_KEY to that key.";
    Err(CliError::Config(sentence.into()))
}

impl Installation {
    /// `command` names the actor in the audit log.
    pub async fn open(
        settings: &Settings,
        if_missing: IfMissing,
        command: &'static str,
    ) -> CliResult<Installation> {
        let installation = Installation::open_unchecked(settings, if_missing, command).await?;
        check_key(&installation.db, &installation.context).await?;
        Ok(installation)
    }
    /// The same, without checking the secret key.
    pub async fn open_unchecked(
        settings: &Settings,
        if_missing: IfMissing,
        command: &'static str,
    ) -> CliResult<Installation> {
        if if_missing == IfMissing::Fail && settings.database.is_missing() {
            let shown = settings.database.describe();
            let sentence = format!(
                "There is no database {shown}. Check GUILDHALL_DATABASE_URL, or run “guildhall serve” first."
            );
            return Err(CliError::Message(sentence));
        }
        let context = context(settings, settings.base_url(settings.listen))?;
        let db = database(settings).await?;
        Ok(Installation { db, context, system: System(command) })
    }
    pub fn read(&self) -> Scope<System> {
        Scope::system(&self.db, self.system, &self.context)
    }
    /// Runs `work` in a transaction, and commits if it succeeds.
    pub async fn change<T>(
        &self,
        work: impl AsyncFnOnce(&mut Change<System>) -> CliResult<T>,
    ) -> CliResult<T> {
        let mut change = Change::begin_as_system(&self.db, self.system, &self.context).await?;
        let result = work(&mut change).await?;
        change.commit().await?;
        Ok(result)
    }
}
