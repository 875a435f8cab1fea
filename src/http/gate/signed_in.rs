//! A user's own door, outside of any account; and the operator's.
use super::{Anyone, Gate, sealed};
use crate::{
    context::Kit,
    error::{Asked, Detour, Error, Result, Way},
    http::{
        App,
        reauth::{Given, Proof, Prover},
    },
    model::{
        access::{By, Entry, Fresh},
        permission::Permission,
    },
    store::{Change, Client, Me, Scope, access::Credential},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use tower_sessions::Session;

/// A signed-in user, outside of any account.
pub struct SignedIn {
    pub(super) app: App,
    pub(super) hash: Vec<u8>,
    pub(super) me: Me,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) back: String,
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
    pub fn read(&self) -> Scope<Me> {
        Scope::read(&self.app.0.db, self.me.clone(), self.kit(), &self.client)
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
        change_in(&self.app, &self.hash, &self.client, slug, permission, story).await
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
        Proof::of(&self.app, &mut self.read(), self.me.person.id, &self.back).await
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
        Prover { app, hash, session, client }.prove(given).await
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

/// One transaction of a session's user in an account of theirs, in which they must hold `permission`.
pub(super) async fn change_in<T>(
    app: &App,
    session: &[u8],
    client: &Client,
    slug: &str,
    permission: Permission,
    story: impl AsyncFnOnce(&mut Change) -> Result<T>,
) -> Result<T> {
    let by = Credential::Session(session.to_vec());
    let mut change = Change::<Entry>::begin(&app.0.db, &by, slug, app.kit(), client).await?;
    if !change.who().may(permission) {
        return Err(Error::Forbidden(permission));
    }
    let told = story(&mut change).await?;
    change.commit().await?;
    Ok(told)
}
