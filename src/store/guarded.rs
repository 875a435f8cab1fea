//! What was loaded cannot be read before access to it is checked: `Scope::on` unwraps it.
use super::Scope;
use crate::{
    error::{Error, Result},
    model::{access::Access, permission::Needs, resource::HasTarget},
};
use std::{marker::PhantomData, ops::Deref};

/// Loaded from the database, but access to it is not checked yet.
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
    /// Gives up the proof, for reading.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Scope<Access> {
    /// Checks access. `NotFound` if the caller may not see it, `MissingPermission` if they may see it but lack `P`.
    pub fn on<P: Needs, T: HasTarget>(&self, Guarded(value): Guarded<T>) -> Result<Allowed<P, T>> {
        for (needed, refusal) in [(T::See::PERMISSION, None), (P::PERMISSION, P::PERMISSION)] {
            if needed.is_some_and(|needed| !self.access().may_on(needed, &value)) {
                return Err(refusal.map_or(Error::NotFound, Error::MissingPermission));
            }
        }
        Ok(Allowed(value, PhantomData))
    }
}
