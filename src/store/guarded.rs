//! What was found is not yet to be looked at: only `Scope::on` opens it, for what the visitor may do with it.
use super::Scope;
use crate::{
    error::{Error, Result},
    model::{permission::Needs, resource::Located},
};
use std::{marker::PhantomData, ops::Deref};

/// Loaded, but not yet to be looked at.
#[must_use]
#[derive(Debug)]
pub struct Guarded<T>(pub(super) T);

/// Proof that `P` was checked on this very `T`.
#[derive(Debug)]
pub struct Allowed<P, T>(T, PhantomData<P>);

impl<P, T> Deref for Allowed<P, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<P, T> Allowed<P, T> {
    /// The thing, for who only looks.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Scope {
    /// Opens what was found. Not to be seen is not found; to be seen and not done is refused by name.
    pub fn on<P: Needs, T: Located>(&self, Guarded(it): Guarded<T>) -> Result<Allowed<P, T>> {
        for (needed, refusal) in [(T::See::PERMISSION, None), (P::PERMISSION, P::PERMISSION)] {
            if needed.is_some_and(|needed| !self.who().may_on(needed, &it)) {
                return Err(refusal.map_or(Error::NotFound, Error::Forbidden));
            }
        }
        Ok(Allowed(it, PhantomData))
    }
}
