//! What is counted for those who watch over the program, in the text format of Prometheus. Labels are the routes' own patterns
//! and other closed lists: nothing that a visitor sends makes a new one.
use super::App;
use crate::{crypto::secrets::hash, db::Dialect, model::verdict::Verdict};
use axum::http::StatusCode;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The upper ends of the classes of time, in microseconds.
const CLASSES: [u64; 12] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];
/// The methods that are told apart.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "other"];

/// A pattern, a method's place among [`METHODS`] and a status.
type Kind = (&'static str, usize, u16);

/// All that is counted.
#[derive(Default)]
pub struct Metrics {
    requests: RwLock<BTreeMap<Kind, Arc<Times>>>,
    verdicts: [AtomicU64; Verdict::ALL.len()],
    lookups: AtomicU64,
}

/// How long answers of one kind took.
#[derive(Default)]
pub struct Times {
    classes: [AtomicU64; CLASSES.len() + 1],
    micros: AtomicU64,
    statements: AtomicU64,
}

impl Times {
    /// One more.
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = CLASSES.iter().position(|it| micros <= *it).unwrap_or(CLASSES.len());
        self.classes[class].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }
    /// For which the database was asked so many statements.
    pub fn asked(&self, statements: u32) {
        self.statements.fetch_add(statements.into(), Relaxed);
    }
    fn is_empty(&self) -> bool {
        self.classes.iter().all(|it| it.load(Relaxed) == 0)
    }
}

impl Metrics {
    /// Where answers of that kind are counted.
    pub(super) fn times(&self, pattern: &'static str, method: &str, status: StatusCode) -> Arc<Times> {
        let method = METHODS.iter().position(|it| *it == method).unwrap_or(METHODS.len() - 1);
        let at = (pattern, method, status.as_u16());
        if let Some(found) = self.requests.read().unwrap_or_else(PoisonError::into_inner).get(&at) {
            return found.clone();
        }
        self.requests.write().unwrap_or_else(PoisonError::into_inner).entry(at).or_default().clone()
    }
    /// A gateway was answered.
    pub fn verdict(&self, it: Verdict) {
        let at = Verdict::ALL.iter().position(|code| *code == it).unwrap_or(0);
        self.verdicts[at].fetch_add(1, Relaxed);
    }
    /// A key, a resource or a service token was looked up in the database.
    pub(crate) fn lookup(&self) {
        self.lookups.fetch_add(1, Relaxed);
    }
    /// How many were looked up.
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Relaxed)
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds with six digits after the point")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

impl App {
    /// Whether whoever presents this may read the page: the token where one is set, else everybody on this machine alone.
    /// If not, how that is told: 401 where there is a token, 404 where there is no page.
    pub fn shows_metrics(&self, given: Option<&str>) -> Result<(), StatusCode> {
        match &self.0.metrics_token {
            None if self.kit().rules.is_local() => Ok(()),
            None => Err(StatusCode::NOT_FOUND),
            // Hashes are compared: how long it takes says nothing about the token.
            Some(token) if given.is_some_and(|it| hash(it) == hash(token)) => Ok(()),
            Some(_) => Err(StatusCode::UNAUTHORIZED),
        }
    }
    /// The page for Prometheus. `mails` wait to be sent.
    pub fn exposition(&self, mails: i64) -> String {
        let metrics = self.metrics();
        let engine = match self.0.db.dialect() {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        };
        let mut page = Page(String::with_capacity(16_384));
        page.head("guildhall_build_info", "gauge", "The running version.");
        let version = env!("CARGO_PKG_VERSION");
        page.line("guildhall_build_info", &[("version", version), ("database", engine)], 1);

        let requests = metrics.requests.read().unwrap_or_else(PoisonError::into_inner);
        page.head("guildhall_request_seconds", "histogram", "Requests by route, method and status.");
        for ((route, method, status), times) in requests.iter().filter(|it| !it.1.is_empty()) {
            let status = status.to_string();
            let labels = [("route", *route), ("method", METHODS[*method]), ("status", &status)];
            let mut sum = 0;
            for (at, class) in times.classes.iter().enumerate() {
                sum += class.load(Relaxed);
                let end = CLASSES.get(at).map_or("+Inf".to_owned(), |it| seconds(*it).to_string());
                let labels = [labels[0], labels[1], labels[2], ("le", &end)];
                page.line("guildhall_request_seconds_bucket", &labels, sum);
            }
            page.line("guildhall_request_seconds_sum", &labels, seconds(times.micros.load(Relaxed)));
            page.line("guildhall_request_seconds_count", &labels, sum);
        }
        page.head(
            "guildhall_request_statements_total",
            "counter",
            "Statements that requests asked the database.",
        );
        for ((route, method, status), times) in requests.iter().filter(|it| !it.1.is_empty()) {
            let status = status.to_string();
            let labels = [("route", *route), ("method", METHODS[*method]), ("status", &status)];
            page.line("guildhall_request_statements_total", &labels, times.statements.load(Relaxed));
        }
        drop(requests);

        page.head("guildhall_verdicts_total", "counter", "Answers to gateways, by code.");
        for (it, count) in Verdict::ALL.iter().zip(&metrics.verdicts) {
            page.line("guildhall_verdicts_total", &[("code", it.word())], count.load(Relaxed));
        }
        page.head("guildhall_lookups_total", "counter", "Look-ups that memory could not answer.");
        page.line("guildhall_lookups_total", &[], metrics.lookups());
        page.head("guildhall_memory_trusted", "gauge", "Whether changes made elsewhere are heard.");
        page.line("guildhall_memory_trusted", &[], u8::from(self.kit().stale.is_trusted()));
        page.head("guildhall_mails_waiting", "gauge", "Mails that wait to be sent.");
        page.line("guildhall_mails_waiting", &[], mails);
        let (open, idle) = self.0.db.connections();
        page.head("guildhall_database_connections", "gauge", "Connections to the database.");
        page.line("guildhall_database_connections", &[("state", "open")], open);
        page.line("guildhall_database_connections", &[("state", "idle")], idle);
        page.0
    }
    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

/// A page in the making. Our label values hold no quotes, no backslashes and no line ends.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let braced = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{braced} {value}");
    }
}
