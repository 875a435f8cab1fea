//! One call as an operation of the document.
use super::{Components, Direction, NO_NUL, example::title_of, refine};
use crate::{
    http::{
        openapi::call::{Call, CallResponse},
        problems,
        routes::Route,
    },
    model::permission::Permission,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub fn operation(route: &Route, components: &mut Components) -> Value {
    let describe =
        route.doc.unwrap_or_else(|| panic!("{} {} is not described: add .doc(…)", route.method, route.path));
    let call = describe(Call::default());
    let mut operation = json!({
        "operationId": operation_id(call.title),
        "summary": call.title,
        "description": format!("{}{}", call.description, permissions(route)),
        "tags": route.tag.iter().map(|tag| tag.name).collect::<Vec<_>>(),
        "security": security(route),
        "parameters": parameters(route, &call, components),
        "responses": responses(route, &call, components),
    });
    if let Some(shape) = call.body {
        let schema = components.add(&shape, Direction::Request);
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        for (content_type, shape) in &call.other_bodies {
            let schema = components.add(shape, Direction::Request);
            operation["requestBody"]["content"][*content_type] = json!({ "schema": schema });
        }
    }
    operation
}

/// `Get an API key` → `getApiKey`. Generated clients name their methods like this, so changing a title is a breaking change.
fn operation_id(title: &str) -> String {
    let mut id = String::new();
    let words = title.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the"));
    for word in words {
        let mut is_after_capital = false;
        for (index, letter) in word.char_indices() {
            let is_capital =
                if index == 0 { !id.is_empty() } else { letter.is_uppercase() && !is_after_capital };
            is_after_capital = letter.is_uppercase();
            id.push(if is_capital { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
        }
    }
    id
}

fn is_change(route: &Route) -> bool {
    route.method != "GET"
}

fn permissions(route: &Route) -> String {
    let name = |permission: &Permission| format!("`{}`", permission.key());
    let names: Vec<String> = route.needs.iter().chain(route.alternatives).map(name).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("\n\nNeeds the permission {}.", names.join(" or ")),
    }
}

fn security(route: &Route) -> Value {
    match route.gate {
        "anyone" => json!([]),
        "key" => json!([{ "memberKey": [] }]),
        _ => json!([{ "serviceToken": [] }]),
    }
}

fn parameters(route: &Route, call: &Call, components: &mut Components) -> Vec<Value> {
    let names = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let mut all: Vec<Value> = names.map(|name| path_parameter(name, call)).collect();
    if let Some(shape) = &call.query {
        for (name, schema) in shape.schemas.iter().filter(|(name, _)| **name != shape.name) {
            components.add_schema(name, schema, Direction::Request);
        }
        all.extend(query_parameters(&shape.schemas[&shape.name]));
    }
    let mut shared = vec![];
    if call.is_paged {
        shared.extend(["limit", "after"]);
    }
    if is_change(route) && route.gate == "key" {
        shared.push("IdempotencyKey");
    }
    if call.has_etag && is_change(route) {
        shared.push("IfMatch");
    }
    all.extend(shared.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })));
    all
}

fn path_parameter(name: &str, call: &Call) -> Value {
    let (description, schema, example) = match (name, call.id_pattern) {
        ("slug", _) => {
            ("The account's slug.", json!({ "type": "string", "minLength": 1, "pattern": NO_NUL }), "acme")
        }
        (_, Some(pattern)) => ("Its id.", json!({ "type": "string", "pattern": pattern }), ""),
        _ => {
            ("Its id.", json!({ "type": "string", "format": "uuid" }), "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
        }
    };
    let mut parameter =
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema });
    if !example.is_empty() {
        parameter["example"] = json!(example);
    }
    parameter
}

/// One parameter for each property of the schema. Nothing in an address is `null`.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let mut schema = schema.clone();
    refine(&mut schema, Direction::Request);
    let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = without_null(schema);
        // A default that stands for absence says nothing.
        if schema["default"].is_null() || schema["default"] == "" {
            schema.as_object_mut().and_then(|schema| schema.remove("default"));
        }
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let description = description.unwrap_or_else(|| json!(""));
        let required = required.iter().any(|needed| *needed == name);
        json!({ "name": name, "in": "query", "required": required, "description": description, "schema": schema })
    };
    properties.map(parameter).collect()
}

fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let others = |list: &Value, is_null: fn(&Value) -> bool| -> Option<Vec<Value>> {
        Some(list.as_array()?.iter().filter(|value| !is_null(value)).cloned().collect())
    };
    if let Some([kind]) = others(&schema["type"], |kind| kind == "null").as_deref() {
        schema["type"] = kind.clone();
    }
    if let Some([variant]) = others(&schema["oneOf"], |variant| variant["type"] == "null").as_deref() {
        let description = schema.get("description").cloned();
        schema = variant.clone();
        if let Some(description) = description {
            schema["description"] = description;
        }
    }
    schema
}

fn responses(route: &Route, call: &Call, components: &mut Components) -> Map<String, Value> {
    let mut all = Map::new();
    let limits: &[&str] = if route.gate == "key" { &["RateLimit", "RateLimit-Policy"] } else { &[] };
    for response in &call.responses {
        let status = response.status.to_string();
        // The same response in another format is added to the first.
        let first = all.remove(&status);
        all.insert(status, success(route, call, response, first, limits, components));
    }
    if route.gate == "key" {
        let headers: Map<String, Value> = [header("Location")].into_iter().collect();
        all.insert(
            "307".into(),
            json!({ "description": "The account has another slug by now.", "headers": headers }),
        );
    }
    for (status, codes) in problem_codes(route, call) {
        let mut headers: Map<String, Value> = limits.iter().map(|name| header(name)).collect();
        let retries = matches!(status, 429 | 503) || codes.contains(&"in_flight");
        headers.extend(retries.then(|| header("Retry-After")));
        let prefix = if limits.is_empty() { "unlimited." } else { "" };
        let name = format!("{prefix}{status}.{}", codes.join("."));
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        components.responses.entry(name).or_insert_with(|| problem(status, &codes, headers));
        all.insert(status.to_string(), reference);
    }
    all
}

fn success(
    route: &Route,
    call: &Call,
    response: &CallResponse,
    first: Option<Value>,
    limits: &[&str],
    components: &mut Components,
) -> Value {
    let has_body = response.shape.is_some();
    let mut headers: Map<String, Value> = limits.iter().map(|name| header(name)).collect();
    headers.extend(call.is_paged.then(|| header("Link")));
    headers.extend((call.has_etag && has_body).then(|| header("ETag")));
    headers.extend((is_change(route) && route.gate == "key").then(|| header("Idempotency-Replayed")));
    let description = if has_body { "Success." } else { "Success, without a body." };
    let mut described = first.unwrap_or_else(|| json!({ "description": description, "headers": headers }));
    if let Some(shape) = &response.shape {
        let item = components.add(shape, Direction::Response);
        let schema = if call.is_paged { page(&item) } else { item };
        described["content"][response.content_type] = json!({ "schema": schema });
    }
    described
}

fn header(name: &str) -> (String, Value) {
    (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))
}

fn page(item: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": { "type": "array", "items": item },
            "next": {
                "type": ["string", "null"],
                "example": "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
                "description": "The cursor for `after`; `null` on the last page.",
            },
        },
    })
}

/// The codes that every call with this gate can have. `internal` is not described.
fn codes_of_gate(route: &Route) -> Vec<&'static str> {
    let mut codes = match route.gate {
        "anyone" => vec![],
        "key" => vec!["unauthenticated", "member_inactive", "login_type", "not_found", "too_many_requests"],
        _ => vec!["unauthenticated", "scope_missing"],
    };
    if route.needs.is_some() {
        codes.push("permission_missing");
    }
    codes.extend(["malformed", "unavailable"]);
    codes
}

/// All codes of a call, by status.
fn problem_codes(route: &Route, call: &Call) -> BTreeMap<u16, Vec<&'static str>> {
    let mut codes = codes_of_gate(route);
    if is_change(route) && route.gate == "key" {
        codes.extend(["in_flight", "answer_lost", "idempotency_key_reused", "too_large"]);
    }
    if call.body.is_some() {
        codes.extend(["too_large", "unsupported_media_type", "invalid"]);
    }
    if call.query.is_some() || call.is_paged {
        codes.push("invalid");
    }
    if call.has_etag && is_change(route) {
        codes.push("precondition_failed");
    }
    codes.extend(&call.problems);
    let mut by_status = BTreeMap::<u16, Vec<&'static str>>::new();
    for code in codes {
        let problem = problems::find(code).unwrap_or_else(|| panic!("{code} is not in http::problems"));
        let all = by_status.entry(problem.status).or_default();
        if !all.contains(&problem.code) {
            all.push(problem.code);
        }
    }
    // A body can be malformed as JSON (400) and as text (422).
    if call.body.is_some() {
        by_status.entry(422).or_default().push("malformed");
    }
    by_status
}

/// The response of one status, with every code that it can have.
fn problem(status: u16, codes: &[&str], headers: Map<String, Value>) -> Value {
    let description = |code: &str| problems::find(code).map_or("", |problem| problem.description);
    let line = |code: &&str| format!("- `{code}`: {}", description(code));
    let example = |code: &&str| {
        let detail = description(code).split_inclusive('.').next().unwrap_or_default();
        let mut value = json!({
            "type": format!("/api/docs/problems#{code}"),
            "title": title_of(status),
            "status": status,
            "code": code,
            "detail": detail,
        });
        if *code == "invalid" {
            value["errors"] = json!([{ "pointer": "/name", "code": "required", "detail": "Enter a name." }]);
        }
        if *code == "permission_missing" {
            value["permission"] = json!("members.view");
        }
        ((*code).to_owned(), json!({ "value": value }))
    };
    let examples: Map<String, Value> = codes.iter().map(example).collect();
    let narrowed = json!({ "type": "object", "properties": { "code": { "enum": codes } } });
    let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Problem" }, narrowed] });
    json!({
        "description": codes.iter().map(line).collect::<Vec<_>>().join("\n"),
        "headers": headers,
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    })
}
