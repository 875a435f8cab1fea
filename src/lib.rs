//! Guildhall: the organization console to put next to your API.
//!
//! Read in this order: a module uses only those above it.
pub mod model;
pub mod error;
pub mod kit;
pub mod db;
pub mod letters;
pub mod mail;
pub mod store;
// pub mod app;
