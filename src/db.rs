//! One SQL text, two engines. A query is text and arguments already encoded for the engine at hand; the engine is chosen
//! in exactly one place (`on!`). Nothing above this module knows which one it is talking to.
mod dialect;
mod listen;
mod migrate;
mod value;

pub use listen::Ear;
pub use value::{List, Record, Value};

use dialect::{highest, spell};
use sqlx::{
    Arguments as _, ConnectOptions as _, Connection as _, Database, Encode, PgPool, Postgres, Sqlite,
    SqlitePool, Transaction, Type,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    },
};
use std::{cell::Cell, path::PathBuf, str::FromStr, time::Duration};

/// What the database answers.
pub type Result<T> = std::result::Result<T, sqlx::Error>;

/// A request waits no longer than this for a connection: a busy or dead database is told as such.
const PATIENCE: Duration = Duration::from_secs(4);

/// The database: SQLite with many readers and one writer, or Postgres.
#[derive(Clone)]
pub enum Db {
    /// A file.
    Sqlite {
        /// Cannot write.
        read: SqlitePool,
        /// One connection: writers queue here, and never meet a busy file.
        write: SqlitePool,
    },
    /// A server.
    Postgres(PgPool),
}

/// A connection or an open transaction. Those who ask do not care which.
pub enum Conn {
    /// Reads, once there is something to read.
    Later(Db),
    /// Reads.
    Lite(PoolConnection<Sqlite>),
    /// Changes.
    LiteTx(Transaction<'static, Sqlite>),
    /// Reads.
    Pg(PoolConnection<Postgres>),
    /// Changes.
    PgTx(Transaction<'static, Postgres>),
}

/// Which engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Db {
    /// The file of a `sqlite:` URL; none if it names none that lasts.
    pub fn file(url: &str) -> Option<PathBuf> {
        let path = SqliteConnectOptions::from_str(url).ok()?.get_filename().to_path_buf();
        let lasts = !url.contains(":memory:") && !url.contains("mode=memory");
        (lasts && path.file_name().is_some()).then_some(path)
    }
    /// Opens `sqlite://path` (made if missing) or `postgres://…`.
    pub async fn connect(url: &str) -> Result<Db> {
        if url.starts_with("postgres") {
            let options = PgConnectOptions::from_str(url)?
                .log_statements(tracing::log::LevelFilter::Trace)
                .options([("statement_timeout", "15000"), ("idle_in_transaction_session_timeout", "20000")]);
            let pool = PgPoolOptions::new()
                .max_connections(20)
                .acquire_timeout(PATIENCE)
                // A ping for each request would be a round trip for each request: ask only who has slept.
                .test_before_acquire(false)
                .before_acquire(|conn, meta| {
                    Box::pin(async move {
                        if meta.idle_for < Duration::from_secs(1) {
                            return Ok(true);
                        }
                        Ok(conn.ping().await.is_ok())
                    })
                });
            return Ok(Db::Postgres(pool.connect_with(options).await?));
        }
        let base = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            // Nine connections have one each, in KiB; behind them stands the system's own cache of the file.
            .pragma("cache_size", "-1024")
            .log_statements(tracing::log::LevelFilter::Trace);
        let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE * 3);
        let write = write.connect_with(base.clone().optimize_on_close(true, None)).await?;
        let read = SqlitePoolOptions::new().max_connections(8).acquire_timeout(PATIENCE);
        let read = read.connect_with(base.pragma("query_only", "on")).await?;
        Ok(Db::Sqlite { read, write })
    }
    /// Which engine.
    pub fn dialect(&self) -> Dialect {
        match self {
            Db::Sqlite { .. } => Dialect::Sqlite,
            Db::Postgres(_) => Dialect::Postgres,
        }
    }
    /// A connection for single statements that read.
    pub async fn read(&self) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { read, .. } => Conn::Lite(read.acquire().await?),
            Db::Postgres(pool) => Conn::Pg(pool.acquire().await?),
        })
    }
    /// The same, taken when the first statement is asked: what can be answered from memory needs none.
    pub fn read_later(&self) -> Conn {
        Conn::Later(self.clone())
    }
    /// A transaction that may write. SQLite takes the write lock here, so that reading before writing never fails late.
    pub async fn begin(&self) -> Result<Conn> {
        self.begin_by("pragma synchronous = normal; begin immediate").await
    }
    /// The same, and what is committed is on the disk: it outlives the machine's sudden end, not only the program's.
    pub async fn begin_durable(&self) -> Result<Conn> {
        self.begin_by("pragma synchronous = full; begin immediate").await
    }
    async fn begin_by(&self, lite: &'static str) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { write, .. } => Conn::LiteTx(write.begin_with(lite).await?),
            Db::Postgres(pool) => Conn::PgTx(pool.begin().await?),
        })
    }
    /// Connections that are open, and those of them that nobody uses now.
    pub fn connections(&self) -> (u32, usize) {
        match self {
            Db::Sqlite { read, write } => (read.size() + write.size(), read.num_idle() + write.num_idle()),
            Db::Postgres(pool) => (pool.size(), pool.num_idle()),
        }
    }
    /// Brings the schema up to date; safe to run from many replicas at once.
    pub async fn migrate(&self) -> Result<()> {
        migrate::run(self).await
    }
    /// How many migrations are still to be made.
    pub async fn behind(&self) -> Result<usize> {
        migrate::behind(self).await
    }
    /// Waits for what is running, then closes.
    pub async fn close(&self) {
        match self {
            Db::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

impl Conn {
    /// Which engine.
    pub fn dialect(&self) -> Dialect {
        match self {
            Conn::Later(db) => db.dialect(),
            Conn::Lite(_) | Conn::LiteTx(_) => Dialect::Sqlite,
            Conn::Pg(_) | Conn::PgTx(_) => Dialect::Postgres,
        }
    }
    /// Whether it may write, and sees what it wrote.
    pub fn is_change(&self) -> bool {
        matches!(self, Conn::LiteTx(_) | Conn::PgTx(_))
    }
    async fn open(&mut self) -> Result<&mut Conn> {
        if let Conn::Later(db) = self {
            *self = db.read().await?;
        }
        Ok(self)
    }
    /// SQL is a literal, written for Postgres; the few spellings that SQLite lacks are replaced.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let args = match self.dialect() {
            Dialect::Sqlite => Args::Lite(SqliteArguments::default()),
            Dialect::Postgres => Args::Pg(PgArguments::default()),
        };
        let sql = spell(sql, self.dialect());
        Query { conn: self, sql, args, bound: 0 }
    }
    /// Keeps what a transaction did. Dropped without it, it never was.
    pub async fn commit(self) -> Result<()> {
        match self {
            Conn::LiteTx(it) => it.commit().await,
            Conn::PgTx(it) => it.commit().await,
            Conn::Later(_) | Conn::Lite(_) | Conn::Pg(_) => Ok(()),
        }
    }
}

tokio::task_local! {
    static ASKED: Cell<u32>;
}

/// Does some work, and counts how many statements it asks.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, u32) {
    ASKED.scope(Cell::new(0), async { (work.await, ASKED.with(Cell::get)) }).await
}

enum Args {
    Lite(SqliteArguments),
    Pg(PgArguments),
}

/// A statement and its values.
#[must_use]
pub struct Query<'q> {
    conn: &'q mut Conn,
    sql: &'static str,
    args: Args,
    bound: usize,
}

fn push<'t, D: Database, T: Encode<'t, D> + Type<D>>(args: &mut D::Arguments, value: T) {
    args.add(value).expect("our values encode");
}

/// The single place where the engine is chosen: the body is expanded once for each.
macro_rules! on {
    ($query:expr, |$DB:ident, $sql:ident, $args:ident, $to:ident| $body:expr) => {{
        let Query { conn, sql, args, bound } = $query;
        // SQLite would read a missing value as NULL, and both would ignore one too many.
        debug_assert_eq!(bound, highest(sql), "values bound and $n in: {sql}");
        let _ = bound;
        // Outside of a request, nobody counts.
        let _ = ASKED.try_with(|it| it.set(it.get() + 1));
        let $sql = sql;
        match (conn.open().await?, args) {
            (Conn::Lite(conn), Args::Lite($args)) => {
                type $DB = Sqlite;
                let $to = &mut **conn;
                $body
            }
            (Conn::LiteTx(conn), Args::Lite($args)) => {
                type $DB = Sqlite;
                let $to = &mut **conn;
                $body
            }
            (Conn::Pg(conn), Args::Pg($args)) => {
                type $DB = Postgres;
                let $to = &mut **conn;
                $body
            }
            (Conn::PgTx(conn), Args::Pg($args)) => {
                type $DB = Postgres;
                let $to = &mut **conn;
                $body
            }
            _ => unreachable!("arguments are built for this connection"),
        }
    }};
}

impl Query<'_> {
    /// The next value: `$1`, `$2`, …
    pub fn bind<'t, T: Value<'t>>(mut self, value: T) -> Self {
        self.bound += 1;
        match &mut self.args {
            Args::Lite(args) => push::<Sqlite, T>(args, value),
            Args::Pg(args) => push::<Postgres, T>(args, value),
        }
        self
    }
    /// Runs it; answers how many rows it touched.
    pub async fn run(self) -> Result<u64> {
        on!(self, |DB, sql, args, to| {
            let done = sqlx::query_with::<DB, _>(sql, args).execute(to).await?;
            Ok(done.rows_affected())
        })
    }
    /// All rows.
    pub async fn all<T: Record>(self) -> Result<Vec<T>> {
        on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_all(to).await)
    }
    /// The one row that must be there.
    pub async fn one<T: Record>(self) -> Result<T> {
        on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_one(to).await)
    }
    /// The row, if there is one.
    pub async fn maybe<T: Record>(self) -> Result<Option<T>> {
        on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_optional(to).await)
    }
}
