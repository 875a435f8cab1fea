//! All SQL, one module a noun. A function takes a `Scope` to read and a `Change` to write; both hold who acts and, in an account,
//! with which rights. Gates, jobs and commands make them.
pub mod access;
pub mod accounts;
pub mod audit;
pub mod billing;
pub mod budgets;
mod change;
mod cursor;
pub mod demo;
pub mod domains;
pub mod email_tokens;
pub mod factors;
pub mod grants;
mod guarded;
pub mod idempotency;
pub mod identities;
pub mod invalidations;
pub mod invitations;
pub mod invoices;
mod json;
pub mod keys;
mod like;
pub mod mails;
pub mod me;
pub mod members;
mod memberships;
pub mod outbox;
pub mod overview;
pub mod passkeys;
pub mod payments;
pub mod plans;
pub mod rate_limits;
pub mod requests;
pub mod resources;
pub mod roles;
pub mod scopable_resources;
mod scope;
pub mod sessions;
pub mod shell;
pub mod sign_in_methods;
pub mod sign_ups;
pub mod sso;
pub mod teams;
pub mod tokens;
pub mod transfers;
pub mod usage;
pub mod users;
pub mod verify;
pub mod why;

pub use change::Change;
pub use guarded::{Allowed, Guarded};
pub use scope::{Anonymous, Client, Scope, ServiceToken, SignedInUser, System};

use crate::context::Context;

/// How letters name this installation.
fn site(context: &Context) -> crate::emails::Site<'_> {
    let base_url = context.config.base_url.as_str();
    let host = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    crate::emails::Site { host, base_url }
}
