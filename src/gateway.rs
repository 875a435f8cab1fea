//! What answers `POST /keys/verify`: cached keys, rate limits, and what keeps both true on every replica.
pub mod key_cache;
pub mod rate_limit;
pub mod replica_sync;
