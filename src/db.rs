//! One SQL text, two engines. A query is text and arguments already encoded for the engine at hand; the engine is chosen
//! in exactly one place (`on!`). Nothing above this module knows which one it is talking to.
mod dialect;
mod listen;
mod migrate;
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
    Lazy(Db),
    /// Reads.
    Sqlite(PoolConnection<Sqlite>),
    /// Changes.
    SqliteTx(Transaction<'static, Sqlite>),
    /// Reads.
    Postgres(PoolConnection<Postgres>),
    /// Changes.
    PostgresTx(Transaction<'static, Postgres>),
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
            Db::Sqlite { read, .. } => Conn::Sqlite(read.acquire().await?),
            Db::Postgres(pool) => Conn::Postgres(pool.acquire().await?),
        })
    }
    /// The same, taken when the first statement is asked: what can be answered from memory needs none.
    pub fn read_later(&self) -> Conn {
        Conn::Lazy(self.clone())
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
            Db::Sqlite { write, .. } => Conn::SqliteTx(write.begin_with(lite).await?),
            Db::Postgres(pool) => Conn::PostgresTx(pool.begin().await?),
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
            Conn::Lazy(db) => db.dialect(),
            Conn::Sqlite(_) | Conn::SqliteTx(_) => Dialect::Sqlite,
            Conn::Postgres(_) | Conn::PostgresTx(_) => Dialect::Postgres,
        }
    }
    /// Whether it may write, and sees what it wrote.
    pub fn is_change(&self) -> bool {
        matches!(self, Conn::SqliteTx(_) | Conn::PostgresTx(_))
    }
    async fn open(&mut self) -> Result<&mut Conn> {
        if let Conn::Lazy(db) = self {
            *self = db.read().await?;
        }
        Ok(self)
    }
    /// SQL is a literal, written for Postgres; the few spellings that SQLite lacks are replaced.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let args = match self.dialect() {
            Dialect::Sqlite => Args::Sqlite(SqliteArguments::default()),
            Dialect::Postgres => Args::Postgres(PgArguments::default()),
        };
        let sql = translate(sql, self.dialect());
        Query { conn: self, sql, args, bound: 0 }
    }
    /// Keeps what a transaction did. Dropped without it, it never was.
    pub async fn commit(self) -> Result<()> {
        match self {
            Conn::SqliteTx(it) => it.commit().await,
            Conn::PostgresTx(it) => it.commit().await,
            Conn::Lazy(_) | Conn::Sqlite(_) | Conn::Postgres(_) => Ok(()),
        }
    }
}

tokio::task_local! {
    static STATEMENTS: Cell<u32>;
}

/// Does some work, and counts how many statements it asks.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, u32) {
    STATEMENTS.scope(Cell::new(0), async { (work.await, STATEMENTS.with(Cell::get)) }).await
}

enum Args {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
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
        let _ = STATEMENTS.try_with(|it| it.set(it.get() + 1));
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
    /// The next value: `$1`, `$2`, …
    pub fn bind<'t, T: Value<'t>>(mut self, value: T) -> Self {
        self.bound += 1;
        match &mut self.args {
            Args::Sqlite(args) => push::<Sqlite, T>(args, value),
            Args::Postgres(args) => push::<Postgres, T>(args, value),
        }
        self
    }
    /// Runs it; answers how many rows it touched.
    pub fn execute(self) -> BoxFuture<'q, Result<u64>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| {
                let done = sqlx::query_with::<DB, _>(sql, args).execute(to).await?;
                Ok(done.rows_affected())
            })
        })
    }
    /// All rows.
    pub fn fetch_all<T: Record + 'q>(self) -> BoxFuture<'q, Result<Vec<T>>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_all(to).await)
        })
    }
    /// The one row that must be there.
    pub fn fetch_one<T: Record + 'q>(self) -> BoxFuture<'q, Result<T>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_one(to).await)
        })
    }
    /// The row, if there is one.
    pub fn fetch_optional<T: Record + 'q>(self) -> BoxFuture<'q, Result<Option<T>>> {
        Box::pin(async move {
            on!(self, |DB, sql, args, to| sqlx::query_as_with::<DB, T, _>(sql, args).fetch_optional(to).await)
        })
    }
}
