//! How the program's jobs went: written by `jobs`, read by the metrics and by the operator's page.
use crate::model::time::Time;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What became of a job until now, in this process.
#[derive(Clone, Debug)]
pub struct JobReport {
    pub name: &'static str,
    pub runs: u64,
    pub failures: u64,
    /// How long the last run took.
    pub last_seconds: f64,
    pub last_success: Option<Time>,
    /// Why the last run failed; none if it went well.
    pub last_error: Option<String>,
}

/// A report for each job that ran.
#[derive(Default)]
pub struct JobStats(Mutex<BTreeMap<&'static str, JobReport>>);

impl JobStats {
    /// Notes a run that ended. Answers whether the outcome is another than last time: that is worth a line in the log.
    pub fn record(&self, name: &'static str, took: Duration, outcome: Result<Time, String>) -> bool {
        let mut reports = self.lock();
        let report = reports.entry(name).or_insert_with(|| JobReport {
            name,
            runs: 0,
            failures: 0,
            last_seconds: 0.0,
            last_success: None,
            last_error: None,
        });
        let had_failed = report.last_error.is_some();
        report.runs += 1;
        report.last_seconds = took.as_secs_f64();
        match outcome {
            Ok(at) => {
                report.last_success = Some(at);
                report.last_error = None;
            }
            Err(why) => {
                report.failures += 1;
                report.last_error = Some(why);
            }
        }
        had_failed != report.last_error.is_some()
    }
    /// All reports, by the jobs' names.
    pub fn snapshot(&self) -> Vec<JobReport> {
        self.lock().values().cloned().collect()
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, JobReport>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
