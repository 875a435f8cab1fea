//! Into an account: of a signed-in member, or of an API key.
use super::{Gate, bearer, param, sealed};
use crate::{
    context::Kit,
    crypto::secrets::KeyKind,
    error::{Asked, Detour, Error, Result, Way},
    http::{
        App,
        client::client,
        error_response,
        idempotency::Once,
        reauth::{Given, Proof, Prover, provider_of},
        return_to,
    },
    model::{
        access::{By, Entry, Fresh},
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

/// Proof that the visitor may do `P` in the account of `/a/{slug}/…`, by session or by key.
pub struct Door<P, V> {
    app: App,
    by: Credential,
    slug: String,
    entry: Arc<Entry>,
    client: Client,
    claim: Option<idempotency::Claim>,
    session: Option<Session>,
    back: String,
    proof: PhantomData<(P, V)>,
}
/// A signed-in member.
pub type Can<P> = Door<P, Browser>;
/// An API key.
pub type Key<P> = Door<P, Bearer>;

impl<P: Needs, V: Via> Door<P, V> {
    /// Who this is, where, and what they may do.
    pub fn me(&self) -> &Entry {
        &self.entry
    }
    /// The running program.
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
    /// The clock, the rules and the rest.
    pub fn kit(&self) -> &Kit {
        self.app.kit()
    }
    /// For reading.
    pub fn read(&self) -> Scope {
        Scope::read(&self.app.0.db, self.entry.clone(), self.kit(), &self.client)
    }
    /// One transaction: kept if the story ends well, undone if not. It cannot be left open or uncommitted.
    pub async fn change<T>(&self, story: impl AsyncFnOnce(&mut Change) -> Result<T>) -> Result<T> {
        let mut change =
            Change::<Entry>::begin(&self.app.0.db, &self.by, &self.slug, self.kit(), &self.client).await?;
        change.who().meets::<P>().map_err(Error::Forbidden)?;
        let told = story(&mut change).await?;
        self.finish(change).await?;
        Ok(told)
    }
    /// The same, taking another account of the family too: for what moves there. Tells who this is there.
    pub async fn change_with<T>(
        &self,
        other: &str,
        story: impl AsyncFnOnce(&mut Change, &Entry) -> Result<T>,
    ) -> Result<T> {
        let both = [self.slug.as_str(), other];
        let begun = Change::<Entry>::begin_both(&self.app.0.db, &self.by, both, self.kit(), &self.client);
        let (mut change, there) = begun.await?;
        change.who().meets::<P>().map_err(Error::Forbidden)?;
        let told = story(&mut change, &there).await?;
        self.finish(change).await?;
        Ok(told)
    }
    /// Keeps what was done, and in the same transaction that it was done.
    async fn finish(&self, mut change: Change) -> Result<()> {
        if let Some(claim) = &self.claim {
            idempotency::done(&mut change, claim).await?;
        }
        change.commit().await
    }
    /// What a form for a dangerous act asks for.
    pub async fn proof(&self) -> Result<Proof> {
        if self.entry.by.fresh(self.kit().now()).is_some() {
            return Ok(Proof::fresh());
        }
        if self.entry.only_within().is_some() {
            return Ok(Proof::of_provider(&self.entry, &self.back));
        }
        Proof::of(&self.app, &mut self.read(), self.entry.person.id, &self.back).await
    }
    /// Proof for a dangerous act: a fresh one, or by what came with the form.
    pub async fn prove(&self, given: impl Into<Given>) -> Result<Fresh> {
        if let Some(fresh) = self.entry.by.fresh(self.kit().now()) {
            return Ok(fresh);
        }
        let (Credential::Session(hash), Some(session)) = (&self.by, &self.session) else {
            return Err(Error::Stale);
        };
        // Who came through a provider proves it there; they may have nothing else.
        if self.entry.only_within().is_some() {
            let ((name, slug), way, why) = (provider_of(&self.entry), Way::Sso, Asked::Stale);
            return Err(Error::Detour(Box::new(Detour { name, slug, way, why })));
        }
        Prover { app: &self.app, hash, session, client: &self.client }.prove(given.into()).await
    }
}

/// How a visitor proves who they are.
pub trait Via: Send + Sync {
    /// Under which every path of such a gate lies.
    const ROOT: &str;
    /// For the route table.
    const NAME: &str;
    /// What they present.
    fn credential(parts: &Parts) -> Option<Credential>;
}

/// By the session's cookie.
pub struct Browser;
impl Via for Browser {
    const ROOT: &str = "/a/{slug}";
    const NAME: &str = "member";
    fn credential(parts: &Parts) -> Option<Credential> {
        let id = parts.extensions.get::<Session>()?.id()?;
        Some(Credential::Session(secret_hash(id)))
    }
}

/// By an API key.
pub struct Bearer;
impl Via for Bearer {
    const ROOT: &str = "/api/v1/accounts/{slug}";
    const NAME: &str = "key";
    fn credential(parts: &Parts) -> Option<Credential> {
        bearer(KeyKind::Key, &parts.headers).map(|it| Credential::Key(it.to_vec()))
    }
}

impl<P: Needs, V: Via> FromRequestParts<App> for Door<P, V> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let slug = param(parts, "slug").await?;
        let by = V::credential(parts).ok_or(Error::SignedOut)?;
        // A key that nobody made costs no look-up.
        if let Credential::Key(hash) = &by
            && app.kit().stale.is_unknown(hash)
        {
            return Err(Error::SignedOut);
        }
        // The connection goes back before the body is read: a slow upload must not hold one.
        let entry = access::recalled(&app.0.db, app.kit(), &by, &slug).await?;
        match &entry.by {
            By::Session(session) => app.touch(session.id, Some(entry.here.id)),
            By::Key { id, .. } => {
                app.use_key(*id);
                if let Some(report) = app.call(entry.here.id).await? {
                    error_response::limited(parts, report)?;
                }
            }
        }
        entry.meets::<P>().map_err(Error::Forbidden)?;
        let claim = match (&entry.by, parts.extensions.get::<Once>()) {
            (By::Key { id, .. }, Some(once)) => Some(once.claim(app, *id).await?),
            _ => None,
        };
        let (client, session) = (client(parts, app), parts.extensions.get::<Session>().cloned());
        let back = return_to::address(parts, app);
        Ok(Door { app: app.clone(), by, slug, entry, client, session, claim, back, proof: PhantomData })
    }
}

impl<P, V> sealed::Sealed for Door<P, V> {}
impl<P: Needs, V: Via> Gate for Door<P, V> {
    const NEEDS: Option<Permission> = P::PERMISSION;
    const OR: &'static [Permission] = P::OR;
    const ROOT: &str = V::ROOT;
    const NAME: &'static str = V::NAME;
}
