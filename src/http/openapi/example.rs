//! Examples for bodies and responses, assembled from those of their fields: they cannot differ from the schema.
use serde_json::{Map, Value, json};

/// How deep references are followed.
const MAX_DEPTH: usize = 12;

/// An example of a schema of this document.
pub fn example(document: &Value, schema: &Value) -> Value {
    build(document, schema, MAX_DEPTH)
}

fn build(document: &Value, schema: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    // An explicit null marks a value that is usually absent.
    if schema.get("example").is_some_and(Value::is_null) {
        return Value::Null;
    }
    for key in ["example", "const", "default"] {
        if let Some(value) = schema.get(key).filter(|value| !value.is_null()) {
            return value.clone();
        }
    }
    let first = |key: &&str| schema[key].as_array()?.iter().find(|value| !value.is_null());
    if let Some(value) = ["examples", "enum"].iter().find_map(first) {
        return value.clone();
    }
    if let Some(name) = schema["$ref"].as_str() {
        return build(
            document,
            document.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null),
            depth,
        );
    }
    if let Some(all) = schema["allOf"].as_array() {
        let parts = all.iter().map(|part| build(document, part, depth));
        return parts.filter_map(|part| part.as_object().cloned()).flatten().collect::<Map<_, _>>().into();
    }
    let variant = |key: &&str| schema[key].as_array()?.iter().find(|variant| variant["type"] != "null");
    if let Some(variant) = ["oneOf", "anyOf"].iter().find_map(variant) {
        return build(document, variant, depth);
    }
    by_type(document, schema, depth)
}

fn by_type(document: &Value, schema: &Value, depth: usize) -> Value {
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let all = properties.map(|(name, property)| (name.clone(), build(document, property, depth)));
            let is_required = |wanted: &str| {
                schema["required"].as_array().is_some_and(|names| names.iter().any(|name| *name == wanted))
            };
            all.filter(|(name, value)| !value.is_null() || is_required(name)).collect::<Map<_, _>>().into()
        }
        Some("array") => json!([build(document, &schema["items"], depth)]),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(3)),
        Some("boolean") => json!(true),
        Some("string") => json!(match schema["format"].as_str() {
            Some("uuid") => "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
            Some("date-time") => "2026-10-01T09:30:00Z",
            Some("date") => "2026-10-01",
            Some("email") => "ada@acme.test",
            Some("uri" | "uri-reference") => "https://console.example.com/",
            _ => "text",
        }),
        _ => json!({}),
    }
}

/// Adds an example to every body and every response.
pub fn fill(document: &mut Value) {
    let original = document.clone();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let operations = paths.flat_map(|(_, methods)| methods.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        if let Some(body) = operation.get_mut("requestBody") {
            add_example(&original, body);
        }
        for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            add_example(&original, response);
        }
    }
}

fn add_example(document: &Value, holder: &mut Value) {
    let Some(content) = holder.get_mut("content").and_then(Value::as_object_mut) else { return };
    for (_, media) in content.iter_mut().filter(|(_, media)| media.get("examples").is_none()) {
        media["example"] = example(document, &media["schema"]);
    }
}

/// The title of a problem with this status.
pub fn title_of(status: u16) -> &'static str {
    match status {
        400 => "The request could not be read",
        401 => "Not signed in",
        403 => "Not allowed",
        404 => "Not found",
        409 => "Not possible as things stand",
        412 => "Changed meanwhile",
        413 => "Too large",
        415 => "The request could not be read",
        422 => "Some fields need another look",
        429 => "Too many tries",
        _ => "Not available right now",
    }
}
