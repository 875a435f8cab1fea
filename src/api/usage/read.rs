//! `GET /api/v1/accounts/{slug}/usage`: sums along any axes, as JSON or CSV.
use crate::{
    api::given,
    error::{Error, Result},
    http::{form::Params, gate::Key, openapi::call::Csv, routes::Routes},
    model::{calendar::Day, permission::ReadUsage, quantity::Quantity, usage::Axis},
    store::usage::{Filter, Sum, sums},
    view::csv,
};
use axum::{
    Json,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/accounts/{slug}/usage", read)
        .told(|it| {
            it.says(
                "Read usage",
                "Sums by meter, and along the axes asked for; no more than the key's member sees. At most 10,000 rows, as JSON, or \
                 as CSV for `Accept: text/csv`.",
            )
            .asks::<Wish>()
            .gives::<Sums>(200)
            .gives_as::<Csv>(200, "text/csv")
        })
        .about("Usage", "What was used, by day, product, member, key, team, model and resource. Days are those of UTC.")
}

/// The most rows of an answer.
const MOST: usize = 10_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The first day; that of the month if it is not said.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Day>)]
    from: Option<String>,
    /// The day after the last; tomorrow if it is not said.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Day>)]
    to: Option<String>,
    /// Axes: several parameters, or one with commas between them.
    #[serde(default)]
    #[schema(value_type = Vec<AxisWord>)]
    group_by: Vec<String>,
}

/// By what usage is summed.
#[derive(ToSchema)]
#[schema(as = UsageAxis, rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes words that are read in lists with commas")]
enum AxisWord {
    Day,
    Product,
    Meter,
    Member,
    Key,
    Team,
    Model,
    Resource,
}

/// All sums at once.
#[derive(ToSchema)]
#[schema(as = UsageSums)]
#[expect(dead_code, reason = "it describes rows whose fields are those asked for")]
struct Sums {
    /// A sum each.
    items: Vec<Row>,
    /// Always `null`: there is one page.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// A sum: the meter, the quantity, and a field for each axis asked for, `null` for what has none.
#[derive(ToSchema)]
#[schema(as = UsageSum)]
#[expect(dead_code, reason = "it describes rows whose fields are those asked for")]
struct Row {
    /// The day.
    #[schema(nullable = false)]
    day: Option<Day>,
    /// The product's word.
    #[schema(value_type = Value, required = false, example = "video")]
    product: Option<String>,
    /// What was metered.
    #[schema(example = "credits")]
    meter: String,
    /// The id of the user whose key it was.
    #[schema(value_type = Value, required = false, example = "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")]
    member: Option<String>,
    /// The key's id.
    #[schema(value_type = Value, required = false, example = "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")]
    key: Option<String>,
    /// The team's id.
    #[schema(value_type = Value, required = false, example = "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")]
    team: Option<String>,
    /// The model.
    #[schema(value_type = Value, required = false, example = "large-2")]
    model: Option<String>,
    /// The resource's id.
    #[schema(value_type = Value, required = false, example = "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")]
    resource: Option<String>,
    /// How much.
    quantity: Quantity,
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
    let found = sums(&mut key.read(), &Filter::days(from, to), &axes, limit).await?;
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
