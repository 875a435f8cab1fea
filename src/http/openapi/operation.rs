//! One call as an operation of the document.
use super::{NO_NUL, Shared, Way, example::title_of, tidy};
use crate::http::{
    openapi::call::{Answer, Call},
    problems,
    routes::Route,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What every call of a gate can fail with. What stands in for a mistake of ours is not described.
fn of_gate(route: &Route) -> Vec<&'static str> {
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

fn changes(route: &Route) -> bool {
    route.method != "GET"
}

/// What it can fail with, by status.
fn failures(route: &Route, call: &Call) -> BTreeMap<u16, Vec<&'static str>> {
    let mut codes = of_gate(route);
    if changes(route) && route.gate == "key" {
        codes.extend(["in_flight", "answer_lost", "idempotency_key_reused", "too_large"]);
    }
    if call.body.is_some() {
        codes.extend(["too_large", "unsupported_media_type", "invalid"]);
    }
    if call.query.is_some() || call.paged {
        codes.push("invalid");
    }
    if call.tagged && changes(route) {
        codes.push("precondition_failed");
    }
    codes.extend(&call.problems);
    let mut by_status = BTreeMap::<u16, Vec<&'static str>>::new();
    for code in codes {
        let found = problems::find(code).unwrap_or_else(|| panic!("{code} is not in app::problems"));
        let all = by_status.entry(found.status).or_default();
        if !all.contains(&found.code) {
            all.push(found.code);
        }
    }
    // A body can be malformed as JSON (400) and as text (422).
    if call.body.is_some() {
        by_status.entry(422).or_default().push("malformed");
    }
    by_status
}

pub fn operation(route: &Route, shared: &mut Shared) -> Value {
    let tell = route
        .told
        .unwrap_or_else(|| panic!("{} {} is not described: add .told(…)", route.method, route.path));
    let call = tell(Call::default());
    let needs = route.needs.iter().chain(route.or).map(|it| format!("`{}`", it.key())).collect::<Vec<_>>();
    let needs = match needs.as_slice() {
        [] => String::new(),
        all => format!("\n\nNeeds the permission {}.", all.join(" or ")),
    };
    let mut operation = json!({
        "operationId": call.title.to_lowercase().replace([' ', '-', '’'], "_"),
        "summary": call.title,
        "description": format!("{}{needs}", call.says),
        "tags": route.noun.iter().map(|it| it.name).collect::<Vec<_>>(),
        "security": security(route),
        "parameters": parameters(route, &call, shared),
        "responses": responses(route, &call, shared),
    });
    if let Some(shape) = call.body {
        let schema = shared.shape(&shape, Way::In);
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        for (media, shape) in &call.bodies {
            let schema = shared.shape(shape, Way::In);
            operation["requestBody"]["content"][*media] = json!({ "schema": schema });
        }
    }
    operation
}

fn security(route: &Route) -> Value {
    match route.gate {
        "anyone" => json!([]),
        "key" => json!([{ "memberKey": [] }]),
        _ => json!([{ "serviceToken": [] }]),
    }
}

fn parameters(route: &Route, call: &Call, shared: &mut Shared) -> Vec<Value> {
    let mut all = vec![];
    for name in route.path.split('{').skip(1).filter_map(|it| it.split('}').next()) {
        let (says, schema, example) = match (name, call.word) {
            ("slug", _) => (
                "The account's slug.",
                json!({ "type": "string", "minLength": 1, "pattern": NO_NUL }),
                "acme",
            ),
            (_, Some(pattern)) => ("Its id.", json!({ "type": "string", "pattern": pattern }), ""),
            _ => (
                "Its id.",
                json!({ "type": "string", "format": "uuid" }),
                "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
            ),
        };
        let mut it =
            json!({ "name": name, "in": "path", "required": true, "description": says, "schema": schema });
        if !example.is_empty() {
            it["example"] = json!(example);
        }
        all.push(it);
    }
    if let Some(shape) = &call.query {
        for (name, part) in shape.parts.iter().filter(|it| *it.0 != shape.name) {
            shared.part(name, part, Way::In);
        }
        all.extend(query(&shape.parts[&shape.name]));
    }
    let mut names = vec![];
    if call.paged {
        names.extend(["limit", "after"]);
    }
    if changes(route) && route.gate == "key" {
        names.push("IdempotencyKey");
    }
    if call.tagged && changes(route) {
        names.push("IfMatch");
    }
    all.extend(names.iter().map(|it| json!({ "$ref": format!("#/components/parameters/{it}") })));
    all
}

/// Each property of a query's shape is a parameter. What is absent is absent: nothing in an address is `null`.
fn query(schema: &Value) -> Vec<Value> {
    let mut schema = schema.clone();
    tidy(&mut schema, Way::In);
    let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = without_null(schema);
        // What is absent is absent: that is no default to tell.
        if schema["default"].is_null() || schema["default"] == "" {
            schema.as_object_mut().and_then(|it| it.remove("default"));
        }
        let says =
            schema.as_object_mut().and_then(|it| it.remove("description")).unwrap_or_else(|| json!(""));
        let required = required.iter().any(|it| *it == name);
        json!({ "name": name, "in": "query", "required": required, "description": says, "schema": schema })
    };
    properties.map(parameter).collect()
}

fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some([one]) = schema["type"]
        .as_array()
        .map(|all| all.iter().filter(|it| *it != "null").cloned().collect::<Vec<_>>())
        .as_deref()
    {
        schema["type"] = one.clone();
    }
    let others = schema["oneOf"]
        .as_array()
        .map(|all| all.iter().filter(|it| it["type"] != "null").cloned().collect::<Vec<_>>());
    if let Some([one]) = others.as_deref() {
        let says = schema.get("description").cloned();
        schema = one.clone();
        if let Some(says) = says {
            schema["description"] = says;
        }
    }
    schema
}

fn header(name: &str) -> (String, Value) {
    (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))
}

fn responses(route: &Route, call: &Call, shared: &mut Shared) -> Map<String, Value> {
    let mut all = Map::new();
    let limits: &[&str] = if route.gate == "key" { &["RateLimit", "RateLimit-Policy"] } else { &[] };
    for Answer { status, shape, media } in &call.answers {
        let mut headers: Map<String, Value> = limits.iter().map(|it| header(it)).collect();
        headers.extend(call.paged.then(|| header("Link")));
        headers.extend((call.tagged && shape.is_some()).then(|| header("ETag")));
        headers.extend((changes(route) && route.gate == "key").then(|| header("Idempotency-Replayed")));
        let says = if shape.is_some() { "It went well." } else { "It went well; there is nothing to say." };
        // Another form of the same answer stands beside the first.
        let first = all.remove(&status.to_string());
        let mut response = first.unwrap_or_else(|| json!({ "description": says, "headers": headers }));
        if let Some(shape) = shape {
            let one = shared.shape(shape, Way::Out);
            let schema = if call.paged { page(&one) } else { one };
            response["content"][*media] = json!({ "schema": schema });
        }
        all.insert(status.to_string(), response);
    }
    if route.gate == "key" {
        let headers: Map<String, Value> = [header("Location")].into_iter().collect();
        all.insert(
            "307".into(),
            json!({ "description": "The account has another slug by now.", "headers": headers }),
        );
    }
    for (status, codes) in failures(route, call) {
        let mut headers: Map<String, Value> = limits.iter().map(|it| header(it)).collect();
        headers.extend(
            (matches!(status, 429 | 503) || codes.contains(&"in_flight")).then(|| header("Retry-After")),
        );
        let who = if limits.is_empty() { "unlimited." } else { "" };
        let name = format!("{who}{status}.{}", codes.join("."));
        let refer = json!({ "$ref": format!("#/components/responses/{name}") });
        shared.responses.entry(name).or_insert_with(|| problem(status, &codes, headers));
        all.insert(status.to_string(), refer);
    }
    all
}

fn page(one: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": { "type": "array", "items": one },
            "next": { "type": ["string", "null"], "example": "0199a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "description": "The cursor for `after`; `null` on the last page." },
        },
    })
}

/// One status, and every code that it can come with.
fn problem(status: u16, codes: &[&str], headers: Map<String, Value>) -> Value {
    let says =
        |it: &&str| problems::find(it).map(|it| format!("- `{}`: {}", it.code, it.says)).unwrap_or_default();
    let example = |code: &&str| {
        let said = problems::find(code).map_or("", |it| it.says);
        let mut value = json!({ "type": format!("/api/docs/problems#{code}"), "title": title_of(status), "status": status,
            "code": code, "detail": said.split_inclusive('.').next().unwrap_or_default() });
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
        "description": codes.iter().map(says).collect::<Vec<_>>().join("\n"),
        "headers": headers,
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    })
}
