//! What a rate limit answers, and how that is said in headers.
use crate::model::catalog::RateLimit;
use std::time::Duration;

/// The dimensions of a limit: "600 a minute" and "20 a second".
pub type Policy = Vec<RateLimit>;

/// How a limit stands after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub admitted: bool,
    /// The dimension with the fewest remaining; of several, the shortest.
    pub tightest: Dimension,
    /// Until the same request fits; zero if it was admitted.
    pub retry_after: Duration,
}

/// How one dimension of a limit stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Its index in the policy.
    pub index: usize,
    pub limit: u32,
    pub remaining: u64,
    /// Until there is more, or enough for what was refused.
    pub reset: Duration,
}

/// `RateLimit` and `RateLimit-Policy`, as in draft-ietf-httpapi-ratelimit-headers.
pub fn rate_limit_headers(report: &Report, policy: &[RateLimit]) -> [(&'static str, String); 2] {
    let Dimension { index, remaining, reset, .. } = &report.tightest;
    let name = policy.get(*index).map(RateLimit::name).unwrap_or_default();
    let quota = |limit: &RateLimit| format!("\"{}\";q={};w={}", limit.name(), limit.requests, limit.seconds);
    let quotas: Vec<String> = policy.iter().map(quota).collect();
    let current = format!("\"{name}\";r={remaining};t={}", whole_seconds(*reset));
    [("ratelimit", current), ("ratelimit-policy", quotas.join(", "))]
}

/// Rounded up: nobody is told to come back too early.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
