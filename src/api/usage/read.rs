//! `GET /api/v1/accounts/{slug}/usage`: sums along any axes, as JSON or CSV.
use crate::{
    api::present,
    error::{Error, Result},
    http::{form::Params, gate::Key, openapi::call::Csv, routes::Routes},
    model::{calendar::Day, permission::ReadUsage, quantity::Quantity, usage::Dimension},
    store::usage::{Filter, UsageSum, sums},
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

pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/accounts/{slug}/usage", read)
        .doc(|call| {
            call.summary(
                "Get usage",
                "Sums by meter and by the axes of `group_by`, over what the key's member may see. At most 10,000 rows, as JSON, or as \
                 CSV with `Accept: text/csv`.",
            )
            .query::<UsageQuery>()
            .returns::<UsageSums>(200)
            .returns_as::<Csv>(200, "text/csv")
        })
        .about("Usage", "What was used, by day, product, member, key, team, model and resource. Days are in UTC.")
}

const MAX_ROWS: usize = 10_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UsageQuery {
    /// The first day; by default the first of the month.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Day>)]
    from: Option<String>,
    /// The day after the last; by default tomorrow.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Day>)]
    to: Option<String>,
    /// The axes, in several parameters or separated by commas.
    #[serde(default)]
    #[schema(value_type = Vec<UsageAxis>)]
    group_by: Vec<String>,
}

/// By what usage is summed.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document: the lists are parsed by hand")]
enum UsageAxis {
    Day,
    Product,
    Meter,
    Member,
    Key,
    Team,
    Model,
    Resource,
}

/// All sums, on one page.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document: the fields depend on the query")]
struct UsageSums {
    /// The sums.
    items: Vec<UsageRow>,
    /// Always `null`: there is only one page.
    #[schema(example = json!(null))]
    next: Option<String>,
}

/// A sum: the meter, the quantity, and a field for each axis of the query, `null` where there is none.
#[derive(ToSchema)]
#[schema(as = UsageSum)]
#[expect(dead_code, reason = "for the document: the fields depend on the query")]
struct UsageRow {
    /// The day.
    #[schema(nullable = false)]
    day: Option<Day>,
    /// The product's id in the catalogue.
    #[schema(value_type = Value, required = false, example = "video")]
    product: Option<String>,
    /// The meter.
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
    /// The quantity.
    quantity: Quantity,
}

async fn read(
    key: Key<ReadUsage>,
    Params(query): Params<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let today = Day::of(key.context().now());
    let from = query.from.as_deref().map_or(Ok(today.month().first()), |text| day("from", text))?;
    let to = query.to.as_deref().map_or(Ok(today.plus(1)), |text| day("to", text))?;
    if to < from {
        return Err(Error::invalid("to", "before_from", "“to” is before “from”."));
    }
    let axes = axes(&query.group_by)?;
    let limit = i64::try_from(MAX_ROWS + 1).unwrap_or(i64::MAX);
    let rows = sums(&mut key.read(), &Filter::days(from, to), &axes, limit).await?;
    if rows.len() > MAX_ROWS {
        let detail = "The result has more than 10,000 rows. Choose fewer days or fewer axes.";
        return Err(Error::invalid("group_by", "too_many_rows", detail));
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/csv") {
        let head: Vec<&str> = columns(&axes).collect();
        let mut text = csv::line(head.iter().copied());
        for row in &rows {
            let cells: Vec<String> =
                head.iter().map(|column| cell(row, column).unwrap_or_default()).collect();
            text += &csv::line(cells.iter().map(String::as_str));
        }
        return Ok(csv::attachment(&format!("{}-usage-{from}-{to}.csv", key.slug()), text));
    }
    let item = |row: &UsageSum| -> Map<String, Value> {
        columns(&axes).map(|column| (column.to_owned(), json!(cell(row, column)))).collect()
    };
    Ok(Json(json!({ "items": rows.iter().map(item).collect::<Vec<_>>(), "next": null })).into_response())
}

fn day(field: &'static str, text: &str) -> Result<Day> {
    let detail = "Write a day of UTC as 2026-11-21.";
    Day::parse(text).ok_or_else(|| Error::invalid(field, "invalid_date", detail))
}

/// The axes of the query, each once, in the order of their columns. The meter is always there.
fn axes(values: &[String]) -> Result<Vec<Dimension>> {
    let names =
        values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty());
    let mut axes = vec![];
    for name in names.filter(|name| *name != "meter") {
        let unknown = || {
            let detail = format!(
                "There is no axis “{}”. Group by day, product, meter, member, key, team, model or resource.",
                name.chars().take(40).collect::<String>()
            );
            Error::invalid("group_by", "unknown_axis", detail)
        };
        axes.push(Dimension::parse(name).ok_or_else(unknown)?);
    }
    axes.sort();
    axes.dedup();
    Ok(axes)
}

fn columns(axes: &[Dimension]) -> impl Iterator<Item = &'static str> {
    let is_before_meter = |axis: &Dimension| matches!(axis, Dimension::Day | Dimension::Product);
    let names = move |before: bool| {
        axes.iter().filter(move |axis| is_before_meter(axis) == before).map(|axis| axis.as_str())
    };
    names(true).chain(["meter"]).chain(names(false)).chain(["quantity"])
}

fn cell(row: &UsageSum, column: &str) -> Option<String> {
    match column {
        "day" => row.day.map(|day| day.to_string()),
        "product" => row.product.clone(),
        "meter" => Some(row.meter.clone()),
        "member" => row.member.map(|id| id.to_string()),
        "key" => row.key.map(|id| id.to_string()),
        "team" => row.team.map(|id| id.to_string()),
        "model" => row.model.clone(),
        "resource" => row.resource.map(|id| id.to_string()),
        _ => Some(row.quantity.to_string()),
    }
}
