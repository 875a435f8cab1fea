//! Usage: what is taken in, what pages read of it, what is billed.
mod bill;

pub use bill::{Billable, billable, close, closed_through, payers};
