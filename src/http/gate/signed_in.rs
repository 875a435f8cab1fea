//! A signed-in user, outside of any account; and the operator.
use super::{Anyone, Gate, sealed};
use crate::{
    context::Context,
    error::{Error, Result, SignInMethod, SignInReason, SignInRequired},
    http::{
        App,
        reauth::{ReauthForm, ReauthInput, Reauthenticator},
    },
    model::{
        access::Access,
        actor::{RecentAuth, UserSummary},
        permission::Permission,
    },
    store::{Change, Client, Scope, SignedInUser, access::Credential},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use tower_sessions::Session;

/// A signed-in user, outside of any account.
pub struct SignedIn {
    pub(super) app: App,
    pub(super) hash: Vec<u8>,
    pub(super) user: SignedInUser,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) return_to: String,
}

impl SignedIn {
    pub fn user(&self) -> &UserSummary {
        &self.user.user
    }
    /// The user with their session and what they chose.
    pub fn signed_in_user(&self) -> &SignedInUser {
        &self.user
    }
    pub fn app(&self) -> &App {
        &self.app
    }
    pub fn context(&self) -> &Context {
        self.app.context()
    }
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The browser's session.
    pub fn session(&self) -> &Session {
        &self.session
    }
    /// For reading.
    pub fn read(&self) -> Scope<SignedInUser> {
        let actor = self.user.actor();
        Scope::read(&self.app.0.db, actor, self.user.clone(), self.context(), &self.client)
    }
    /// One transaction: committed if `work` ends well, rolled back if not.
    pub async fn change<T>(
        &self,
        work: impl AsyncFnOnce(&mut Change<SignedInUser>) -> Result<T>,
    ) -> Result<T> {
        let begun = Change::begin_as_user(&self.app.0.db, &self.hash, self.context(), &self.client);
        let mut change = begun.await?;
        let done = work(&mut change).await?;
        change.commit().await?;
        Ok(done)
    }
    /// One transaction in an account of theirs, in which they must hold `permission`: for what begins outside of it.
    pub async fn change_in<T>(
        &self,
        slug: &str,
        permission: Permission,
        work: impl AsyncFnOnce(&mut Change<Access>) -> Result<T>,
    ) -> Result<T> {
        change_in(&self.app, &self.hash, &self.client, slug, permission, work).await
    }
    /// Whether a dangerous act needs a proof again: then its form asks for one.
    pub fn needs_reauth(&self) -> bool {
        self.user.session.recent_auth(self.context().now()).is_none()
    }
    /// What the form of a dangerous act asks for.
    pub async fn reauth_form(&self) -> Result<ReauthForm> {
        if !self.needs_reauth() {
            return Ok(ReauthForm::not_needed());
        }
        ReauthForm::of(&self.app, &mut self.read(), self.user().id, &self.return_to).await
    }
    /// The proof for a dangerous act: a recent one, or by what came with the form.
    pub async fn reauthenticate(&self, input: impl Into<ReauthInput>) -> Result<RecentAuth> {
        if let Some(recent) = self.user.session.recent_auth(self.context().now()) {
            return Ok(recent);
        }
        self.reauthenticate_now(input.into()).await
    }
    /// The proof by what came with the form, however recent the last one is.
    pub async fn reauthenticate_now(&self, input: ReauthInput) -> Result<RecentAuth> {
        let (app, hash, session, client) = (&self.app, &self.hash, &self.session, &self.client);
        Reauthenticator { app, hash, session, client }.verify(input).await
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
        let Anyone { app, user, client, session, return_to } = anyone;
        let (hash, user) = user.ok_or(Error::Unauthenticated)?;
        if !user.session.is_own() {
            let (name, slug) = ("This page".to_owned(), String::new());
            let (way, why) = (SignInMethod::Own, SignInReason::Own);
            return Err(Error::SignInRequired(Box::new(SignInRequired { name, slug, way, why })));
        }
        app.touch_session(user.session.id, None);
        Ok(SignedIn { app, hash, user, client, session, return_to })
    }
}

/// The operator, who runs the installation. For everybody else there is nothing here.
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
        if signed_in.user.operator { Ok(Operator(signed_in)) } else { Err(Error::NotFound) }
    }
}

/// One transaction of a session's user in an account of theirs, in which they must hold `permission`.
pub(super) async fn change_in<T>(
    app: &App,
    session: &[u8],
    client: &Client,
    slug: &str,
    permission: Permission,
    work: impl AsyncFnOnce(&mut Change<Access>) -> Result<T>,
) -> Result<T> {
    let credential = Credential::Session(session.to_vec());
    let begun = Change::begin_in_account(&app.0.db, &credential, slug, app.context(), client);
    let mut change = begun.await?;
    if !change.access().may(permission) {
        return Err(Error::MissingPermission(permission));
    }
    let done = work(&mut change).await?;
    change.commit().await?;
    Ok(done)
}
