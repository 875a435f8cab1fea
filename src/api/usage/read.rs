//! `GET /api/v1/accounts/{slug}/usage`: sums along any axes, as JSON or CSV.
use crate::{
    app::{csv, form::Params, gate::Key, routes::Routes},
    error::{Error, Result},
    model::{calendar::Day, permission::ReadUsage, usage::Axis},
    store::usage::{Filter, Sum, sums},
};
use axum::{
    Json,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The calls.
pub fn routes() -> Routes {
    Routes::default().get("/api/v1/accounts/{slug}/usage", read)
}

/// The most rows of an answer.
const MOST: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The first day; that of the month if it is not said.
    from: Option<String>,
    /// The day after the last; tomorrow if it is not said.
    to: Option<String>,
    /// Axes, with commas between them.
    #[serde(default)]
    group_by: Vec<String>,
}

async fn read(key: Key<ReadUsage>, Params(wish): Params<Wish>, fields: HeaderMap) -> Result<Response> {
    let today = Day::of(key.kit().now());
    let from = wish.from.as_deref().map_or(Ok(today.month().first()), |it| day("from", it))?;
    let to = wish.to.as_deref().map_or(Ok(today.plus(1)), |it| day("to", it))?;
    if to < from {
        return Err(Error::invalid(
            "to",
            "before_from",
            "“to” lies before “from”: the range ends before it begins.",
        ));
    }
    let axes = axes(&wish.group_by)?;
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let found = sums(&mut key.read().await?, &Filter::days(from, to), &axes, limit).await?;
    if found.len() > MOST {
        let detail = "This would be more than 10,000 rows. Ask for fewer days, or group by less.";
        return Err(Error::invalid("group_by", "too_many_rows", detail));
    }
    let accept = fields.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if accept.contains("text/csv") {
        let head: Vec<&str> = columns(&axes).collect();
        let mut text = csv::line(head.iter().copied());
        for it in &found {
            let cells: Vec<String> = head.iter().map(|column| cell(it, column).unwrap_or_default()).collect();
            text += &csv::line(cells.iter().map(String::as_str));
        }
        return Ok(csv::attachment(&format!("{}-usage-{from}-{to}.csv", key.slug()), text));
    }
    let row = |it: &Sum| -> Map<String, Value> {
        columns(&axes).map(|column| (column.to_owned(), json!(cell(it, column)))).collect()
    };
    Ok(Json(json!({ "items": found.iter().map(row).collect::<Vec<_>>(), "next": null })).into_response())
}

fn day(field: &'static str, text: &str) -> Result<Day> {
    let detail = "Write a day of UTC as 2026-11-21.";
    Day::parse(text).ok_or_else(|| Error::invalid(field, "invalid_date", detail))
}

/// The axes asked for, each once, in the order of their columns. The meter is always one.
fn axes(words: &[String]) -> Result<Vec<Axis>> {
    let words = words.iter().flat_map(|it| it.split(',')).map(str::trim).filter(|it| !it.is_empty());
    let mut axes = vec![];
    for word in words.filter(|it| *it != "meter") {
        let unknown = || {
            let detail = format!(
                "There is no axis “{}”. Group by day, product, meter, member, key, team, model or resource.",
                word.chars().take(40).collect::<String>()
            );
            Error::invalid("group_by", "unknown_axis", detail)
        };
        axes.push(Axis::parse(word).ok_or_else(unknown)?);
    }
    axes.sort();
    axes.dedup();
    Ok(axes)
}

fn columns(axes: &[Axis]) -> impl Iterator<Item = &'static str> {
    let early = |it: &&Axis| matches!(it, Axis::Day | Axis::Product);
    let words = |wanted: bool| axes.iter().filter(move |it| early(it) == wanted).map(|it| it.word());
    words(true).chain(["meter"]).chain(words(false)).chain(["quantity"])
}

fn cell(it: &Sum, column: &str) -> Option<String> {
    match column {
        "day" => it.day.map(|it| it.to_string()),
        "product" => it.product.clone(),
        "meter" => Some(it.meter.clone()),
        "member" => it.member.map(|it| it.to_string()),
        "key" => it.key.map(|it| it.to_string()),
        "team" => it.team.map(|it| it.to_string()),
        "model" => it.model.clone(),
        "resource" => it.resource.map(|it| it.to_string()),
        _ => Some(it.quantity.to_string()),
    }
}
