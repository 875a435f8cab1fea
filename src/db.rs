//! One SQL text for two engines, SQLite and Postgres. A query holds its text and its arguments, encoded for the engine of its
//! connection; the engine is chosen in one place, the macro `on!`. Nothing above this module knows which one it talks to.
mod dialect;
mod listen;
mod migrate;
mod predicates;
mod value;

pub use listen::Listener;
pub use value::{List, Record, Value};

use dialect::{highest, translate};
use sqlx::{
    Arguments as _, ConnectOptions as _, Connection as _, Database, Encode, PgPool, Postgres, Sqlite,
    SqlitePool, Transaction, Type,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    },
};
use std::{cell::Cell, path::PathBuf, pin::Pin, str::FromStr, time::Duration};

/// A future behind a pointer. The compiler proves that a future is `Send` by looking through every future inside of it, for each
/// route anew; it stops at a box. Boxing what asks the database halves the time that the crate takes to compile, and costs an
/// allocation for each statement.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub type Result<T> = std::result::Result<T, sqlx::Error>;

/// How long a request waits for a connection before it fails as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);

/// The database: SQLite with many readers and one writer, or Postgres.
#[derive(Clone)]
pub enum Db {
    Sqlite {
        /// Opened with `query_only`.
        read: SqlitePool,
        /// One connection: writers queue here instead of meeting `SQLITE_BUSY`.
        write: SqlitePool,
    },
    Postgres(PgPool),
}

/// A connection or an open transaction: statements run on either.
pub enum Conn {
    /// Takes a connection when the first statement runs.
    Lazy(Db),
    Sqlite(PoolConnection<Sqlite>),
    SqliteTx(Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
    /// Nothing: what was here works elsewhere for a while, and comes back.
    Lent,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Db {
    /// The file of a `sqlite:` URL; `None` for an in-memory database.
    pub fn file(url: &str) -> Option<PathBuf> {
        let path = SqliteConnectOptions::from_str(url).ok()?.get_filename().to_path_buf();
        let is_persistent = !url.contains(":memory:") && !url.contains("mode=memory");
        (is_persistent && path.file_name().is_some()).then_some(path)
    }
    /// Opens `sqlite://path`, which is created if missing, or `postgres://…`.
    pub async fn connect(url: &str) -> Result<Db> {
        if url.starts_with("postgres") {
            let options = PgConnectOptions::from_str(url)?
                .log_statements(tracing::log::LevelFilter::Trace)
                .options([("statement_timeout", "15000"), ("idle_in_transaction_session_timeout", "20000")]);
            let pool = PgPoolOptions::new()
                .max_connections(20)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                // A ping costs a round trip: ping only connections that were idle for a second.
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
            // In KiB, for each of nine connections. The operating system caches the file, too.
            .pragma("cache_size", "-1024")
            .log_statements(tracing::log::LevelFilter::Trace);
        let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT * 3);
        let write = write.connect_with(base.clone().optimize_on_close(true, None)).await?;
        let read = SqlitePoolOptions::new().max_connections(8).acquire_timeout(ACQUIRE_TIMEOUT);
        let read = read.connect_with(base.pragma("query_only", "on")).await?;
        Ok(Db::Sqlite { read, write })
    }
    pub fn dialect(&self) -> Dialect {
        match self {
            Db::Sqlite { .. } => Dialect::Sqlite,
            Db::Postgres(_) => Dialect::Postgres,
        }
    }
    /// A connection for statements that read.
    pub async fn read(&self) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { read, .. } => Conn::Sqlite(read.acquire().await?),
            Db::Postgres(pool) => Conn::Postgres(pool.acquire().await?),
        })
    }
    /// Like `read`, but takes the connection when the first statement runs: a request answered from memory needs none.
    pub fn read_lazily(&self) -> Conn {
        Conn::Lazy(self.clone())
    }
    /// A transaction that may write. SQLite takes its write lock here, so that a write after a read cannot fail as busy.
    pub async fn begin(&self) -> Result<Conn> {
        self.begin_by("pragma synchronous = normal; begin immediate").await
    }
    /// Like `begin`, but commits are flushed to disk: they survive a power failure, not only a crash of the program.
    pub async fn begin_durable(&self) -> Result<Conn> {
        self.begin_by("pragma synchronous = full; begin immediate").await
    }
    async fn begin_by(&self, sqlite: &'static str) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { write, .. } => Conn::SqliteTx(write.begin_with(sqlite).await?),
            Db::Postgres(pool) => Conn::PostgresTx(pool.begin().await?),
        })
    }
    /// How many connections are open, and how many of them are idle.
    pub fn connections(&self) -> (u32, usize) {
        match self {
            Db::Sqlite { read, write } => (read.size() + write.size(), read.num_idle() + write.num_idle()),
            Db::Postgres(pool) => (pool.size(), pool.num_idle()),
        }
    }
    /// Applies pending migrations; safe to run from many replicas at once.
    pub async fn migrate(&self) -> Result<()> {
        migrate::run(self).await
    }
    /// How many migrations are not applied yet.
    pub async fn pending_migrations(&self) -> Result<usize> {
        migrate::pending(self).await
    }
    /// Waits for running statements, then closes.
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
    pub fn dialect(&self) -> Dialect {
        match self {
            Conn::Lazy(db) => db.dialect(),
            Conn::Sqlite(_) | Conn::SqliteTx(_) => Dialect::Sqlite,
            Conn::Postgres(_) | Conn::PostgresTx(_) => Dialect::Postgres,
            Conn::Lent => unreachable!("a connection that is lent is asked nothing"),
        }
    }
    /// Whether this is a transaction.
    pub fn is_change(&self) -> bool {
        matches!(self, Conn::SqliteTx(_) | Conn::PostgresTx(_))
    }
    async fn open(&mut self) -> Result<&mut Conn> {
        if let Conn::Lazy(db) = self {
            *self = db.read().await?;
        }
        Ok(self)
    }
    /// Takes SQL in the Postgres dialect, which is translated for SQLite: see `dialect`.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let args = match self.dialect() {
            Dialect::Sqlite => Args::Sqlite(SqliteArguments::default()),
            Dialect::Postgres => Args::Postgres(PgArguments::default()),
        };
        let sql = translate(sql, self.dialect());
        Query { conn: self, sql, args, bound: 0 }
    }
    /// Commits the transaction. A transaction that is dropped instead is rolled back.
    pub async fn commit(self) -> Result<()> {
        match self {
            Conn::SqliteTx(tx) => tx.commit().await,
            Conn::PostgresTx(tx) => tx.commit().await,
            Conn::Lazy(_) | Conn::Sqlite(_) | Conn::Postgres(_) | Conn::Lent => Ok(()),
        }
    }
}

tokio::task_local! {
    static STATEMENTS: Cell<u32>;
}

/// Runs `work`, and counts the statements that it executes.
pub async fn count_statements<T>(work: impl Future<Output = T>) -> (T, u32) {
    STATEMENTS.scope(Cell::new(0), async { (work.await, STATEMENTS.with(Cell::get)) }).await
}

enum Args {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

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

/// The one place where the engine is chosen: expands the body once for each.
macro_rules! on {
    ($query:expr, |$DB:ident, $sql:ident, $args:ident, $to:ident| $body:expr) => {{
        let Query { conn, sql, args, bound } = $query;
        // SQLite would read a missing value as NULL, and both would ignore one too many.
        debug_assert_eq!(bound, highest(sql), "values bound and $n in: {sql}");
        let _ = bound;
        // Fails outside of `count_statements`, where nothing is counted.
        let _ = STATEMENTS.try_with(|count| count.set(count.get() + 1));
        let $sql = sql;
        match (conn.open().await?, args) {
            (Conn::Sqlite(conn), Args::Sqlite($args)) => {
                type $DB = Sqlite;
                let $to = &mut **conn;
                $body
            }
            (Conn::SqliteTx(conn), Args::Sqlite($args)) => {
                type $DB = Sqlite;
                let $to = &mut **conn;
                $body
            }
            (Conn::Postgres(conn), Args::Postgres($args)) => {
                type $DB = Postgres;
                let $to = &mut **conn;
                $body
            }
            (Conn::PostgresTx(conn), Args::Postgres($args)) => {
                type $DB = Postgres;
                let $to = &mut **conn;
                $body
            }
            _ => unreachable!("arguments are built for this connection"),
        }
    }};
}

impl<'q> Query<'q> {
    /// Binds the next placeholder: `$1`, `$2`, …
    pub fn bind<'t, T: Value<'t>>(mut self, value: T) -> Self {
        self.bound += 1;
        match &mut self.args {
            Args::Sqlite(args) => push::<Sqlite, T>(args, value),
            Args::Postgres(args) => push::<Postgres, T>(args, value),
        }
        self
    }
    /// Returns the number of affected rows.
    pub fn execute(self) -> BoxFuture<'q, Result<u64>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| {
                let done = sqlx::query_with::<DB, _>(sql, args).execute(to).await?;
                Ok(done.rows_affected())
            })
        })
    }
    pub fn fetch_all<T: Record + 'q>(self) -> BoxFuture<'q, Result<Vec<T>>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_all(to).await)
        })
    }
    /// Fails with `RowNotFound` if there is none.
    pub fn fetch_one<T: Record + 'q>(self) -> BoxFuture<'q, Result<T>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_one(to).await)
        })
    }
    pub fn fetch_optional<T: Record + 'q>(self) -> BoxFuture<'q, Result<Option<T>>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_optional(to).await)
        })
    }
}
