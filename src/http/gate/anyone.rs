//! The door of public pages.
use super::{Gate, SignedIn, sealed, signed_in::change_in};
use crate::{
    context::Kit,
    error::{Error, Result},
    http::{App, client::client, return_to},
    model::permission::Permission,
    store::{Change, Client, Me, Scope, Visitor, access, sessions::secret_hash},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use tower_sessions::Session;

/// Anybody: a public page. Says who is signed in, if somebody is.
#[derive(Clone)]
pub struct Anyone {
    pub(super) app: App,
    pub(super) me: Option<(Vec<u8>, Me)>,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) back: String,
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
    pub fn read(&self) -> Scope<Visitor> {
        Scope::read(&self.app.0.db, Visitor, self.kit(), &self.client)
    }
    /// One transaction: kept if the story ends well, undone if not.
    pub async fn change<T>(&self, story: impl AsyncFnOnce(&mut Change<Visitor>) -> Result<T>) -> Result<T> {
        let mut change = Change::<Visitor>::begin(&self.app.0.db, self.kit(), &self.client).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// One transaction in an account of the signed-in user's, in which they must hold `permission`: for what ends outside of it.
    pub async fn change_in<T>(
        &self,
        slug: &str,
        permission: Permission,
        story: impl AsyncFnOnce(&mut Change) -> Result<T>,
    ) -> Result<T> {
        let (hash, _) = self.me.as_ref().ok_or(Error::SignedOut)?;
        change_in(&self.app, hash, &self.client, slug, permission, story).await
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
            let found = access::me(&mut app.0.db.read().await?, &hash, app.kit().now()).await?;
            me = found.map(|it| (hash, it));
        }
        let back = return_to::address(parts, app);
        Ok(Anyone { app: app.clone(), me, client: client(parts, app), session, back })
    }
}
