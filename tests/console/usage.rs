//! Usage: taken in once, summed exactly, seen by who may.
mod axes;
mod budgets;
mod crash;
mod pages;
mod taking;

use crate::harness::{House, Person, Program, Said};
use axum::http::Method;
use guildhall::model::{
    calendar::Day,
    time::{MINUTE, Time},
    token,
};
use serde_json::{Value, json};
use std::time::Duration;

const EVENTS: &str = "/api/v1/usage/events";

/// Ada, who owns Acme, and the platform's back end.
async fn acme(house: &House) -> (Person, Program) {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    (ada, house.service(&[token::Scope::Usage]).await)
}

/// An event of now: `data` as it is given.
fn event(house: &House, id: impl ToString, data: Value) -> Value {
    let time = house.kit.now().minus(MINUTE).to_string();
    event_at(&time, id, data)
}

fn event_at(time: &str, id: impl ToString, data: Value) -> Value {
    json!({
        "specversion": "1.0", "type": "guildhall.usage", "source": "/gateway", "id": id.to_string(), "time": time, "data": data,
    })
}

/// Sends a batch.
async fn send(gateway: &Program, events: &[Value]) -> Said {
    let fields = [("content-type", "application/cloudevents-batch+json")];
    gateway.send(Method::POST, EVENTS, &fields, Some(json!(events).to_string())).await
}

/// `(accepted, duplicates, [(index, code)])`.
#[track_caller]
fn told(said: Said) -> (u64, u64, Vec<(u64, String)>) {
    let it = said.is(200).json();
    let rejected = it["rejected"].as_array().unwrap().iter();
    let rejected = rejected
        .map(|it| {
            assert!(it["detail"].as_str().unwrap().ends_with('.'), "{it}");
            (it["index"].as_u64().unwrap(), it["code"].as_str().unwrap().to_owned())
        })
        .collect();
    (it["accepted"].as_u64().unwrap(), it["duplicates"].as_u64().unwrap(), rejected)
}

/// The rows of a call.
async fn rows(key: &Program, slug: &str, query: &str) -> Vec<Value> {
    let said = key.get(&format!("/api/v1/accounts/{slug}/usage?{query}")).await.is(200);
    said.json()["items"].as_array().unwrap().clone()
}

/// A day so many days ago.
fn ago(house: &House, days: i64) -> Day {
    Day::of(house.kit.now()).plus(-days)
}

/// That instant of a day of UTC.
fn instant(day: Day, into: Duration) -> String {
    Time(day.start().0 + i64::try_from(into.as_micros()).unwrap()).to_string()
}
