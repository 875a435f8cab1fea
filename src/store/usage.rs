//! Usage: what is taken in, what pages read of it, what is billed.
mod billable;
mod daily;
mod ingest;
mod read;
mod retention;

pub use billable::{Billable, billable, close, closed_through, payers};
pub use daily::{Days, Throttled, days};
pub(super) use ingest::Place;
pub use ingest::{Taken, take};
pub use read::{Filter, Slice, Slices, Sum, slices, sums};
pub(super) use read::{seen, sighted};
pub use retention::{Difference, rebuild, sweep, whole_days};
