//! Metrics for Prometheus. Labels are the routes' patterns and other closed lists: nothing that a visitor sends makes a new one.
use super::App;
use crate::{context::job_stats::JobReport, crypto::secrets::hash, db::Dialect, model::verdict::Verdict};
use axum::http::{Method, StatusCode};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder, core::Collector,
};
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What is counted as it happens.
pub struct Metrics {
    registry: Registry,
    request_seconds: HistogramVec,
    request_statements: IntCounterVec,
    verdicts: IntCounterVec,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let registry = Registry::new();
        let labels = ["route", "method", "status"];
        let seconds =
            HistogramOpts::new("guildhall_request_seconds", "Requests by route, method and status.");
        let metrics = Metrics {
            request_seconds: register(
                &registry,
                HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &labels),
            ),
            request_statements: counter(
                &registry,
                "guildhall_request_statements_total",
                "Statements that requests executed in the database.",
                &labels,
            ),
            verdicts: counter(
                &registry,
                "guildhall_verdicts_total",
                "Answers to gateways, by code.",
                &["code"],
            ),
            registry,
        };
        for verdict in Verdict::ALL {
            metrics.verdicts.with_label_values(&[verdict.as_str()]);
        }
        metrics
    }
}

impl Metrics {
    pub(super) fn record_request(
        &self,
        route: &'static str,
        method: &Method,
        status: StatusCode,
        took: Duration,
        statements: u32,
    ) {
        let method = if METHODS.contains(method) { method.as_str() } else { "other" };
        let labels = [route, method, status.as_str()];
        self.request_seconds.with_label_values(&labels).observe(took.as_secs_f64());
        self.request_statements.with_label_values(&labels).inc_by(statements.into());
    }
    /// Counts an answer to a gateway.
    pub fn verdict(&self, verdict: Verdict) {
        self.verdicts.with_label_values(&[verdict.as_str()]).inc();
    }
}

/// Our names and labels are constants, so that neither making nor registering a metric can fail; the tests read the page.
fn register<M: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<M>) -> M {
    let metric = metric.expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("a new metric");
    metric
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    register(registry, GaugeVec::new(Opts::new(name, help), labels))
}

impl App {
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
    /// Whether whoever presents this token may read the page: where none is set, everybody on this machine. If not, the status
    /// that says so: 401 for a wrong token, 404 where there is no page.
    pub fn shows_metrics(&self, token: Option<&str>) -> Result<(), StatusCode> {
        match &self.0.metrics_token {
            None if self.context().config.is_local() => Ok(()),
            None => Err(StatusCode::NOT_FOUND),
            // Hashes are compared: the time that it takes says nothing about the token.
            Some(expected) if token.is_some_and(|token| hash(token) == hash(expected)) => Ok(()),
            Some(_) => Err(StatusCode::UNAUTHORIZED),
        }
    }
    /// The page for Prometheus. `mails_waiting` counts the outbox.
    pub fn exposition(&self, mails_waiting: i64) -> String {
        let mut families = self.metrics().registry.gather();
        families.extend(self.current_state(mails_waiting).gather());
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
    /// What is read when the page is: a registry of its own, whose metrics are set once.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers than f64")]
    fn current_state(&self, mails_waiting: i64) -> Registry {
        let registry = Registry::new();
        let database = match self.0.db.dialect() {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        };
        gauge(&registry, "guildhall_build_info", "The running version.", &["version", "database"])
            .with_label_values(&[env!("CARGO_PKG_VERSION"), database])
            .set(1.0);
        counter(&registry, "guildhall_lookups_total", "Look-ups that the cache could not answer.", &[])
            .with_label_values::<&str>(&[])
            .inc_by(self.gateway().lookups());
        let is_fresh = self.context().invalidations.is_fresh();
        gauge(
            &registry,
            "guildhall_memory_trusted",
            "Whether changes made by other processes are received.",
            &[],
        )
        .with_label_values::<&str>(&[])
        .set(f64::from(u8::from(is_fresh)));
        gauge(&registry, "guildhall_mails_waiting", "Mails that wait to be sent.", &[])
            .with_label_values::<&str>(&[])
            .set(mails_waiting as f64);
        let (open, idle) = self.0.db.connections();
        let connections =
            gauge(&registry, "guildhall_database_connections", "Connections to the database.", &["state"]);
        connections.with_label_values(&["open"]).set(f64::from(open));
        connections.with_label_values(&["idle"]).set(idle as f64);
        job_metrics(&registry, &self.context().job_stats.snapshot());
        registry
    }
}

#[expect(clippy::cast_precision_loss, reason = "a timestamp needs no microseconds here")]
fn job_metrics(registry: &Registry, reports: &[JobReport]) {
    let runs = counter(registry, "guildhall_job_runs_total", "Runs of jobs.", &["job", "outcome"]);
    let seconds = gauge(registry, "guildhall_job_last_seconds", "How long a job's last run took.", &["job"]);
    let success = gauge(
        registry,
        "guildhall_job_last_success_timestamp_seconds",
        "When a job last succeeded, as a Unix timestamp.",
        &["job"],
    );
    for report in reports {
        let successes = report.runs.saturating_sub(report.failures);
        runs.with_label_values(&[report.name, "success"]).inc_by(successes);
        runs.with_label_values(&[report.name, "failure"]).inc_by(report.failures);
        seconds.with_label_values(&[report.name]).set(report.last_seconds);
        if let Some(at) = report.last_success {
            success.with_label_values(&[report.name]).set(at.0 as f64 / 1e6);
        }
    }
}
