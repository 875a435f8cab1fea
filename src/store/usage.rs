//! Usage: what is taken in, what pages read of it, what is billed.
mod bill;
mod days;
mod keep;
mod read;
mod take;

pub use bill::{Billable, billable, close, closed_through, payers};
pub use days::{Days, Throttled, days};
pub use keep::{Difference, rebuild, sweep, whole_days};
pub use read::{Filter, Slice, Slices, Sum, slices, sums};
pub(super) use read::{seen, sighted};
pub(super) use take::Place;
pub use take::{Taken, take};
