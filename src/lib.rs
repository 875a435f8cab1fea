//! Guildhall: the organization console to put next to your API.
//!
//! Read in this order: a module uses only those above it.
pub mod api;
pub mod app;
pub mod cli;
pub mod db;
pub mod demo;
pub mod error;
pub mod kit;
pub mod letters;
pub mod mail;
pub mod model;
pub mod screens;
pub mod settings;
pub mod store;
pub mod worker;

/// Every route of the program.
pub fn routes() -> app::routes::Routes {
    screens::routes().merge(api::routes())
}
