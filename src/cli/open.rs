//! The database and the kit, as a command finds them.
use super::out::{Done, Failed};
use crate::{
    context::{Chance, Clock, Kit, Rules},
    crypto::secrets::Seal,
    db::Db,
    error::Error,
    settings::{Database, Settings},
    store::{Change, Client, Host, Scope, audit},
};
use std::time::Duration;

/// How long a database that does not answer is waited for: it may be starting beside us.
const PATIENCE: Duration = Duration::from_secs(12);

/// Whether a command makes a database where there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is the first to come.
    Make,
    /// There is nothing to look at.
    Refuse,
}

/// A database, and what goes with it.
pub struct House {
    /// The database, migrated.
    pub db: Db,
    /// The clock, the rules and the rest.
    pub kit: Kit,
    host: Host,
}

/// The kit of these settings, reached at `base_url`.
pub fn kit(settings: &Settings, base_url: String) -> Done<Kit> {
    let key = settings.secret_key().map_err(Failed::Settings)?;
    let rules = Rules {
        base_url,
        max_organizations_per_user: settings.max_organizations_per_user,
        open_sign_up: settings.open_sign_up,
        loopback: settings.is_loopback(),
        allow_private_addresses: settings.allow_private_addresses,
        dns_resolver: settings.dns_resolver,
        social: settings.social.clone(),
    };
    Ok(Kit::new(Clock::real(), Chance::real(), Seal::new(&key), settings.catalog.clone(), rules))
}

/// The database, connected. A server that is starting is waited for.
pub async fn connect(settings: &Settings) -> Done<Db> {
    let began = tokio::time::Instant::now();
    let shown = settings.database.describe();
    loop {
        let cause = match Db::connect(settings.database.url()).await {
            Ok(db) => return Ok(db),
            Err(cause) => cause.into(),
        };
        let is_server = matches!(settings.database, Database::Postgres(_));
        match cause {
            Error::Unavailable(_) if is_server && began.elapsed() < PATIENCE => {
                tracing::warn!(database = shown, "waiting for the database");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Error::Unavailable(said) | Error::Internal(said) => {
                let sentence =
                    format!("The database {shown} cannot be opened ({said}). Check GUILDHALL_DATABASE_URL.");
                return Err(Failed::Because(sentence));
            }
            other => return Err(other.into()),
        }
    }
}

/// The database, connected and migrated.
pub async fn database(settings: &Settings) -> Done<Db> {
    let db = connect(settings).await?;
    let migrated = db.migrate().await.map_err(Error::from);
    migrated.map_err(|it| {
        let (Error::Unavailable(said) | Error::Internal(said)) = it else { return it.into() };
        let shown = settings.database.describe();
        Failed::Because(format!("The database {shown} cannot be brought up to date ({said})."))
    })?;
    Ok(db)
}

/// The log of this database was written under our key: with another one, nothing that is sealed would open, and what is
/// added to the log would not hold.
pub async fn check_key(db: &Db, kit: &Kit) -> Done {
    let mut scope = Scope::read(db, Host("guildhall"), kit, &Client::default());
    if audit::is_ours(&mut scope).await? {
        return Ok(());
    }
    let sentence =
        "This database was written under another secret key. Set GUILDHALL_SECRET_KEY to that one.";
    Err(Failed::Settings(sentence.into()))
}

impl House {
    /// For a command, by its name.
    pub async fn open(settings: &Settings, missing: Missing, command: &'static str) -> Done<House> {
        let house = House::look(settings, missing, command).await?;
        check_key(&house.db, &house.kit).await?;
        Ok(house)
    }
    /// The same, whatever the secret key.
    pub async fn look(settings: &Settings, missing: Missing, command: &'static str) -> Done<House> {
        if missing == Missing::Refuse && settings.database.is_missing() {
            let shown = settings.database.describe();
            let sentence =
                format!("There is no database {shown}. Check GUILDHALL_DATABASE_URL, or serve first.");
            return Err(Failed::Because(sentence));
        }
        let kit = kit(settings, settings.base_url(settings.listen))?;
        let db = database(settings).await?;
        Ok(House { db, kit, host: Host(command) })
    }
    /// For reading.
    pub fn read(&self) -> Scope<Host> {
        Scope::read(&self.db, self.host.clone(), &self.kit, &Client::default())
    }
    /// One transaction, kept if the story ends well.
    pub async fn change<T>(&self, story: impl AsyncFnOnce(&mut Change<Host>) -> Done<T>) -> Done<T> {
        let mut change = Change::<Host>::begin(&self.db, self.host.clone(), &self.kit).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
}
