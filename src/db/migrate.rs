//! Migrations, compiled into the program: one text for both engines. All pending ones run in one transaction. A migration is never
//! edited once it is released.
use super::{Conn, Db, Dialect, Result, dialect::ddl};
use sqlx::AssertSqlSafe;

const ALL: &[(&str, &str)] = &[
    ("0001_users", include_str!("../../migrations/0001_users.sql")),
    ("0002_accounts", include_str!("../../migrations/0002_accounts.sql")),
    ("0003_invitations", include_str!("../../migrations/0003_invitations.sql")),
    ("0004_keys", include_str!("../../migrations/0004_keys.sql")),
    ("0005_audit", include_str!("../../migrations/0005_audit.sql")),
    ("0006_mails", include_str!("../../migrations/0006_mails.sql")),
    ("0007_resources", include_str!("../../migrations/0007_resources.sql")),
    ("0008_roles", include_str!("../../migrations/0008_roles.sql")),
    ("0009_requests", include_str!("../../migrations/0009_requests.sql")),
    ("0010_removals", include_str!("../../migrations/0010_removals.sql")),
    ("0011_gateway", include_str!("../../migrations/0011_gateway.sql")),
    ("0012_once", include_str!("../../migrations/0012_once.sql")),
    ("0013_key_care", include_str!("../../migrations/0013_key_care.sql")),
    ("0014_usage", include_str!("../../migrations/0014_usage.sql")),
    ("0015_billing", include_str!("../../migrations/0015_billing.sql")),
    ("0016_sso", include_str!("../../migrations/0016_sso.sql")),
    ("0017_factors", include_str!("../../migrations/0017_factors.sql")),
    ("0018_identities", include_str!("../../migrations/0018_identities.sql")),
    ("0019_busiest", include_str!("../../migrations/0019_busiest.sql")),
    ("0020_holders", include_str!("../../migrations/0020_holders.sql")),
    ("0021_throttled", include_str!("../../migrations/0021_throttled.sql")),
    ("0022_plain_names", include_str!("../../migrations/0022_plain_names.sql")),
    ("0023_outbox", include_str!("../../migrations/0023_outbox.sql")),
];

pub async fn run(db: &Db) -> Result<()> {
    let mut conn = db.begin().await?;
    if let Conn::PostgresTx(_) = conn {
        // Replicas that start at the same time take turns.
        conn.query("select 1 from (select pg_advisory_xact_lock(7236482643)) taken").execute().await?;
    }
    raw(&mut conn, "create table if not exists migrations (name text primary key)".to_owned()).await?;
    let all_applied: Vec<(String,)> = conn.query("select name from migrations").fetch_all().await?;
    for (name, text) in ALL {
        if all_applied.iter().any(|(applied,)| applied == name) {
            continue;
        }
        let text = ddl(text, conn.dialect());
        raw(&mut conn, text).await?;
        conn.query("insert into migrations (name) values ($1)").bind(*name).execute().await?;
    }
    conn.commit().await
}

pub async fn pending(db: &Db) -> Result<usize> {
    let mut conn = db.read().await?;
    let exists = match db.dialect() {
        Dialect::Sqlite => "select name from sqlite_master where type = 'table' and name = 'migrations'",
        Dialect::Postgres => {
            "select cast(c.oid as text) from pg_class c where c.oid = to_regclass('migrations')"
        }
    };
    if conn.query(exists).fetch_optional::<(String,)>().await?.is_none() {
        return Ok(ALL.len());
    }
    let all_applied: Vec<(String,)> = conn.query("select name from migrations").fetch_all().await?;
    Ok(ALL.iter().filter(|(name, _)| !all_applied.iter().any(|(applied,)| applied == name)).count())
}

async fn raw(conn: &mut Conn, text: String) -> Result<()> {
    match conn {
        Conn::SqliteTx(tx) => sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **tx).await.map(drop),
        Conn::PostgresTx(tx) => sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **tx).await.map(drop),
        Conn::Lazy(_) | Conn::Sqlite(_) | Conn::Postgres(_) | Conn::Lent => {
            unreachable!("migrations run in a transaction")
        }
    }
}
