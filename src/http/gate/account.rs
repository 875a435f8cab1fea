//! The gate of an account: for a signed-in member, or for an API key.
use super::{Gate, bearer, param, sealed};
use crate::{
    context::Context,
    crypto::secrets::KeyKind,
    db::BoxFuture,
    error::{Error, Result, SignInMethod, SignInReason, SignInRequired},
    http::{
        App,
        client::client,
        error_response,
        idempotency::IdempotentRequest,
        reauth::{ReauthForm, ReauthInput, Reauthenticator, provider_of},
        return_to,
    },
    model::{
        access::Access,
        actor::{Actor, RecentAuth, UserSummary},
        permission::{Needs, Permission},
    },
    store::{
        Change, Client, Scope,
        access::{self, Credential},
        idempotency,
        sessions::secret_hash,
    },
};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{marker::PhantomData, sync::Arc};
use tower_sessions::Session;

/// Shows that the caller may do `P` in the account of `/a/{slug}/…`, by session or by API key.
pub struct AccountGate<P, C> {
    app: App,
    credential: Credential,
    slug: String,
    actor: Arc<Actor>,
    access: Arc<Access>,
    client: Client,
    claim: Option<idempotency::Claim>,
    session: Option<Session>,
    return_to: String,
    permission: PhantomData<(P, C)>,
}
/// A signed-in member who holds `P`.
pub type Can<P> = AccountGate<P, Browser>;
/// An API key that holds `P`.
pub type Key<P> = AccountGate<P, Bearer>;

impl<P: Needs, C: CredentialKind> AccountGate<P, C> {
    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
    /// In which account, with which rights.
    pub fn access(&self) -> &Access {
        &self.access
    }
    /// The user who acts, by their session or by their key.
    pub fn user(&self) -> &UserSummary {
        self.actor.user().expect("sessions and keys are a user's")
    }
    pub fn app(&self) -> &App {
        &self.app
    }
    /// The account's slug.
    pub fn slug(&self) -> &str {
        &self.slug
    }
    /// An address in the account: `path("members")`.
    pub fn path(&self, rest: &str) -> String {
        format!("/a/{}/{rest}", self.slug)
    }
    pub fn context(&self) -> &Context {
        self.app.context()
    }
    /// For reading.
    pub fn read(&self) -> Scope<Access> {
        Scope::read(&self.app.0.db, self.actor.clone(), self.access.clone(), self.context(), &self.client)
    }
    /// One transaction: committed if `work` ends well, rolled back if not. It cannot be left open.
    pub async fn change<T>(&self, work: impl AsyncFnOnce(&mut Change<Access>) -> Result<T>) -> Result<T> {
        let mut change = self.begin().await?;
        let done = work(&mut change).await?;
        self.finish(change).await?;
        Ok(done)
    }
    async fn begin(&self) -> Result<Change<Access>> {
        let (db, context) = (&self.app.0.db, self.context());
        let begun = Change::begin_in_account(db, &self.credential, &self.slug, context, &self.client);
        let change = begun.await?;
        change.access().meets::<P>().map_err(Error::MissingPermission)?;
        Ok(change)
    }
    /// The same, locking another account of the family too: for what moves there. Passes the access to that one as well.
    pub async fn change_with<T>(
        &self,
        other: &str,
        work: impl AsyncFnOnce(&mut Change<Access>, &Access) -> Result<T>,
    ) -> Result<T> {
        let both = [self.slug.as_str(), other];
        let (db, context) = (&self.app.0.db, self.context());
        let begun = Change::begin_in_both(db, &self.credential, both, context, &self.client);
        let (mut change, target) = begun.await?;
        change.access().meets::<P>().map_err(Error::MissingPermission)?;
        let done = work(&mut change, &target).await?;
        self.finish(change).await?;
        Ok(done)
    }
    /// Commits, and marks the request's idempotency key as used in the same transaction.
    async fn finish(&self, mut change: Change<Access>) -> Result<()> {
        if let Some(claim) = &self.claim {
            idempotency::mark_done(&mut change, claim).await?;
        }
        change.commit().await
    }
    /// What the form of a dangerous act asks for: nothing while the last proof is recent.
    pub async fn reauth_form(&self) -> Result<ReauthForm> {
        if self.actor.recent_auth(self.context().now()).is_some() {
            return Ok(ReauthForm::not_needed());
        }
        if self.actor.is_by_provider() {
            return Ok(ReauthForm::of_provider(&self.access, &self.return_to));
        }
        ReauthForm::of(&self.app, &mut self.read(), self.user().id, &self.return_to).await
    }
    /// The proof for a dangerous act: a recent one, or by what came with the form.
    pub async fn reauthenticate(&self, input: impl Into<ReauthInput>) -> Result<RecentAuth> {
        if let Some(recent) = self.actor.recent_auth(self.context().now()) {
            return Ok(recent);
        }
        let (Credential::Session(hash), Some(session)) = (&self.credential, &self.session) else {
            return Err(Error::ReauthRequired);
        };
        // Who came through a provider proves it there; they may have nothing else.
        if self.actor.is_by_provider() {
            let ((name, slug), way, why) =
                (provider_of(&self.access), SignInMethod::Sso, SignInReason::Stale);
            return Err(Error::SignInRequired(Box::new(SignInRequired { name, slug, way, why })));
        }
        Reauthenticator { app: &self.app, hash, session, client: &self.client }.verify(input.into()).await
    }
}

/// What a caller presents to say who they are.
pub trait CredentialKind: Send + Sync {
    /// The prefix of every path with this gate.
    const ROOT: &str;
    /// For the route table.
    const NAME: &str;
    fn credential(parts: &Parts) -> Option<Credential>;
}

/// The session's cookie.
pub struct Browser;
impl CredentialKind for Browser {
    const ROOT: &str = "/a/{slug}";
    const NAME: &str = "member";
    fn credential(parts: &Parts) -> Option<Credential> {
        let id = parts.extensions.get::<Session>()?.id()?;
        Some(Credential::Session(secret_hash(id)))
    }
}

/// An API key.
pub struct Bearer;
impl CredentialKind for Bearer {
    const ROOT: &str = "/api/v1/accounts/{slug}";
    const NAME: &str = "key";
    fn credential(parts: &Parts) -> Option<Credential> {
        bearer(KeyKind::Key, &parts.headers).map(|hash| Credential::Key(hash.to_vec()))
    }
}

/// What every gate of this kind finds out, whatever its permission: compiled once.
struct Entered {
    credential: Credential,
    slug: String,
    actor: Actor,
    access: Access,
}

fn enter<'a>(
    parts: &'a mut Parts,
    app: &'a App,
    credential: Option<Credential>,
) -> BoxFuture<'a, Result<Entered>> {
    Box::pin(async move {
        let slug = param(parts, "slug").await?;
        let credential = credential.ok_or(Error::Unauthenticated)?;
        // A key that nobody made costs no look-up.
        if let Credential::Key(hash) = &credential
            && app.context().invalidations.is_unknown(hash)
        {
            return Err(Error::Unauthenticated);
        }
        // The connection goes back before the body is read: a slow upload must not hold one.
        let mut conn = app.0.db.read().await?;
        let (actor, access) = access::find(&mut conn, &credential, &slug, app.context().now()).await?;
        drop(conn);
        match &actor {
            Actor::User { session, .. } => app.touch_session(session.id, Some(access.account.id)),
            Actor::ApiKey { id, .. } => {
                app.gateway().touch_key(*id);
                if let Some(report) = app.gateway().count_api_call(access.account.id).await? {
                    error_response::rate_limited(parts, report)?;
                }
            }
            _ => {}
        }
        Ok(Entered { credential, slug, actor, access })
    })
}

fn claim<'a>(
    parts: &'a Parts,
    app: &'a App,
    actor: &'a Actor,
) -> BoxFuture<'a, Result<Option<idempotency::Claim>>> {
    Box::pin(async move {
        match (actor, parts.extensions.get::<IdempotentRequest>()) {
            (Actor::ApiKey { id, .. }, Some(request)) => Ok(Some(request.claim(app, *id).await?)),
            _ => Ok(None),
        }
    })
}

impl<P: Needs, C: CredentialKind> FromRequestParts<App> for AccountGate<P, C> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let presented = C::credential(parts);
        let entered = enter(parts, app, presented).await?;
        let Entered { credential, slug, actor, access } = entered;
        access.meets::<P>().map_err(Error::MissingPermission)?;
        Ok(AccountGate {
            claim: claim(parts, app, &actor).await?,
            app: app.clone(),
            credential,
            slug,
            actor: Arc::new(actor),
            access: Arc::new(access),
            client: client(parts, app),
            session: parts.extensions.get::<Session>().cloned(),
            return_to: return_to::address(parts, app),
            permission: PhantomData,
        })
    }
}

impl<P, C> sealed::Sealed for AccountGate<P, C> {}
impl<P: Needs, C: CredentialKind> Gate for AccountGate<P, C> {
    const NEEDS: Option<Permission> = P::PERMISSION;
    const ALTERNATIVES: &'static [Permission] = P::ALTERNATIVES;
    const ROOT: &str = C::ROOT;
    const NAME: &'static str = C::NAME;
}
