//! The OpenAPI document, made from the route table: the gate says who may call, the description beside the route the rest.
pub mod call;
mod example;
mod operation;
mod parts;

use super::{App, openapi::call::Shape, routes::Route};
use crate::error::Error;
use axum::{extract::FromRequestParts, http::request::Parts};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

pub use example::example;

/// The prefix of every call.
const ROOT: &str = "/api/v1/";

/// The program's calls, and their document, which is made when it is first read.
#[derive(Clone)]
pub struct ApiDocument(Arc<(Vec<Route>, OnceLock<Document>)>);

pub struct Document {
    pub value: Value,
    /// As `/api/v1/openapi.json` and `guildhall openapi` show it.
    pub text: String,
}

impl ApiDocument {
    pub fn of(table: &[Route]) -> ApiDocument {
        let calls = table.iter().filter(|route| route.path.starts_with(ROOT)).cloned().collect();
        ApiDocument(Arc::new((calls, OnceLock::new())))
    }
    pub fn document(&self) -> &Document {
        self.0.1.get_or_init(|| {
            let value = document(&self.0.0);
            let text = serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
            Document { value, text }
        })
    }
}

impl FromRequestParts<App> for ApiDocument {
    type Rejection = Error;
    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<ApiDocument, Error> {
        app.0.api_document.get().cloned().ok_or_else(|| Error::Internal("the app serves no routes".into()))
    }
}

/// What operations refer to by name.
#[derive(Default)]
struct Components {
    schemas: BTreeMap<String, Value>,
    responses: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Request,
    Response,
}

impl Components {
    /// Adds a shape, and returns a reference to it.
    fn add(&mut self, shape: &Shape, direction: Direction) -> Value {
        for (name, schema) in &shape.schemas {
            self.add_schema(name, schema, direction);
        }
        json!({ "$ref": format!("#/components/schemas/{}", shape.name) })
    }
    fn add_schema(&mut self, name: &str, schema: &Value, direction: Direction) {
        let mut schema = schema.clone();
        refine(&mut schema, direction);
        let existing = self.schemas.entry(name.to_owned()).or_insert_with(|| schema.clone());
        assert_eq!(*existing, schema, "two schemas are called {name}: name one with #[schema(as = …)]");
    }
}

/// Adds to a schema what the derived one does not say: requests have no other fields than those described, and no NUL; responses
/// have all that can be `null`, since an absent value is `null` and never missing.
fn refine(schema: &mut Value, direction: Direction) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(|value| refine(value, direction));
            flatten_reference(object);
            match direction {
                Direction::Request => refine_request(object),
                Direction::Response => refine_response(object),
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| refine(value, direction)),
        _ => {}
    }
}

/// A default beside a reference is derived as `allOf` of the reference and an object that has nothing else.
fn flatten_reference(object: &mut Map<String, Value>) {
    let Some([reference, rest]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice) else {
        return;
    };
    if rest["type"] != "object" || rest.get("properties").is_some() {
        return;
    }
    let (reference, rest) = (reference.clone(), rest.clone());
    object.remove("allOf");
    for (name, value) in [rest, reference].iter().filter_map(Value::as_object).flatten() {
        object.insert(name.clone(), value.clone());
    }
}

fn refine_request(object: &mut Map<String, Value>) {
    let is_narrower = ["pattern", "enum", "format"].iter().any(|key| object.contains_key(*key));
    if !is_narrower && is_string(object.get("type")) {
        object.insert("pattern".into(), json!(NO_NUL));
    }
    if object.get("properties").is_some_and(Value::is_object) {
        object.insert("additionalProperties".into(), json!(false));
    }
}

fn refine_response(object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = object.get("properties") else { return };
    let nullable = properties.iter().filter(|(_, schema)| takes_null(schema)).map(|(name, _)| name.clone());
    let mut required: BTreeSet<String> = nullable.collect();
    let derived = object.get("required").and_then(Value::as_array).into_iter().flatten();
    required.extend(derived.filter_map(Value::as_str).map(str::to_owned));
    object.insert("required".into(), json!(required));
}

/// Postgres has no text with a NUL in it.
const NO_NUL: &str = r"^[^\u0000]*$";

fn is_string(kind: Option<&Value>) -> bool {
    kind.is_some_and(|kind| {
        kind == "string" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "string"))
    })
}

fn takes_null(schema: &Value) -> bool {
    let any = |key: &str| schema[key].as_array().into_iter().flatten().any(takes_null);
    match &schema["type"] {
        Value::String(kind) => kind == "null",
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "null"),
        _ => any("oneOf") || any("anyOf"),
    }
}

fn document(calls: &[Route]) -> Value {
    let mut components = Components::default();
    let (mut paths, mut tags) = (BTreeMap::<&str, Map<String, Value>>::new(), vec![]);
    for route in calls {
        let tag = route.tag.map(|tag| json!({ "name": tag.name, "description": tag.description }));
        tags.extend(tag.filter(|tag| !tags.contains(tag)));
        let operation = operation::operation(route, &mut components);
        paths.entry(route.path).or_default().insert(route.method.to_lowercase(), operation);
    }
    tags.sort_by_key(|tag| tag["name"].to_string());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Guildhall",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The organization console to put next to your API.",
            "description": parts::ABOUT,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/", "description": "This installation" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "responses": components.responses,
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "securitySchemes": parts::security(),
        },
    });
    document["components"]["schemas"]["Problem"] = parts::problem();
    example::fill(&mut document);
    document
}
