//! Guildhall: the organization console to put next to your API.
//!
//! The modules are in layers: each uses only those above it. See `ARCHITECTURE.md`.

pub mod model;

pub mod error;

pub mod crypto;

pub mod clients;

pub mod context;

pub mod db;
pub mod emails;

pub mod store;

pub mod gateway;

pub mod view;

pub mod http;

pub mod api;
pub mod screens;

pub mod demo;
pub mod jobs;
pub mod settings;

pub mod cli;

/// Every route of the program.
pub fn routes() -> http::routes::Routes {
    screens::routes().merge(api::routes())
}
