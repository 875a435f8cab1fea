//! Guildhall: the organization console to put next to your API.
//!
//! Read in this order: a module uses only those above it. `ARCHITECTURE.md` is the map.

pub mod model;

pub mod error;

pub mod kit;

pub mod db;
pub mod letters;

pub mod mail;
pub mod store;
pub mod till;

pub mod app;

pub mod api;
pub mod screens;

pub mod demo;
pub mod settings;
pub mod worker;

pub mod cli;

/// Every route of the program.
pub fn routes() -> app::routes::Routes {
    screens::routes().merge(api::routes())
}
