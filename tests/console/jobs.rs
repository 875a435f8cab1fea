//! Jobs: each fails by itself.
use crate::harness::{TestApp, on_each_db};
use guildhall::{context::job_stats::JobReport, jobs::Worker};
use std::time::Duration;

fn worker(app: &TestApp) -> Worker {
    Worker::new(app.db.clone(), app.kit.clone(), None)
}

fn report(app: &TestApp, job: &str) -> JobReport {
    let reports = app.kit.job_stats.snapshot();
    reports.into_iter().find(|report| report.name == job).unwrap_or_else(|| panic!("{job} has run"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_stops_no_other() {
    on_each_db(async |app| {
        let ada = app.user("Ada Byron", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        worker(app).run_once().await.unwrap();

        // What one job reads is gone; months are closed and mails are delivered all the same.
        app.raw_sql("alter table transfers rename to transfers_gone").await;
        let bob = app.user("Bob Kay", "bob@elsewhere.test").await;
        let form = [("emails", bob.email.as_str()), ("role", "member"), ("product", "")];
        ada.post("/a/acme/invitations", &form).await.assert_status(303);
        app.advance(Duration::from_secs(40 * 86_400));
        worker(app).run_once().await.unwrap_err();

        let failed = report(app, "expire_transfers");
        assert_eq!((failed.runs, failed.failures), (2, 1));
        assert!(failed.last_error.is_some());
        for job in ["deliver", "sweep_mails", "sweep_sessions", "close_months", "delete_old_usage"] {
            let report = report(app, job);
            assert_eq!((report.runs, report.failures, report.last_error), (2, 0, None), "{job}");
        }
        assert_eq!(app.count("select count(*) from outbox where next_at is not null").await, 0);

        // It recovers by itself.
        app.raw_sql("alter table transfers_gone rename to transfers").await;
        worker(app).run_once().await.unwrap();
        let recovered = report(app, "expire_transfers");
        assert_eq!((recovered.runs, recovered.failures, recovered.last_error), (3, 1, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_is_in_the_metrics() {
    on_each_db(async |app| {
        worker(app).run_once().await.unwrap();
        let mut metrics = app.visitor().get("/metrics").await.assert_status(200);
        for report in app.kit.job_stats.snapshot() {
            let line = format!("guildhall_job_runs_total{{job=\"{}\",outcome=\"success\"}} 1", report.name);
            metrics = metrics.assert_contains(&line);
        }
    })
    .await;
}
