//! The doors between a request and the data. Nothing else hands out a `Scope`.
mod service;

pub use service::Service;

use super::{
    App, answer, back,
    client::client,
    once::Once,
    prove::{Claim, Given, Proof, provider_of},
};
use crate::{
    error::{Asked, Detour, Error, Result, Way},
    kit::{
        Kit,
        secret::{KeyKind, hash, is_machine_key},
    },
    model::{
        entry::{By, Entry, Fresh},
        permission::{Needs, Permission},
    },
    store::{
        Change, Client, Me, Scope, Visitor, answers,
        entry::{self, Credential},
        factors,
        sessions::secret_hash,
    },
};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, header, request::Parts},
};
use std::marker::PhantomData;
use tower_sessions::Session;

/// Proof that the visitor may do `P` in the account of `/a/{slug}/…`, by session or by key.
pub struct Door<P, V> {
    app: App,
    by: Credential,
    slug: String,
    entry: Entry,
    client: Client,
    claim: Option<answers::Claim>,
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
    pub async fn read(&self) -> Result<Scope> {
        Scope::read(&self.app.0.db, self.entry.clone(), self.kit(), &self.client).await
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
            answers::done(&mut change, claim).await?;
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
        let ways = factors::ways(&mut self.read().await?, self.entry.person.id).await?;
        Ok(Proof::of(&self.app, ways, &self.back))
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
        Claim { app: &self.app, hash, session, client: &self.client }.prove(given.into()).await
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
        bearer(KeyKind::Key, &parts.headers).map(Credential::Key)
    }
}

/// The hash of the secret that a program presents. What is none by its checksum is not looked up.
pub(super) fn bearer(kind: KeyKind, headers: &HeaderMap) -> Option<Vec<u8>> {
    let field = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = field.split_once(' ')?;
    let secret = secret.trim();
    let is_one = scheme.eq_ignore_ascii_case("bearer") && is_machine_key(kind, secret);
    is_one.then(|| hash(secret))
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
        let entry = entry::find(&mut app.0.db.read().await?, &by, &slug, app.kit().now()).await?;
        match &entry.by {
            By::Session(session) => app.touch(session.id, Some(entry.here.id)),
            By::Key { id, .. } => {
                app.use_key(*id);
                if let Some(report) = app.call(entry.here.id).await? {
                    answer::limited(parts, report)?;
                }
            }
        }
        entry.meets::<P>().map_err(Error::Forbidden)?;
        let claim = match (&entry.by, parts.extensions.get::<Once>()) {
            (By::Key { id, .. }, Some(once)) => Some(once.claim(app, *id).await?),
            _ => None,
        };
        let (client, session) = (client(parts, app), parts.extensions.get::<Session>().cloned());
        let back = back::address(parts, app);
        Ok(Door { app: app.clone(), by, slug, entry, client, session, claim, back, proof: PhantomData })
    }
}

async fn param(parts: &mut Parts, name: &str) -> Result<String> {
    let all = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Error::NotFound)?;
    all.iter().find(|it| it.0 == name).map(|it| it.1.to_owned()).ok_or(Error::NotFound)
}

/// `{id}` of the path. What is no id is not found.
pub struct At<T>(pub T);
impl<T: std::str::FromStr> FromRequestParts<App> for At<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "id").await?.parse().map(At).map_err(|_| Error::NotFound)
    }
}

/// `{number}` of the path: an invoice's.
pub struct Number(pub String);
impl FromRequestParts<App> for Number {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "number").await.map(Number)
    }
}

/// `{slug}` of the path, where no account is entered by it.
pub struct Named(pub String);
impl FromRequestParts<App> for Named {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "slug").await.map(Named)
    }
}

/// `{token}` of the path: a secret out of a mail.
pub struct Token(pub String);
impl FromRequestParts<App> for Token {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        param(parts, "token").await.map(Token)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What a handler's first argument must be.
#[diagnostic::on_unimplemented(
    message = "the first argument of a handler must be a gate",
    note = "`Can<P>`, `Key<P>`, `Service<S>`, `SignedIn`, `Operator`, or `Anyone` for a public page"
)]
pub trait Gate: sealed::Sealed {
    /// What must be held.
    const NEEDS: Option<Permission>;
    /// What may be held instead: any of these.
    const OR: &'static [Permission] = &[];
    /// Under which every path of such a gate lies.
    const ROOT: &str;
    /// For the route table.
    const NAME: &'static str;
}

impl<P, V> sealed::Sealed for Door<P, V> {}
impl<P: Needs, V: Via> Gate for Door<P, V> {
    const NEEDS: Option<Permission> = P::PERMISSION;
    const OR: &'static [Permission] = P::OR;
    const ROOT: &str = V::ROOT;
    const NAME: &'static str = V::NAME;
}

/// A signed-in user, outside of any account.
pub struct SignedIn {
    app: App,
    hash: Vec<u8>,
    me: Me,
    client: Client,
    session: Session,
    back: String,
}

impl SignedIn {
    /// Who.
    pub fn me(&self) -> &Me {
        &self.me
    }
    /// The running program.
    pub fn app(&self) -> &App {
        &self.app
    }
    /// The clock, the rules and the rest.
    pub fn kit(&self) -> &Kit {
        self.app.kit()
    }
    /// Where it comes from.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The browser's session.
    pub fn session(&self) -> &Session {
        &self.session
    }
    /// For reading.
    pub async fn read(&self) -> Result<Scope<Me>> {
        Scope::read(&self.app.0.db, self.me.clone(), self.kit(), &self.client).await
    }
    /// One transaction: kept if the story ends well, undone if not.
    pub async fn change<T>(&self, story: impl AsyncFnOnce(&mut Change<Me>) -> Result<T>) -> Result<T> {
        let mut change = Change::<Me>::begin(&self.app.0.db, &self.hash, self.kit(), &self.client).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// One transaction in an account of theirs, in which they must hold `permission`: for what begins outside of it.
    pub async fn change_in<T>(
        &self,
        slug: &str,
        permission: Permission,
        story: impl AsyncFnOnce(&mut Change) -> Result<T>,
    ) -> Result<T> {
        let by = Credential::Session(self.hash.clone());
        let mut change = Change::<Entry>::begin(&self.app.0.db, &by, slug, self.kit(), &self.client).await?;
        if !change.who().may(permission) {
            return Err(Error::Forbidden(permission));
        }
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// Whether a dangerous act needs a proof again: then the form asks for it.
    pub fn is_stale(&self) -> bool {
        By::Session(self.me.session.clone()).fresh(self.kit().now()).is_none()
    }
    /// What a form for a dangerous act asks for.
    pub async fn proof(&self) -> Result<Proof> {
        if !self.is_stale() {
            return Ok(Proof::fresh());
        }
        let ways = factors::ways(&mut self.read().await?, self.me.person.id).await?;
        Ok(Proof::of(&self.app, ways, &self.back))
    }
    /// Proof for a dangerous act: a fresh one, or by what came with the form.
    pub async fn prove(&self, given: impl Into<Given>) -> Result<Fresh> {
        if let Some(fresh) = By::Session(self.me.session.clone()).fresh(self.kit().now()) {
            return Ok(fresh);
        }
        self.prove_anew(given.into()).await
    }
    /// Proof by what came with the form, however fresh the last one is.
    pub async fn prove_anew(&self, given: Given) -> Result<Fresh> {
        let (app, hash, session, client) = (&self.app, &self.hash, &self.session, &self.client);
        Claim { app, hash, session, client }.prove(given).await
    }
}
impl sealed::Sealed for SignedIn {}
impl Gate for SignedIn {
    const NEEDS: Option<Permission> = None;
    const ROOT: &str = "/";
    const NAME: &'static str = "signed in";
}
impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let anyone = Anyone::from_request_parts(parts, app).await?;
        let Anyone { app, me, client, session, back } = anyone;
        let (hash, me) = me.ok_or(Error::SignedOut)?;
        if !me.session.is_own() {
            let (name, slug) = ("This page".to_owned(), String::new());
            return Err(Error::Detour(Box::new(Detour { name, slug, way: Way::Own, why: Asked::Own })));
        }
        app.touch(me.session.id, None);
        Ok(SignedIn { app, hash, me, client, session, back })
    }
}

/// Who runs the installation. To everybody else, there is nothing here.
pub struct Operator(SignedIn);
impl std::ops::Deref for Operator {
    type Target = SignedIn;
    fn deref(&self) -> &SignedIn {
        &self.0
    }
}
impl sealed::Sealed for Operator {}
impl Gate for Operator {
    const NEEDS: Option<Permission> = None;
    const ROOT: &str = "/operator";
    const NAME: &'static str = "operator";
}
impl FromRequestParts<App> for Operator {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        if signed_in.me.operator { Ok(Operator(signed_in)) } else { Err(Error::NotFound) }
    }
}

/// Anybody: a public page. Says who is signed in, if somebody is.
#[derive(Clone)]
pub struct Anyone {
    app: App,
    me: Option<(Vec<u8>, Me)>,
    client: Client,
    session: Session,
    back: String,
}

impl Anyone {
    /// Who is signed in, if somebody is.
    pub fn me(&self) -> Option<&Me> {
        self.me.as_ref().map(|it| &it.1)
    }
    /// The signed-in user, as a gate of their own: not who is known by an organization's provider alone.
    pub fn signed_in(&self) -> Option<SignedIn> {
        let (hash, me) = self.me.clone().filter(|it| it.1.session.is_own())?;
        let Anyone { app, client, session, back, .. } = self.clone();
        Some(SignedIn { app, hash, me, client, session, back })
    }
    /// The running program.
    pub fn app(&self) -> &App {
        &self.app
    }
    /// The clock, the rules and the rest.
    pub fn kit(&self) -> &Kit {
        self.app.kit()
    }
    /// Where they come from.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The browser's session.
    pub fn session(&self) -> &Session {
        &self.session
    }
    /// For reading.
    pub async fn read(&self) -> Result<Scope<Visitor>> {
        Scope::read(&self.app.0.db, Visitor, self.kit(), &self.client).await
    }
    /// One transaction: kept if the story ends well, undone if not.
    pub async fn change<T>(&self, story: impl AsyncFnOnce(&mut Change<Visitor>) -> Result<T>) -> Result<T> {
        let mut change = Change::<Visitor>::begin(&self.app.0.db, self.kit(), &self.client).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
}
impl Anyone {
    /// One transaction in an account of the signed-in user's, in which they must hold `permission`: for what ends outside of it.
    pub async fn change_in<T>(
        &self,
        slug: &str,
        permission: Permission,
        story: impl AsyncFnOnce(&mut Change) -> Result<T>,
    ) -> Result<T> {
        let (hash, _) = self.me.as_ref().ok_or(Error::SignedOut)?;
        let by = Credential::Session(hash.clone());
        let mut change = Change::<Entry>::begin(&self.app.0.db, &by, slug, self.kit(), &self.client).await?;
        if !change.who().may(permission) {
            return Err(Error::Forbidden(permission));
        }
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
}
impl sealed::Sealed for Anyone {}
impl Gate for Anyone {
    const NEEDS: Option<Permission> = None;
    const ROOT: &str = "/";
    const NAME: &'static str = "anyone";
}
impl FromRequestParts<App> for Anyone {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let session = parts.extensions.get::<Session>().cloned();
        let session = session.ok_or_else(|| Error::Internal("no session layer".into()))?;
        let mut me = None;
        if let Some(id) = session.id() {
            let hash = secret_hash(id);
            let found = entry::me(&mut app.0.db.read().await?, &hash, app.kit().now()).await?;
            me = found.map(|it| (hash, it));
        }
        let back = back::address(parts, app);
        Ok(Anyone { app: app.clone(), me, client: client(parts, app), session, back })
    }
}
