//! Nouns and rules. No SQL text, no HTML, no async.
pub mod account;
pub mod catalog;
pub mod domain;
pub mod entry;
pub mod grant;
pub mod id;
pub mod permission;
pub mod resource;
pub mod role;
pub mod text;
pub mod time;
pub mod token;
pub mod verdict;
pub mod why;
pub mod window;
