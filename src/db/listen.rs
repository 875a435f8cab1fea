//! `LISTEN` and `NOTIFY` on Postgres.
use super::{Db, Result};
use sqlx::{
    Executor as _,
    postgres::{PgListener, PgPoolOptions},
};

/// A dedicated connection, outside of the pool that serves requests.
pub struct Listener(PgListener);

impl Listener {
    /// Listens on a channel. `None` on SQLite, where one process has the whole database.
    pub async fn open(db: &Db, channel: &str) -> Result<Option<Listener>> {
        let Db::Postgres(pool) = db else { return Ok(None) };
        let options = pool.connect_options().as_ref().clone();
        let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let mut listener = PgListener::connect_with(&pool.connect_with(options).await?).await?;
        listener.eager_reconnect(false);
        listener.listen(channel).await?;
        Ok(Some(Listener(listener)))
    }
    /// The payloads that arrived since the last poll. The statement makes the server send what it holds back.
    pub async fn poll(&mut self) -> Result<Vec<String>> {
        use sqlx::Acquire as _;
        let conn = self.0.acquire().await?;
        conn.execute("select 1").await?;
        let mut payloads = vec![];
        while let Some(notification) = self.0.next_buffered() {
            payloads.push(notification.payload().to_owned());
        }
        Ok(payloads)
    }
}
