//! Whatever the API answers in any test is what its document says.
use super::Said;
use guildhall::app::openapi::Book;
use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&Book::of(guildhall::routes().table()).document().text).unwrap());

/// Demands that an answer of the API is described: its status, the code of its problem, its shape.
#[track_caller]
pub fn check(said: &Said) {
    let (method, address) = said.asked.split_once(' ').unwrap();
    let path = address.split('?').next().unwrap();
    let Some(operation) = find(path).map(|it| &it[method.to_lowercase()]).filter(|it| it.is_object()) else {
        return;
    };
    let response = follow(&operation["responses"][said.status.to_string()]);
    assert!(
        response.is_object(),
        "{} answers {}, which is not described: {}",
        said.asked,
        said.status,
        said.body
    );
    let kind = said.field("content-type");
    let kind = kind.split(';').next().unwrap();
    let media = &response["content"][kind];
    assert!(kind.is_empty() || media.is_object(), "{} answers {kind}, which is not described", said.asked);
    if kind.ends_with("json") {
        let value = said.json();
        if let Err(fault) = fits(&media["schema"], &value) {
            panic!("{} answers what is not described: {fault}\n{value}", said.asked);
        }
    }
}

fn find(path: &str) -> Option<&'static Value> {
    let words: Vec<&str> = path.split('/').collect();
    let is_it = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == words.len()
            && pattern.iter().zip(&words).all(|(it, word)| it.starts_with('{') || it == word)
    };
    // A word of the path goes before what may stand in its place.
    let found = DOCUMENT["paths"].as_object().unwrap().iter().filter(|it| is_it(it.0));
    found.min_by_key(|it| it.0.matches('{').count()).map(|it| it.1)
}

fn follow(it: &'static Value) -> &'static Value {
    match it["$ref"].as_str() {
        Some(to) => follow(DOCUMENT.pointer(to.trim_start_matches('#')).unwrap()),
        None => it,
    }
}

fn fields(schema: &'static Value) -> Vec<(&'static String, &'static Value)> {
    let schema = follow(schema);
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(fields);
    schema["properties"].as_object().into_iter().flatten().chain(parts).collect()
}

/// Fits, and has no field that is not described.
fn fits(schema: &'static Value, it: &Value) -> Result<(), String> {
    let known = fields(schema);
    let unknown = it.as_object().into_iter().flatten().find(|it| !known.iter().any(|had| had.0 == it.0));
    match unknown {
        Some((name, _)) if !known.is_empty() => Err(format!("{name} is not described")),
        _ => fits_in_part(schema, it),
    }
}

fn fits_in_part(schema: &'static Value, it: &Value) -> Result<(), String> {
    let schema = follow(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fits_in_part(part, it)?;
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(all) = schema[word].as_array() {
            let tried: Vec<_> = all.iter().map(|one| fits(one, it)).collect();
            if tried.iter().all(Result::is_err) {
                return Err(format!("{it} is none of {word}: {tried:?}"));
            }
        }
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(it)) {
        return Err(format!("{it} is not one of {}", schema["enum"]));
    }
    let kind = match it {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = |name: &Value| *name == kind || (kind == "integer" && *name == "number");
    let right = match &schema["type"] {
        Value::Null => true,
        Value::Array(all) => all.iter().any(is_kind),
        one => is_kind(one),
    };
    if !right {
        return Err(format!("{it} is no {}", schema["type"]));
    }
    match it {
        Value::Array(all) if schema.get("items").is_some() => {
            all.iter().try_for_each(|it| fits(&schema["items"], it))
        }
        Value::Object(had) => {
            let missing = schema["required"].as_array().into_iter().flatten();
            if let Some(name) = missing.filter_map(Value::as_str).find(|it| !had.contains_key(*it)) {
                return Err(format!("{name} is missing"));
            }
            let described = schema["properties"].as_object().into_iter().flatten();
            described.filter_map(|(name, schema)| Some((name, schema, had.get(name)?))).try_for_each(
                |(name, schema, it)| fits(schema, it).map_err(|fault| format!("{name}: {fault}")),
            )
        }
        _ => Ok(()),
    }
}
