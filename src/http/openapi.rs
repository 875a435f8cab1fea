//! The OpenAPI document, made from the route table: the gate says who may call, the description beside the route says the rest.
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

/// Under which every call of the API lies.
const ROOT: &str = "/api/v1/";

/// The program's calls, and the document of them: made when it is first read.
#[derive(Clone)]
pub struct Book(Arc<(Vec<Route>, OnceLock<Document>)>);

/// The document.
pub struct Document {
    /// As an object.
    pub value: Value,
    /// As `/api/v1/openapi.json` and `guildhall openapi` tell it.
    pub text: String,
}

impl Book {
    /// Of the program's routes.
    pub fn of(table: &[Route]) -> Book {
        let calls = table.iter().filter(|it| it.path.starts_with(ROOT)).cloned().collect();
        Book(Arc::new((calls, OnceLock::new())))
    }
    /// The document.
    pub fn document(&self) -> &Document {
        self.0.1.get_or_init(|| {
            let value = document(&self.0.0);
            let text = serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
            Document { value, text }
        })
    }
}

impl FromRequestParts<App> for Book {
    type Rejection = Error;
    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Book, Error> {
        app.0.book.get().cloned().ok_or_else(|| Error::Internal("no book of the API".into()))
    }
}

/// What is meant under one name by all that name it.
#[derive(Default)]
struct Shared {
    schemas: BTreeMap<String, Value>,
    responses: BTreeMap<String, Value>,
}

/// Whether a shape comes in or goes out.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

impl Shared {
    /// Takes up a shape; says how it is referred to.
    fn shape(&mut self, shape: &Shape, way: Way) -> Value {
        for (name, schema) in &shape.parts {
            self.part(name, schema, way);
        }
        json!({ "$ref": format!("#/components/schemas/{}", shape.name) })
    }
    fn part(&mut self, name: &str, schema: &Value, way: Way) {
        let mut schema = schema.clone();
        tidy(&mut schema, way);
        let had = self.schemas.entry(name.to_owned()).or_insert_with(|| schema.clone());
        assert_eq!(*had, schema, "two shapes are called {name}: tell them apart with #[schema(as = …)]");
    }
}

/// What comes in has no other fields than those that are described. What goes out has all that can be `null`: an absent value is
/// `null`, never missing.
fn tidy(schema: &mut Value, way: Way) {
    match schema {
        Value::Object(it) => {
            it.values_mut().for_each(|it| tidy(it, way));
            // A default beside a reference comes as an object that says nothing else.
            if let Some([named, rest]) = it.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
                && rest["type"] == "object"
                && rest.get("properties").is_none()
            {
                let (named, rest) = (named.clone(), rest.clone());
                it.remove("allOf");
                for (name, value) in [rest, named].iter().filter_map(Value::as_object).flatten() {
                    it.insert(name.clone(), value.clone());
                }
            }
            let says_more = ["pattern", "enum", "format"].iter().any(|word| it.contains_key(*word));
            if way == Way::In && !says_more && is_text(it.get("type")) {
                it.insert("pattern".into(), json!(NO_NUL));
            }
            let Some(Value::Object(properties)) = it.get("properties") else { return };
            if way == Way::In {
                it.insert("additionalProperties".into(), json!(false));
                return;
            }
            let nullable = properties.iter().filter(|(_, it)| takes_null(it)).map(|(name, _)| name.clone());
            let mut required: BTreeSet<String> = nullable.collect();
            let had = it.get("required").and_then(Value::as_array).into_iter().flatten();
            required.extend(had.filter_map(Value::as_str).map(str::to_owned));
            it.insert("required".into(), json!(required));
        }
        Value::Array(all) => all.iter_mut().for_each(|it| tidy(it, way)),
        _ => {}
    }
}

/// No text that comes in holds a NUL: Postgres has none with one in it.
const NO_NUL: &str = r"^[^\u0000]*$";

fn is_text(kind: Option<&Value>) -> bool {
    kind.is_some_and(|it| {
        it == "string" || it.as_array().is_some_and(|all| all.iter().any(|it| it == "string"))
    })
}

fn takes_null(schema: &Value) -> bool {
    let any = |word: &str| schema[word].as_array().into_iter().flatten().any(takes_null);
    match &schema["type"] {
        Value::String(it) => it == "null",
        Value::Array(all) => all.iter().any(|it| it == "null"),
        _ => any("oneOf") || any("anyOf"),
    }
}

fn document(calls: &[Route]) -> Value {
    let mut shared = Shared::default();
    let (mut paths, mut tags) = (BTreeMap::<&str, Map<String, Value>>::new(), vec![]);
    for route in calls {
        let noun = route.noun.map(|it| json!({ "name": it.name, "description": it.says }));
        tags.extend(noun.filter(|it| !tags.contains(it)));
        let operation = operation::operation(route, &mut shared);
        paths.entry(route.path).or_default().insert(route.method.to_lowercase(), operation);
    }
    tags.sort_by_key(|it| it["name"].to_string());
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
            "schemas": shared.schemas,
            "responses": shared.responses,
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "securitySchemes": parts::security(),
        },
    });
    document["components"]["schemas"]["Problem"] = parts::problem();
    example::fill(&mut document);
    document
}
