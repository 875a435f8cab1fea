//! The one test binary: it tells stories of people, through the real router, on both engines.
mod browser {
    mod driver;
}
mod api;
mod audit;
mod floors;
mod gates;
mod harness;
mod invariants;
mod invitations;
mod keys;
mod operator;
mod requests;
mod roles;
mod settings;
mod sign_in;
mod sign_up;
mod transfer;
mod why;
