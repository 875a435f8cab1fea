//! What other processes notify, on Postgres.
use super::{Db, Result};
use sqlx::{
    Executor as _,
    postgres::{PgListener, PgPoolOptions},
};

/// A connection that listens, apart from those that serve requests.
pub struct Listener(PgListener);

impl Listener {
    /// Listens on a channel. None on SQLite, which has nobody to listen to.
    pub async fn open(db: &Db, channel: &str) -> Result<Option<Listener>> {
        let Db::Postgres(pool) = db else { return Ok(None) };
        let options = pool.connect_options().as_ref().clone();
        let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let mut listener = PgListener::connect_with(&own.connect_with(options).await?).await?;
        listener.eager_reconnect(false);
        listener.listen(channel).await?;
        Ok(Some(Listener(listener)))
    }
    /// All that was notified until now: asking the server brings what it still had for us.
    pub async fn hear(&mut self) -> Result<Vec<String>> {
        use sqlx::Acquire as _;
        let conn = self.0.acquire().await?;
        conn.execute("select 1").await?;
        let mut heard = vec![];
        while let Some(it) = self.0.next_buffered() {
            heard.push(it.payload().to_owned());
        }
        Ok(heard)
    }
}
