//! The OpenAPI document as a reader needs it: operations by tag, fields in rows, an example to copy.
use crate::http::openapi::example;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many levels of nested fields are shown.
const DEPTH: usize = 4;

/// The operations of one tag.
pub struct Chapter {
    /// In the address.
    pub slug: String,
    pub name: String,
    pub description: String,
    pub operations: Vec<Operation>,
}

pub struct Operation {
    /// Of its section on the page.
    pub id: String,
    pub title: String,
    pub method: String,
    pub path: String,
    pub description: Vec<Paragraph>,
    pub parameters: Vec<FieldRow>,
    pub body: Vec<FieldRow>,
    pub responses: Vec<OperationResponse>,
    /// Statuses, and the codes of each.
    pub problems: Vec<(String, Vec<String>)>,
    pub curl: String,
}

pub struct OperationResponse {
    pub status: String,
    pub media: String,
    pub rows: Vec<FieldRow>,
    pub example: String,
}

/// A field or a parameter.
pub struct FieldRow {
    pub name: String,
    pub kind: String,
    pub required: bool,
    pub description: Paragraph,
}

/// Pieces of text, each plain, `code` or strong.
pub struct Paragraph(pub Vec<(TextStyle, String)>);

#[derive(Clone, Copy, PartialEq)]
pub enum TextStyle {
    Plain,
    Code,
    Strong,
}

impl Paragraph {
    fn of(text: &str) -> Paragraph {
        let mut pieces = vec![];
        for (position, piece) in text.split('`').enumerate() {
            if position % 2 == 1 {
                pieces.push((TextStyle::Code, piece.to_owned()));
                continue;
            }
            let styles = [TextStyle::Plain, TextStyle::Strong].into_iter().cycle();
            pieces.extend(piece.split("**").zip(styles).map(|(text, style)| (style, text.to_owned())));
        }
        pieces.retain(|piece| !piece.1.is_empty());
        Paragraph(pieces)
    }
}

impl TextStyle {
    pub fn is_code(self) -> bool {
        self == TextStyle::Code
    }
    pub fn is_strong(self) -> bool {
        self == TextStyle::Strong
    }
}

pub fn paragraphs(text: &str) -> Vec<Paragraph> {
    text.split("\n\n").map(Paragraph::of).collect()
}

pub fn chapters(document: &Value, base: &str) -> Vec<Chapter> {
    let mut operations = BTreeMap::<&str, Vec<Operation>>::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, description) in item.as_object().into_iter().flatten() {
            let tag = description["tags"][0].as_str().unwrap_or_default();
            operations.entry(tag).or_default().push(operation(document, base, path, method, description));
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let chapter = |tag: &Value| {
        let name = text(&tag["name"]);
        let mut operations = operations.remove(name.as_str()).unwrap_or_default();
        operations.sort_by_key(|operation| {
            (operation.path.matches('/').count(), operation.path.clone(), method_order(&operation.method))
        });
        let slug = name.to_lowercase().replace(' ', "-");
        Chapter { slug, description: text(&tag["description"]), name, operations }
    };
    document["tags"].as_array().into_iter().flatten().map(chapter).collect()
}

fn method_order(method: &str) -> usize {
    ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().position(|known| *known == method).unwrap_or(9)
}

fn operation(document: &Value, base: &str, path: &str, method: &str, operation: &Value) -> Operation {
    let reader = Reader(document);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = &operation["requestBody"]["content"]["application/json"];
    let responses = || {
        operation["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(status, response)| (status, reader.follow(response)))
    };
    let success = responses().filter(|response| response.0.starts_with('2')).map(|(status, response)| {
        let media = response["content"].as_object().and_then(|types| types.iter().next());
        let schema =
            media.map(|(_, content)| (reader.rows(&content["schema"], ""), pretty(&content["example"])));
        let (rows, example) = schema.unwrap_or_default();
        OperationResponse {
            status: status.clone(),
            media: media.map_or("", |media| media.0).to_owned(),
            rows,
            example,
        }
    });
    let problems =
        responses().filter(|response| response.0.starts_with(['4', '5'])).map(|(status, response)| {
            let codes =
                response["content"]["application/problem+json"]["examples"].as_object().into_iter().flatten();
            (status.clone(), codes.map(|code| code.0.clone()).collect())
        });
    Operation {
        id: text(&operation["summary"]).to_lowercase().replace(' ', "-"),
        title: text(&operation["summary"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        description: paragraphs(operation["description"].as_str().unwrap_or_default()),
        parameters: operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| reader.parameter(parameter))
            .collect(),
        body: reader.rows(&body["schema"], ""),
        responses: success.collect(),
        problems: problems.collect(),
        curl: reader.curl(base, path, method, operation),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    fn follow(&self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(to) => self.follow(self.0.pointer(to.trim_start_matches('#')).unwrap_or(&Value::Null)),
            None => value,
        }
    }

    fn parameter(&self, value: &'a Value) -> FieldRow {
        let parameter = self.follow(value);
        let location = match parameter["in"].as_str() {
            Some("path") => "path",
            Some("header") => "header",
            _ => "query",
        };
        FieldRow {
            name: parameter["name"].as_str().unwrap_or_default().to_owned(),
            kind: format!("{location}, {}", self.kind(&parameter["schema"])),
            required: parameter["required"] == true,
            description: Paragraph::of(parameter["description"].as_str().unwrap_or_default()),
        }
    }

    /// The type of a value, in words.
    fn kind(&self, schema: &'a Value) -> String {
        if let Some(shapes) = schema["oneOf"].as_array() {
            let kinds: Vec<String> = shapes.iter().map(|shape| self.kind(shape)).collect();
            return if kinds.iter().all(|kind| kind == "object") {
                "object".into()
            } else {
                kinds.join(" or ")
            };
        }
        let schema = self.follow(schema);
        if let Some(values) = schema["enum"].as_array() {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            return if values.len() > 12 { "permission".into() } else { values.join(" | ") };
        }
        if schema.get("oneOf").is_some() {
            return "object".into();
        }
        let in_words = |name: &str| match (name, schema["format"].as_str()) {
            ("string", Some("uuid")) => "id".to_owned(),
            ("string", Some("date-time")) => "time".to_owned(),
            ("string", Some(format)) => format.to_owned(),
            ("array", _) => format!("list of {}", self.kind(&schema["items"])),
            (name, _) => name.to_owned(),
        };
        match &schema["type"] {
            Value::String(name) => in_words(name),
            Value::Array(names) => {
                names.iter().filter_map(Value::as_str).map(in_words).collect::<Vec<_>>().join(" or ")
            }
            _ if schema.get("allOf").is_some() => "object".into(),
            _ => "any".into(),
        }
    }

    /// The fields of a schema, nested ones behind their own.
    fn rows(&self, schema: &'a Value, within: &str) -> Vec<FieldRow> {
        let schema = self.follow(schema);
        if within.matches('.').count() >= DEPTH {
            return vec![];
        }
        for combinator in ["allOf", "oneOf"] {
            if let Some(parts) = schema[combinator].as_array() {
                let mut rows: Vec<FieldRow> = vec![];
                let shapes: Vec<Vec<FieldRow>> = parts.iter().map(|part| self.rows(part, within)).collect();
                let count =
                    |name: &str| shapes.iter().filter(|rows| rows.iter().any(|row| row.name == name)).count();
                // A field of one of several shapes is required in that shape alone.
                let everywhere: Vec<String> = shapes
                    .iter()
                    .flatten()
                    .map(|row| row.name.clone())
                    .filter(|name| count(name) == parts.len())
                    .collect();
                let is_in_all = |row: &FieldRow| combinator == "allOf" || everywhere.contains(&row.name);
                for mut row in shapes.into_iter().flatten() {
                    row.required &= is_in_all(&row);
                    match rows.iter_mut().find(|known| known.name == row.name) {
                        Some(known) if known.kind != row.kind => {
                            known.kind = format!("{} | {}", known.kind, row.kind);
                        }
                        Some(_) => {}
                        None => rows.push(row),
                    }
                }
                return rows;
            }
        }
        if schema["type"] == "array" || schema["type"][0] == "array" {
            return self.rows(&schema["items"], &format!("{}[]", within.trim_end_matches("[]")));
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut rows = vec![];
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let name = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
            let parts = field["oneOf"].as_array().into_iter().flatten();
            let mut descriptions =
                [&field["description"]].into_iter().chain(parts.map(|part| &part["description"]));
            let description = descriptions.find_map(Value::as_str).unwrap_or_default();
            let own = name.rsplit('.').next().unwrap_or(&name);
            let row = FieldRow {
                kind: self.kind(field),
                required: required.contains(&own),
                description: Paragraph::of(description),
                name: name.clone(),
            };
            rows.push(row);
            rows.extend(self.rows(field, &name));
        }
        rows
    }

    fn curl(&self, base: &str, path: &str, method: &str, operation: &'a Value) -> String {
        let parameters = || {
            operation["parameters"].as_array().into_iter().flatten().map(|parameter| self.follow(parameter))
        };
        let mut path = path.to_owned();
        for parameter in parameters().filter(|parameter| parameter["in"] == "path") {
            let name = format!("{{{}}}", parameter["name"].as_str().unwrap_or_default());
            path = path.replace(&name, parameter["example"].as_str().unwrap_or("developer"));
        }
        let required =
            parameters().filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let query: Vec<String> = required
            .map(|parameter| {
                let value = example(self.0, &parameter["schema"]);
                format!(
                    "{}={}",
                    parameter["name"].as_str().unwrap_or_default(),
                    value.as_str().unwrap_or("…")
                )
            })
            .collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let mut lines = vec![format!("curl -X {} '{base}{path}{query}'", method.to_uppercase())];
        if operation["security"][0].get("memberKey").is_some() {
            lines.push("-H \"Authorization: Bearer $GUILDHALL_KEY\"".into());
        } else if operation["security"][0].is_object() {
            lines.push("-H \"Authorization: Bearer $GUILDHALL_SERVICE_TOKEN\"".into());
        }
        if let Some((kind, body)) =
            operation["requestBody"]["content"].as_object().and_then(|types| types.iter().next())
        {
            lines.push(format!("-H 'Content-Type: {kind}'"));
            lines.push(format!("-d '{}'", pretty(&body["example"]).replace('\'', "’")));
        }
        lines.join(" \\\n  ")
    }
}
