//! Usage: events count once, sums are exact, and everybody sees only what they may.
mod budgets;
mod crash;
mod dimensions;
mod ingest;
mod pages;

use crate::harness::{ApiClient, TestApp, TestResponse, TestUser};
use axum::http::Method;
use guildhall::model::{
    calendar::Day,
    time::{MINUTE, Time},
    token,
};
use serde_json::{Value, json};
use std::time::Duration;

const EVENTS: &str = "/api/v1/usage/events";

/// Ada, who owns Acme, and a service token of the platform.
async fn acme(app: &TestApp) -> (TestUser, ApiClient) {
    let ada = app.user("Ada Byron", "ada@acme.test").await;
    app.organization(&ada, "Acme").await;
    (ada, app.service_token(&[token::TokenScope::Usage]).await)
}

/// An event of a minute ago with this `data`.
fn event(app: &TestApp, id: impl ToString, data: Value) -> Value {
    let time = app.kit.now().minus(MINUTE).to_string();
    event_at(&time, id, data)
}

fn event_at(time: &str, id: impl ToString, data: Value) -> Value {
    json!({
        "specversion": "1.0", "type": "guildhall.usage", "source": "/gateway",
        "id": id.to_string(), "time": time, "data": data,
    })
}

/// Sends a batch.
async fn send(gateway: &ApiClient, events: &[Value]) -> TestResponse {
    let fields = [("content-type", "application/cloudevents-batch+json")];
    gateway.send(Method::POST, EVENTS, &fields, Some(json!(events).to_string())).await
}

/// `(accepted, duplicates, [(index, code)])`.
#[track_caller]
fn ingest_result(response: TestResponse) -> (u64, u64, Vec<(u64, String)>) {
    let result = response.assert_status(200).json();
    let rejected = result["rejected"].as_array().unwrap().iter();
    let rejected = rejected
        .map(|error| {
            assert!(error["detail"].as_str().unwrap().ends_with('.'), "{error}");
            (error["index"].as_u64().unwrap(), error["code"].as_str().unwrap().to_owned())
        })
        .collect();
    (result["accepted"].as_u64().unwrap(), result["duplicates"].as_u64().unwrap(), rejected)
}

/// The rows of the usage report for this query.
async fn rows(key: &ApiClient, slug: &str, query: &str) -> Vec<Value> {
    let response = key.get(&format!("/api/v1/accounts/{slug}/usage?{query}")).await.assert_status(200);
    response.json()["items"].as_array().unwrap().clone()
}

fn days_ago(app: &TestApp, days: i64) -> Day {
    Day::of(app.kit.now()).plus(-days)
}

/// The instant at this time of a UTC day.
fn instant(day: Day, time_of_day: Duration) -> String {
    Time(day.start().0 + i64::try_from(time_of_day.as_micros()).unwrap()).to_string()
}
