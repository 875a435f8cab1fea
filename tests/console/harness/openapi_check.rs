//! Checks every answer of the API, in any test, against the OpenAPI document.
use super::TestResponse;
use guildhall::http::openapi::ApiDocument;
use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(&ApiDocument::of(guildhall::routes().table()).document().text).unwrap()
});

/// Asserts that the document describes an answer: its status, its media type, and its shape. Other routes are not
/// checked.
#[track_caller]
pub fn check(response: &TestResponse) {
    let request = &response.request;
    let (method, url) = request.split_once(' ').unwrap();
    let path = url.split('?').next().unwrap();
    let operation = find_path(path).map(|item| &item[method.to_lowercase()]);
    let Some(operation) = operation.filter(|operation| operation.is_object()) else {
        return;
    };
    let described = resolve(&operation["responses"][response.status.to_string()]);
    assert!(
        described.is_object(),
        "{request} answers {}, which is not described: {}",
        response.status,
        response.body
    );
    let content_type = response.header("content-type");
    let content_type = content_type.split(';').next().unwrap();
    let media = &described["content"][content_type];
    assert!(
        content_type.is_empty() || media.is_object(),
        "{request} answers {content_type}, which is not described"
    );
    if content_type.ends_with("json") {
        let value = response.json();
        if let Err(error) = fits(&media["schema"], &value) {
            panic!("{request} answers what is not described: {error}\n{value}");
        }
    }
}

fn find_path(path: &str) -> Option<&'static Value> {
    let segments: Vec<&str> = path.split('/').collect();
    let matches = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let mut pairs = pattern.iter().zip(&segments);
        pattern.len() == segments.len()
            && pairs.all(|(expected, segment)| expected.starts_with('{') || expected == segment)
    };
    let candidates = DOCUMENT["paths"].as_object().unwrap().iter().filter(|(pattern, _)| matches(pattern));
    // A literal segment takes precedence over a parameter.
    candidates.min_by_key(|(pattern, _)| pattern.matches('{').count()).map(|(_, item)| item)
}

/// Follows a `$ref`.
fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(to) => resolve(DOCUMENT.pointer(to.trim_start_matches('#')).unwrap()),
        None => value,
    }
}

/// All properties of an object, those of its `allOf` included.
fn properties(schema: &'static Value) -> Vec<(&'static String, &'static Value)> {
    let schema = resolve(schema);
    let inherited = schema["allOf"].as_array().into_iter().flatten().flat_map(properties);
    schema["properties"].as_object().into_iter().flatten().chain(inherited).collect()
}

/// Whether a value fits, and has no field that is not described.
fn fits(schema: &'static Value, value: &Value) -> Result<(), String> {
    let known = properties(schema);
    let mut fields = value.as_object().into_iter().flatten();
    let unknown = fields.find(|(name, _)| !known.iter().any(|(described, _)| described == name));
    match unknown {
        Some((name, _)) if !known.is_empty() => Err(format!("{name} is not described")),
        _ => fits_openly(schema, value),
    }
}

/// Whether a value fits; more fields may be described by another part of an `allOf`.
fn fits_openly(schema: &'static Value, value: &Value) -> Result<(), String> {
    let schema = resolve(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fits_openly(part, value)?;
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(options) = schema[keyword].as_array() {
            let results: Vec<_> = options.iter().map(|option| fits(option, value)).collect();
            if results.iter().all(Result::is_err) {
                return Err(format!("{value} is none of {keyword}: {results:?}"));
            }
        }
    }
    if schema["enum"].as_array().is_some_and(|options| !options.contains(value)) {
        return Err(format!("{value} is not one of {}", schema["enum"]));
    }
    if !has_type(&schema["type"], value) {
        return Err(format!("{value} is not of type {}", schema["type"]));
    }
    match value {
        Value::Array(items) if schema.get("items").is_some() => {
            items.iter().try_for_each(|item| fits(&schema["items"], item))
        }
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            if let Some(name) = required.filter_map(Value::as_str).find(|name| !fields.contains_key(*name)) {
                return Err(format!("{name} is missing"));
            }
            let described = schema["properties"].as_object().into_iter().flatten();
            described.filter_map(|(name, schema)| Some((name, schema, fields.get(name)?))).try_for_each(
                |(name, schema, field)| fits(schema, field).map_err(|error| format!("{name}: {error}")),
            )
        }
        _ => Ok(()),
    }
}

fn has_type(described: &Value, value: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = |name: &Value| *name == kind || (kind == "integer" && *name == "number");
    match described {
        Value::Null => true,
        Value::Array(all) => all.iter().any(is_kind),
        name => is_kind(name),
    }
}
