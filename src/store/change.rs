//! A transaction, with its actor and their access. Only gates, jobs and commands begin one.
use super::{
    Anonymous, Client, Scope, ServiceToken, SignedInUser, System,
    access::{self, Credential},
    accounts, invalidations, mails, tokens,
};
use crate::{
    context::{Context, invalidation::Invalidation},
    db::{BoxFuture, Conn, Db},
    emails::EmailMessage,
    error::{Error, Result},
    model::{
        access::Access,
        actor::Actor,
        id::{AccountId, TokenId, UserId},
    },
};
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};
use uuid::Uuid;

/// A transaction. Rolled back if dropped without `commit`.
#[must_use]
pub struct Change<A> {
    scope: Scope<A>,
    invalidations: Vec<Invalidation>,
}

impl<A> Change<A> {
    fn new(conn: Conn, actor: Actor, access: A, context: &Context, client: &Client) -> Change<A> {
        let scope = Scope {
            conn,
            actor: Arc::new(actor),
            access: Arc::new(access),
            context: context.clone(),
            client: client.clone(),
        };
        Change { scope, invalidations: vec![] }
    }
    /// Commits, and tells every process which cache entries are stale: this one at once, the others within a second.
    pub fn commit(self) -> BoxFuture<'static, Result<()>>
    where
        A: Send + Sync + 'static,
    {
        Box::pin(async move {
            let Change { mut scope, invalidations } = self;
            let now = scope.now();
            invalidations::publish(&mut scope.conn, &invalidations, now).await?;
            scope.conn.commit().await?;
            scope.context.invalidations.publish(&invalidations);
            Ok(())
        })
    }
    /// Invalidates what is cached of this account or user. Writing an audit event does it for the account.
    pub(super) fn invalidate(&mut self, id: Uuid) {
        self.add(Invalidation::Changed(id));
    }
    /// A key or a service token with this hash was created: it must not be cached as unknown any longer.
    pub(super) fn key_created(&mut self, hash: &[u8]) {
        let first = hash.first_chunk().expect("a hash has 32 bytes");
        self.add(Invalidation::Created(*first));
    }
    fn add(&mut self, invalidation: Invalidation) {
        if !self.invalidations.contains(&invalidation) {
            self.invalidations.push(invalidation);
        }
    }
    /// Sends a mail once the change is committed, and not otherwise.
    pub async fn send(&mut self, email: &EmailMessage) -> Result<()> {
        mails::queue(self, email, None).await
    }
    /// Locks the user's row, for limits that are counted per user.
    pub(super) async fn lock_user(&mut self, id: UserId) -> Result<()> {
        let sql = "select 1 from users where id = $1 for no key update";
        self.query_unscoped(sql).bind(id).execute().await?;
        Ok(())
    }
    /// Locks the account's row: changes of one account happen one after the other.
    pub(super) async fn lock_account(&mut self, id: AccountId) -> Result<()> {
        let sql = "select 1 from accounts where id = $1 for no key update";
        self.query_unscoped(sql).bind(id).execute().await?;
        Ok(())
    }
    /// Works in an account within this transaction, as the same actor: how a sign-in through a provider, a job or a command
    /// calls the functions that the console calls. `access` says with which rights.
    pub async fn in_account<T>(
        &mut self,
        access: Access,
        work: impl AsyncFnOnce(&mut Change<Access>) -> Result<T>,
    ) -> Result<T> {
        let conn = std::mem::replace(&mut self.scope.conn, Conn::Lent);
        let mut inner = Change {
            scope: Scope {
                conn,
                actor: self.scope.actor.clone(),
                access: Arc::new(access),
                context: self.scope.context.clone(),
                client: self.scope.client.clone(),
            },
            invalidations: std::mem::take(&mut self.invalidations),
        };
        let result = work(&mut inner).await;
        self.scope.conn = inner.scope.conn;
        self.invalidations = inner.invalidations;
        result
    }
    /// The same with all rights: for what somebody with the permission decided before (settings of single sign-on, an expiry), or
    /// for the operator. Locks the account.
    pub async fn in_account_as_system<T>(
        &mut self,
        account: AccountId,
        work: impl AsyncFnOnce(&mut Change<Access>) -> Result<T>,
    ) -> Result<T> {
        self.lock_account(account).await?;
        let account = accounts::current(self, account).await?;
        self.in_account(Access::of_system(account), work).await
    }
    /// Changes the actor from here on: of a sign-in through a provider, the provider is the actor.
    pub(super) fn act_as(&mut self, actor: Actor) {
        self.scope.actor = Arc::new(actor);
    }
}

impl Change<Access> {
    /// Locks the account and resolves the credential again: what the gate found may be as old as a slow upload.
    pub fn begin_in_account<'a>(
        db: &'a Db,
        credential: &'a Credential,
        slug: &'a str,
        context: &'a Context,
        client: &'a Client,
    ) -> BoxFuture<'a, Result<Change<Access>>> {
        Box::pin(async move {
            let mut conn = db.begin().await?;
            conn.query("select 1 from accounts where id = (select account_id from slugs where slug = $1) for no key update")
                .bind(slug)
                .execute()
                .await?;
            let (actor, access) = access::find(&mut conn, credential, slug, context.now()).await?;
            Ok(Change::new(conn, actor, access, context, client))
        })
    }
    /// Locks two accounts of one tree, to move something between them: the root first, so that two moves in opposite directions
    /// cannot deadlock. Returns the access to the second one too.
    pub fn begin_in_both<'a>(
        db: &'a Db,
        credential: &'a Credential,
        [from, to]: [&'a str; 2],
        context: &'a Context,
        client: &'a Client,
    ) -> BoxFuture<'a, Result<(Change<Access>, Access)>> {
        Box::pin(async move {
            let mut conn = db.begin().await?;
            let top = "select 1 from accounts where id = (select coalesce(a.parent_id, a.id) from accounts a
                join slugs s on s.account_id = a.id where s.slug = $1) for no key update";
            conn.query(top).bind(from).execute().await?;
            let both = "select 1 from accounts where id in (select account_id from slugs where slug in ($1, $2)) order by id
                for no key update";
            conn.query(both).bind(from).bind(to).execute().await?;
            let (actor, access) = access::find(&mut conn, credential, from, context.now()).await?;
            let target = access::find(&mut conn, credential, to, context.now()).await;
            let (_, target) = target.map_err(|error| match error {
                Error::NotFound | Error::SlugChanged(_) | Error::AccessDenied { .. } => {
                    Error::invalid("to", "unknown_account", "Choose an account that you can enter.")
                }
                other => other,
            })?;
            Ok((Change::new(conn, actor, access, context, client), target))
        })
    }
}

impl Change<SignedInUser> {
    /// Resolves the session again.
    pub fn begin_as_user<'a>(
        db: &'a Db,
        session: &'a [u8],
        context: &'a Context,
        client: &'a Client,
    ) -> BoxFuture<'a, Result<Change<SignedInUser>>> {
        Box::pin(async move {
            let mut conn = db.begin().await?;
            let user = access::signed_in_user(&mut conn, session, context.now()).await?;
            let user = user.ok_or(Error::Unauthenticated)?;
            Ok(Change::new(conn, user.actor(), user, context, client))
        })
    }
}

impl Change<Anonymous> {
    /// For somebody who is not signed in.
    pub fn begin_anonymous<'a>(
        db: &'a Db,
        context: &'a Context,
        client: &'a Client,
    ) -> BoxFuture<'a, Result<Change<Anonymous>>> {
        Box::pin(
            async move { Ok(Change::new(db.begin().await?, Actor::Anonymous, Anonymous, context, client)) },
        )
    }
}

impl Change<ServiceToken> {
    /// For the platform's back end. `Unauthenticated` if the token was revoked meanwhile.
    pub fn begin_as_service<'a>(
        db: &'a Db,
        token: TokenId,
        context: &'a Context,
        client: &'a Client,
    ) -> BoxFuture<'a, Result<Change<ServiceToken>>> {
        Box::pin(async move { Self::with(db.begin().await?, token, context, client).await })
    }
    /// The same, with a commit that waits until it is on disk.
    pub fn begin_durable<'a>(
        db: &'a Db,
        token: TokenId,
        context: &'a Context,
        client: &'a Client,
    ) -> BoxFuture<'a, Result<Change<ServiceToken>>> {
        Box::pin(async move { Self::with(db.begin_durable().await?, token, context, client).await })
    }
    async fn with(
        mut conn: Conn,
        token: TokenId,
        context: &Context,
        client: &Client,
    ) -> Result<Change<ServiceToken>> {
        let token = tokens::in_force(&mut conn, token).await?.ok_or(Error::Unauthenticated)?;
        Ok(Change::new(conn, token.actor(), token, context, client))
    }
}

impl Change<System> {
    /// For a job or a command.
    pub fn begin_as_system<'a>(
        db: &'a Db,
        system: System,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Change<System>>> {
        Box::pin(async move {
            let client = Client::default();
            Ok(Change::new(db.begin().await?, Actor::System(system.0), system, context, &client))
        })
    }
}

impl<A> Deref for Change<A> {
    type Target = Scope<A>;
    fn deref(&self) -> &Scope<A> {
        &self.scope
    }
}
impl<A> DerefMut for Change<A> {
    fn deref_mut(&mut self) -> &mut Scope<A> {
        &mut self.scope
    }
}
