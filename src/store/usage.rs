//! Usage: ingestion, reading, billing.
mod billable;
mod daily;
mod ingest;
mod read;
mod retention;

pub use billable::{Billable, billable, close, closed_through, payers};
pub use daily::{DailyUsage, ThrottledDay, days};
pub(super) use ingest::UsageKey;
pub use ingest::{IngestResult, take};
pub use read::{Breakdown, BreakdownLine, Filter, UsageSum, slices, sums};
pub(super) use read::{OF_ACCOUNT, OF_ORGANIZATION, sighted};
pub use retention::{SumDifference, rebuild, sweep, whole_days};
