//! The gate of the platform's own back end, which verifies keys and reports usage.
use super::{App, Gate, bearer, sealed};
use crate::{
    context::Context,
    crypto::secrets::KeyKind,
    error::{Error, Result},
    http::client::program,
    model::{permission::Permission, token::NeedsScope},
    store::{Change, Client, Scope, ServiceToken},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{marker::PhantomData, sync::Arc};

/// A service token with the scope `S`.
pub struct Service<S> {
    app: App,
    token: Arc<ServiceToken>,
    client: Client,
    proof: PhantomData<S>,
}

impl<S: NeedsScope> Service<S> {
    pub fn token(&self) -> &ServiceToken {
        &self.token
    }
    pub fn app(&self) -> &App {
        &self.app
    }
    pub fn context(&self) -> &Context {
        self.app.context()
    }
    /// For reading.
    pub fn read(&self) -> Scope<ServiceToken> {
        let token = self.token.clone();
        Scope::read(&self.app.0.db, token.actor(), token, self.context(), &self.client)
    }
    /// One transaction: committed if `work` ends well, rolled back if not.
    pub async fn change<T>(
        &self,
        work: impl AsyncFnOnce(&mut Change<ServiceToken>) -> Result<T>,
    ) -> Result<T> {
        let begun = Change::begin_as_service(&self.app.0.db, self.token.id, self.context(), &self.client);
        let mut change = begun.await?;
        let done = work(&mut change).await?;
        change.commit().await?;
        Ok(done)
    }
    /// The same; it is on disk when this returns, whatever the database's setting.
    pub async fn change_durably<T>(
        &self,
        work: impl AsyncFnOnce(&mut Change<ServiceToken>) -> Result<T>,
    ) -> Result<T> {
        let begun = Change::begin_durable(&self.app.0.db, self.token.id, self.context(), &self.client);
        let mut change = begun.await?;
        let done = work(&mut change).await?;
        change.commit().await?;
        Ok(done)
    }
}

impl<S> sealed::Sealed for Service<S> {}
impl<S: NeedsScope> Gate for Service<S> {
    const NEEDS: Option<Permission> = None;
    const ROOT: &str = "/api/v1/";
    const NAME: &'static str = "service";
}

impl<S: NeedsScope> FromRequestParts<App> for Service<S> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let hash = bearer(KeyKind::Service, &parts.headers).ok_or(Error::Unauthenticated)?;
        let token = app.gateway().service_token(&hash).await?;
        if !token.scopes.has(S::SCOPE) {
            let detail = format!(
                "This service token is not for this: it lacks the scope {}. An operator can make another.",
                S::SCOPE.as_str()
            );
            return Err(Error::AccessDenied { code: "scope_missing", detail });
        }
        Ok(Service { app: app.clone(), token, client: program(parts, app), proof: PhantomData })
    }
}
