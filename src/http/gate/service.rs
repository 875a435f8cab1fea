//! The door of the platform's own back end: what verifies keys and reports usage.
use super::{App, Gate, bearer, sealed};
use crate::{
    context::Kit,
    crypto::secrets::KeyKind,
    error::{Error, Result},
    http::client::program,
    model::{permission::Permission, token::Serves},
    store::{Change, Client, Scope, Service as Token},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{marker::PhantomData, sync::Arc};

/// A service token whose scopes hold `S`.
pub struct Service<S> {
    app: App,
    token: Arc<Token>,
    client: Client,
    proof: PhantomData<S>,
}

impl<S: Serves> Service<S> {
    /// Which token.
    pub fn token(&self) -> &Token {
        &self.token
    }
    /// The running program.
    pub fn app(&self) -> &App {
        &self.app
    }
    /// The clock, the rules and the rest.
    pub fn kit(&self) -> &Kit {
        self.app.kit()
    }
    /// For reading.
    pub fn read(&self) -> Scope<Token> {
        Scope::read(&self.app.0.db, Token::clone(&self.token), self.kit(), &self.client)
    }
    /// One transaction: kept if the story ends well, undone if not.
    pub async fn change<T>(&self, story: impl AsyncFnOnce(&mut Change<Token>) -> Result<T>) -> Result<T> {
        let mut change =
            Change::<Token>::begin(&self.app.0.db, self.token.id, self.kit(), &self.client).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// The same, and what was done is on the disk when this answers.
    pub async fn change_durably<T>(
        &self,
        story: impl AsyncFnOnce(&mut Change<Token>) -> Result<T>,
    ) -> Result<T> {
        let begun = Change::<Token>::begin_durable(&self.app.0.db, self.token.id, self.kit(), &self.client);
        let mut change = begun.await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
}

impl<S> sealed::Sealed for Service<S> {}
impl<S: Serves> Gate for Service<S> {
    const NEEDS: Option<Permission> = None;
    const ROOT: &str = "/api/v1/";
    const NAME: &'static str = "service";
}

impl<S: Serves> FromRequestParts<App> for Service<S> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let hash = bearer(KeyKind::Service, &parts.headers).ok_or(Error::SignedOut)?;
        let token = app.token(&hash).await?;
        if !token.scopes.has(S::SCOPE) {
            let detail = format!(
                "This service token is not for this: it lacks the scope {}. An operator can make another.",
                S::SCOPE.word()
            );
            return Err(Error::Barred { code: "scope_missing", detail });
        }
        Ok(Service { app: app.clone(), token, client: program(parts, app), proof: PhantomData })
    }
}
