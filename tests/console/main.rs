//! The one test binary: it tells stories of people, through the real router, on both engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod api;
mod audit;
mod auth;
mod billing;
mod browser {
    mod driver;
    mod factors;
    pub mod pages;
    mod sso;
    mod story;
}
mod commands;
mod departure;
mod docs;
mod factors;
mod faults;
mod floors;
mod garbage;
mod gates;
mod gateway;
mod harness;
mod invariants;
mod invitations;
mod invoices;
mod keys;
mod mail;
mod me;
mod members;
mod operator;
mod overview;
mod payments;
mod permissions;
mod requests;
mod resources;
mod roles;
mod settings;
mod sign_in;
mod sign_up;
mod sso;
mod statements;
mod teams;
mod transfer;
mod usage;
mod verify;
mod why;
