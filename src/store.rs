//! All SQL. A function takes a `Scope` to read and a `Change` to change; both know who asks, and only the gates and the
//! commands make them.
pub mod access;
pub mod accounts;
pub mod audit;
pub mod billing;
pub mod budgets;
pub mod demo;
pub mod domains;
pub mod email_tokens;
pub mod factors;
pub mod grants;
mod guarded;
pub mod idempotency;
pub mod identities;
pub mod invalidations;
pub mod invitations;
pub mod invoices;
mod json;
pub mod keys;
pub mod me;
pub mod members;
mod memberships;
pub mod outbox;
pub mod overview;
pub mod passkeys;
pub mod payments;
pub mod plans;
pub mod rate_limits;
pub mod requests;
pub mod resources;
pub mod roles;
pub mod scopable_resources;
pub mod sessions;
pub mod shell;
pub mod sign_in_methods;
pub mod sign_ups;
pub mod sso;
pub mod teams;
pub mod tokens;
pub mod transfers;
pub mod usage;
pub mod users;
pub mod verify;
pub mod why;

pub use guarded::{Allowed, Guarded};

use crate::{
    context::{
        Kit,
        invalidation::{Mark, by_address},
        recall::{About, Name},
    },
    db::{Conn, Db, Query},
    emails::Letter,
    error::{Error, Result},
    model::{
        access::{By, Entry, Person, Session},
        id::{TokenId, UserId},
        time::Time,
        token::Scopes,
    },
};
use access::Credential;
use std::{
    net::IpAddr,
    ops::{Deref, DerefMut},
    sync::Arc,
};
use uuid::Uuid;

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The address, after the proxies that are trusted.
    pub address: Option<IpAddr>,
    /// What the browser calls itself, cut short; empty for a program.
    pub agent: Arc<str>,
}

impl Client {
    /// The address in words; empty where there is none.
    pub fn ip(&self) -> String {
        self.address.map(|it| it.to_string()).unwrap_or_default()
    }
}

/// A signed-in user, outside of any account.
#[derive(Clone, Debug)]
pub struct Me {
    /// Who.
    pub person: Person,
    /// The session by which they are signed in.
    pub session: Session,
    /// Whether they run the installation.
    pub operator: bool,
    /// The zone that they chose, by its IANA name.
    pub time_zone: Option<String>,
}

/// Nobody in particular: who signs in, signs up, or follows a mailed link.
#[derive(Clone, Debug)]
pub struct Visitor;

/// The person at the command line of the machine, and the program itself when it does what is due.
#[derive(Clone, Debug)]
pub struct Host(pub &'static str);

/// The platform's own back end, by a service token.
#[derive(Clone, Debug)]
pub struct Service {
    /// The token.
    pub id: TokenId,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub scopes: Scopes,
}

/// Who acts, as the audit log remembers them.
#[derive(Clone, Debug)]
pub struct Actor {
    /// `user`, `key`, `service`, `visitor`, `host`.
    pub kind: &'static str,
    /// The user's or the key's id.
    pub id: Option<Uuid>,
    /// A name that says something when they are gone.
    pub name: String,
}

/// Who may hold a scope.
pub trait Who: Send + Sync {
    /// Who acts.
    fn actor(&self) -> Actor;
    /// What is bound as `$1` by `ask`.
    fn first(&self) -> Uuid;
    /// To whom and of what another picture may be shown once they have changed something.
    fn family(&self) -> Vec<Uuid> {
        vec![]
    }
}
impl Who for Entry {
    fn family(&self) -> Vec<Uuid> {
        vec![self.person.id.0, self.here.id.0, self.here.top().0]
    }
    fn actor(&self) -> Actor {
        match &self.by {
            By::Session(_) => user(&self.person),
            By::Key { id, name } => {
                Actor { kind: "key", id: Some(id.0), name: format!("{name} ({})", self.person.email) }
            }
        }
    }
    fn first(&self) -> Uuid {
        self.here.id.0
    }
}
impl Who for Me {
    fn family(&self) -> Vec<Uuid> {
        vec![self.person.id.0]
    }
    fn actor(&self) -> Actor {
        user(&self.person)
    }
    fn first(&self) -> Uuid {
        self.person.id.0
    }
}
impl Who for Visitor {
    fn actor(&self) -> Actor {
        Actor { kind: "visitor", id: None, name: "Somebody not signed in".into() }
    }
    fn first(&self) -> Uuid {
        Uuid::nil()
    }
}
impl Who for Host {
    fn actor(&self) -> Actor {
        Actor { kind: "host", id: None, name: self.0.into() }
    }
    fn first(&self) -> Uuid {
        Uuid::nil()
    }
}
impl Who for Service {
    fn actor(&self) -> Actor {
        Actor { kind: "service", id: Some(self.id.0), name: self.name.clone() }
    }
    fn first(&self) -> Uuid {
        Uuid::nil()
    }
}
fn user(it: &Person) -> Actor {
    Actor { kind: "user", id: Some(it.id.0), name: it.email.clone() }
}

/// A connection, and who may use it. No transaction.
pub struct Scope<W = Entry> {
    conn: Conn,
    who: Arc<W>,
    kit: Kit,
    client: Client,
}

impl<W: Who> Scope<W> {
    /// For reading. A connection is taken when something is asked of it.
    pub fn read(db: &Db, who: impl Into<Arc<W>>, kit: &Kit, client: &Client) -> Scope<W> {
        Scope { conn: db.read_later(), who: who.into(), kit: kit.clone(), client: client.clone() }
    }
    /// Who asks.
    pub fn who(&self) -> &W {
        &self.who
    }
    /// The clock, the rules and the rest.
    pub fn kit(&self) -> &Kit {
        &self.kit
    }
    /// Now.
    pub fn now(&self) -> Time {
        self.kit.now()
    }
    /// `$1` is the account (or for a signed-in user outside of one, the user), in every statement that can name it.
    fn ask(&mut self, sql: &'static str) -> Query<'_> {
        debug_assert!(sql.contains("$1"), "no account in: {sql}");
        let first = self.who.first();
        self.conn.query(sql).bind(first)
    }
    /// For what is not of one account: tokens, slugs, users.
    fn sql(&mut self, sql: &'static str) -> Query<'_> {
        self.conn.query(sql)
    }
    /// What `read` finds, and about whom it is: remembered for a moment, for all who ask for it by this name. Within a change
    /// it is read.
    async fn recalled<T: Send + Sync + 'static>(
        &mut self,
        name: Name,
        read: impl AsyncFnOnce(&mut Self) -> Result<(T, About)>,
    ) -> Result<Arc<T>> {
        if self.conn.is_change() {
            return Ok(Arc::new(read(self).await?.0));
        }
        let (now, kit) = (self.now(), self.kit.clone());
        let name = match kit.recall.get(name, now, &kit.stale) {
            Ok(found) => return Ok(found),
            Err(name) => name,
        };
        let since = kit.stale.since();
        let (found, about) = read(self).await?;
        let found = Arc::new(found);
        kit.recall.keep(name, found.clone(), about, (now, since));
        Ok(found)
    }
}

impl Scope {
    /// What `draw` makes of the account for who asks, and of whom else it tells: remembered for a moment under these words,
    /// which name what it is and all that it depends on.
    pub async fn drawn(
        &mut self,
        words: &[&[u8]],
        draw: impl AsyncFnOnce(&mut Self) -> Result<(String, Vec<Uuid>)>,
    ) -> Result<Arc<String>> {
        let family = self.who().family();
        let mine: Vec<&[u8]> = family.iter().map(|it| it.as_bytes().as_slice()).collect();
        self.recalled(Name::of(&[&mine, words].concat()), async |scope| {
            let (mut drawn, others) = draw(scope).await?;
            drawn.shrink_to_fit();
            let about = About { bytes: drawn.len(), whom: [family, others].concat() };
            Ok((drawn, about))
        })
        .await
    }
}

/// A transaction. Dropped without `commit`, it never was.
#[must_use]
pub struct Change<W = Entry> {
    scope: Scope<W>,
    marks: Vec<Mark>,
    renewed: Vec<Uuid>,
}

impl<W: Who> Change<W> {
    async fn open(db: &Db, who: W, kit: &Kit, client: &Client) -> Result<Change<W>> {
        Ok(Change::of(db.begin().await?, who, kit, client))
    }
    fn of(conn: Conn, who: W, kit: &Kit, client: &Client) -> Change<W> {
        let renewed = who.family();
        let scope = Scope { conn, who: Arc::new(who), kit: kit.clone(), client: client.clone() };
        Change { scope, marks: vec![], renewed }
    }
    /// Keeps what was done, and lets nobody remember how it was: here at once, elsewhere within a second.
    pub async fn commit(self) -> Result<()> {
        let Change { mut scope, marks, renewed } = self;
        let now = scope.now();
        invalidations::tell(&mut scope.conn, &marks, now).await?;
        scope.conn.commit().await?;
        scope.kit.stale.tell(&marks);
        scope.kit.stale.renew(&renewed);
        Ok(())
    }
    /// What is shown of an account, or to a user, looks another way. What is changed looks so of itself; and so it does to who
    /// changes it.
    fn renews(&mut self, id: Uuid) {
        self.renewed.push(id);
    }
    /// The same, to whoever has this address.
    fn renews_at(&mut self, address: &str) {
        self.renews(by_address(&address.to_lowercase()));
    }
    /// An account or a user is no longer what it was. Whatever is audited in an account says so of itself.
    fn changed(&mut self, id: Uuid) {
        self.mark(Mark::Changed(id));
    }
    /// A key or a token with this hash was made.
    fn made(&mut self, hash: &[u8]) {
        let first = hash.first_chunk().expect("a hash has 32 bytes");
        self.mark(Mark::Made(*first));
    }
    fn mark(&mut self, mark: Mark) {
        if !self.marks.contains(&mark) {
            self.marks.push(mark);
        }
    }
    /// Sends a letter once the change is kept, and not otherwise.
    pub async fn post(&mut self, letter: &Letter) -> Result<()> {
        outbox::queue(self, letter, None).await
    }
    /// Takes the user's row, so that what one user may have once is counted once.
    async fn lock_user(&mut self, id: UserId) -> Result<()> {
        self.sql("select 1 from users where id = $1 for no key update").bind(id).execute().await?;
        Ok(())
    }
}

impl Change<Entry> {
    /// Takes the account, one change at a time, and asks again who this is, now that nobody can change it: the gate's answer
    /// may be as old as a slow upload.
    pub async fn begin(db: &Db, by: &Credential, slug: &str, kit: &Kit, client: &Client) -> Result<Change> {
        let mut conn = db.begin().await?;
        conn.query("select 1 from accounts where id = (select account_id from slugs where slug = $1) for no key update")
            .bind(slug)
            .execute()
            .await?;
        let who = access::find(&mut conn, by, slug, kit.now()).await?;
        Ok(Change::of(conn, who, kit, client))
    }
    /// Takes two accounts of one family for what passes from one to the other: the one at the top first, so that two who
    /// move things opposite ways wait for each other. Says who this is in each.
    pub async fn begin_both(
        db: &Db,
        by: &Credential,
        [from, to]: [&str; 2],
        kit: &Kit,
        client: &Client,
    ) -> Result<(Change, Entry)> {
        let mut conn = db.begin().await?;
        let top = "select 1 from accounts where id = (select coalesce(a.parent_id, a.id) from accounts a
            join slugs s on s.account_id = a.id where s.slug = $1) for no key update";
        conn.query(top).bind(from).execute().await?;
        let both = "select 1 from accounts where id in (select account_id from slugs where slug in ($1, $2)) order by id
            for no key update";
        conn.query(both).bind(from).bind(to).execute().await?;
        let who = access::find(&mut conn, by, from, kit.now()).await?;
        let there = access::find(&mut conn, by, to, kit.now()).await.map_err(|it| match it {
            Error::NotFound | Error::Moved(_) | Error::Barred { .. } => {
                Error::invalid("to", "unknown_account", "Choose an account that you can enter.")
            }
            other => other,
        })?;
        Ok((Change::of(conn, who, kit, client), there))
    }
}
impl Change<Me> {
    /// Asks again who this is.
    pub async fn begin(db: &Db, session: &[u8], kit: &Kit, client: &Client) -> Result<Change<Me>> {
        let mut conn = db.begin().await?;
        let who = access::me(&mut conn, session, kit.now()).await?.ok_or(Error::SignedOut)?;
        Ok(Change::of(conn, who, kit, client))
    }
}
impl Change<Visitor> {
    /// For who is not signed in.
    pub async fn begin(db: &Db, kit: &Kit, client: &Client) -> Result<Change<Visitor>> {
        Change::open(db, Visitor, kit, client).await
    }
}
impl Change<Service> {
    /// For the platform's back end. A token that was revoked meanwhile changes nothing.
    pub async fn begin(db: &Db, token: TokenId, kit: &Kit, client: &Client) -> Result<Change<Service>> {
        Self::with(db.begin().await?, token, kit, client).await
    }
    /// The same, for what must be on the disk before it is acknowledged.
    pub async fn begin_durable(
        db: &Db,
        token: TokenId,
        kit: &Kit,
        client: &Client,
    ) -> Result<Change<Service>> {
        Self::with(db.begin_durable().await?, token, kit, client).await
    }
    async fn with(mut conn: Conn, token: TokenId, kit: &Kit, client: &Client) -> Result<Change<Service>> {
        let who = tokens::in_force(&mut conn, token).await?.ok_or(Error::SignedOut)?;
        Ok(Change::of(conn, who, kit, client))
    }
}
impl Change<Host> {
    /// For the command line and the worker.
    pub async fn begin(db: &Db, host: Host, kit: &Kit) -> Result<Change<Host>> {
        Change::open(db, host, kit, &Client::default()).await
    }
}

impl<W> Deref for Change<W> {
    type Target = Scope<W>;
    fn deref(&self) -> &Scope<W> {
        &self.scope
    }
}
impl<W> DerefMut for Change<W> {
    fn deref_mut(&mut self) -> &mut Scope<W> {
        &mut self.scope
    }
}

/// How letters name this installation.
fn site(kit: &Kit) -> crate::emails::Site<'_> {
    let base_url = kit.rules.base_url.as_str();
    let host = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    crate::emails::Site { host, base_url }
}
