//! The single test binary. Most tests are user journeys through the real router, run on SQLite and on Postgres.
#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test and names its line")]

mod access_explanation;
mod access_requests;
mod api;
mod audit;
mod authorization;
mod billing;
mod browser {
    mod driver;
    mod journey;
    pub mod pages;
    mod sso;
    mod two_factor;
}
mod commands;
mod csrf;
mod docs;
mod fault_injection;
mod gateway;
mod harness;
mod hostile_input;
mod idempotency;
mod invariants;
mod invitations;
mod invoices;
mod jobs;
mod keys;
mod layering;
mod mail;
mod me;
mod member_removal;
mod members;
mod operator;
mod overview;
mod payments;
mod permissions;
mod query_count;
mod rate_limit;
mod resources;
mod roles;
mod settings;
mod sign_in;
mod sign_up;
mod social_login;
mod sso;
mod teams;
mod transfer;
mod two_factor;
mod upgrade;
mod usage;
mod verify;
