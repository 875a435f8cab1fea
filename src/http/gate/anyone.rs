//! The gate of public pages.
use super::{Gate, SignedIn, sealed, signed_in::change_in};
use crate::{
    context::Context,
    db::BoxFuture,
    error::{Error, Result},
    http::{App, client::client, return_to},
    model::{access::Access, permission::Permission},
    store::{Anonymous, Change, Client, Scope, SignedInUser, access, sessions::secret_hash},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use tower_sessions::Session;

/// Lets everybody in. Knows who is signed in, if somebody is.
#[derive(Clone)]
pub struct Anyone {
    pub(super) app: App,
    pub(super) user: Option<(Vec<u8>, SignedInUser)>,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) return_to: String,
}

impl Anyone {
    pub fn signed_in_user(&self) -> Option<&SignedInUser> {
        self.user.as_ref().map(|(_, user)| user)
    }
    /// The signed-in user as a gate; not a session through an organization's provider, which opens that organization only.
    pub fn signed_in(&self) -> Option<SignedIn> {
        let (hash, user) = self.user.clone().filter(|(_, user)| user.session.is_own())?;
        let Anyone { app, client, session, return_to, .. } = self.clone();
        Some(SignedIn { app, hash, user, client, session, return_to })
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
    pub fn read(&self) -> Scope<Anonymous> {
        Scope::anonymous(&self.app.0.db, self.context(), &self.client)
    }
    /// One transaction: committed if `work` ends well, rolled back if not.
    pub async fn change<T>(&self, work: impl AsyncFnOnce(&mut Change<Anonymous>) -> Result<T>) -> Result<T> {
        let begun = Change::begin_anonymous(&self.app.0.db, self.context(), &self.client);
        let mut change = begun.await?;
        let done = work(&mut change).await?;
        change.commit().await?;
        Ok(done)
    }
    /// One transaction in an account of the signed-in user, where they must hold `permission`: for pages outside of the account that
    /// change it.
    pub async fn change_in<T>(
        &self,
        slug: &str,
        permission: Permission,
        work: impl AsyncFnOnce(&mut Change<Access>) -> Result<T>,
    ) -> Result<T> {
        let (hash, _) = self.user.as_ref().ok_or(Error::Unauthenticated)?;
        change_in(&self.app, hash, &self.client, slug, permission, work).await
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
        let user = find_user(&session, app).await?;
        let return_to = return_to::address(parts, app);
        Ok(Anyone { app: app.clone(), user, client: client(parts, app), session, return_to })
    }
}

/// The hash of a session, and who is signed in by it.
type SessionUser = (Vec<u8>, SignedInUser);

/// Who is signed in by this session. Boxed: every page's future holds it.
fn find_user<'a>(session: &'a Session, app: &'a App) -> BoxFuture<'a, Result<Option<SessionUser>>> {
    Box::pin(async move {
        let Some(id) = session.id() else { return Ok(None) };
        let hash = secret_hash(id);
        let mut conn = app.0.db.read().await?;
        let found = access::signed_in_user(&mut conn, &hash, app.context().now()).await?;
        Ok(found.map(|user| (hash, user)))
    })
}
