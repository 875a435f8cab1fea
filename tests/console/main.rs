//! The one test binary: it tells stories of people, through the real router, on both engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod api;
mod audit;
mod billing;
mod browser {
    mod driver;
    mod pages;
    mod story;
}
mod commands;
mod floors;
mod gates;
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
mod requests;
mod resources;
mod roles;
mod settings;
mod sign_in;
mod sign_up;
mod teams;
mod transfer;
mod usage;
mod verify;
mod why;
