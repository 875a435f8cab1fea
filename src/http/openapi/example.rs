//! Examples, made of those of the parts: no example can be of another shape than it shows.
use serde_json::{Map, Value, json};

/// How deep shapes are followed.
const DEPTH: usize = 12;

/// An example of a schema of this document.
pub fn example(document: &Value, schema: &Value) -> Value {
    made(document, schema, DEPTH)
}

fn made(document: &Value, schema: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    // Said by hand: it is usually not there.
    if schema.get("example").is_some_and(Value::is_null) {
        return Value::Null;
    }
    for word in ["example", "const", "default"] {
        if let Some(it) = schema.get(word).filter(|it| !it.is_null()) {
            return it.clone();
        }
    }
    if let Some(it) =
        ["examples", "enum"].iter().find_map(|it| schema[it].as_array()?.iter().find(|it| !it.is_null()))
    {
        return it.clone();
    }
    if let Some(name) = schema["$ref"].as_str() {
        return made(document, document.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null), depth);
    }
    if let Some(all) = schema["allOf"].as_array() {
        let parts = all.iter().map(|it| made(document, it, depth));
        return parts.filter_map(|it| it.as_object().cloned()).flatten().collect::<Map<_, _>>().into();
    }
    if let Some(one) =
        ["oneOf", "anyOf"].iter().find_map(|it| schema[it].as_array()?.iter().find(|it| it["type"] != "null"))
    {
        return made(document, one, depth);
    }
    let kind = match &schema["type"] {
        Value::Array(all) => all.iter().find(|it| *it != "null").and_then(Value::as_str),
        it => it.as_str(),
    };
    match kind {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let all = properties.map(|(name, it)| (name.clone(), made(document, it, depth)));
            let is_needed = |it: &str| {
                schema["required"].as_array().is_some_and(|all| all.iter().any(|name| *name == it))
            };
            all.filter(|(name, it)| !it.is_null() || is_needed(name)).collect::<Map<_, _>>().into()
        }
        Some("array") => json!([made(document, &schema["items"], depth)]),
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

/// Gives every body and every answer of the document its example.
pub fn fill(document: &mut Value) {
    let read = document.clone();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for operation in paths.flat_map(|(_, it)| it.as_object_mut().into_iter().flatten()).map(|(_, it)| it) {
        if let Some(body) = operation.get_mut("requestBody") {
            show(&read, body);
        }
        for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            show(&read, response);
        }
    }
}

fn show(document: &Value, holder: &mut Value) {
    let Some(content) = holder.get_mut("content").and_then(Value::as_object_mut) else { return };
    for (_, media) in content.iter_mut().filter(|(_, it)| it.get("examples").is_none()) {
        media["example"] = example(document, &media["schema"]);
    }
}

/// What a problem of a status is called.
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
