//! The document as a reader needs it: calls by noun, fields in rows, an example to copy.
use crate::http::openapi::example;
use serde_json::Value;
use std::collections::BTreeMap;

/// How deep fields within fields are shown.
const DEPTH: usize = 4;

/// What calls are about.
pub struct Chapter {
    /// Its word in the address.
    pub word: String,
    pub name: String,
    pub says: String,
    pub calls: Vec<Call>,
}

pub struct Call {
    /// Its id in the page.
    pub id: String,
    pub title: String,
    pub method: String,
    pub path: String,
    pub says: Vec<Words>,
    pub parameters: Vec<Row>,
    pub body: Vec<Row>,
    pub answers: Vec<Answer>,
    pub problems: Vec<(String, Vec<String>)>,
    pub curl: String,
}

pub struct Answer {
    pub status: String,
    pub media: String,
    pub rows: Vec<Row>,
    pub example: String,
}

/// A field or a parameter.
pub struct Row {
    pub name: String,
    pub kind: String,
    pub needed: bool,
    pub says: Words,
}

/// A paragraph: pieces of text, each plain, `code` or strong.
pub struct Words(pub Vec<(Look, String)>);

#[derive(Clone, Copy, PartialEq)]
pub enum Look {
    Plain,
    Code,
    Strong,
}

impl Words {
    fn of(text: &str) -> Words {
        let mut pieces = vec![];
        for (at, piece) in text.split('`').enumerate() {
            if at % 2 == 1 {
                pieces.push((Look::Code, piece.to_owned()));
                continue;
            }
            let looks = [Look::Plain, Look::Strong].into_iter().cycle();
            pieces.extend(piece.split("**").zip(looks).map(|(text, look)| (look, text.to_owned())));
        }
        pieces.retain(|it| !it.1.is_empty());
        Words(pieces)
    }
}

impl Look {
    pub fn is_code(self) -> bool {
        self == Look::Code
    }
    pub fn is_strong(self) -> bool {
        self == Look::Strong
    }
}

/// Paragraphs of a text.
pub fn paragraphs(text: &str) -> Vec<Words> {
    text.split("\n\n").map(Words::of).collect()
}

/// All of the document.
pub fn chapters(document: &Value, base: &str) -> Vec<Chapter> {
    let mut calls = BTreeMap::<&str, Vec<Call>>::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, it) in item.as_object().into_iter().flatten() {
            let noun = it["tags"][0].as_str().unwrap_or_default();
            calls.entry(noun).or_default().push(call(document, base, path, method, it));
        }
    }
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let chapter = |it: &Value| {
        let name = text(&it["name"]);
        let mut calls = calls.remove(name.as_str()).unwrap_or_default();
        calls.sort_by_key(|it| (it.path.matches('/').count(), it.path.clone(), order(&it.method)));
        Chapter { word: name.to_lowercase().replace(' ', "-"), says: text(&it["description"]), name, calls }
    };
    document["tags"].as_array().into_iter().flatten().map(chapter).collect()
}

fn order(method: &str) -> usize {
    ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().position(|it| *it == method).unwrap_or(9)
}

fn call(document: &Value, base: &str, path: &str, method: &str, it: &Value) -> Call {
    let read = Reader(document);
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let body = &it["requestBody"]["content"]["application/json"];
    let responses =
        || it["responses"].as_object().into_iter().flatten().map(|(status, it)| (status, read.follow(it)));
    let answers = responses().filter(|it| it.0.starts_with('2')).map(|(status, it)| {
        let media = it["content"].as_object().and_then(|it| it.iter().next());
        let shown = media.map(|(_, it)| (read.rows(&it["schema"], ""), pretty(&it["example"])));
        let (rows, example) = shown.unwrap_or_default();
        Answer { status: status.clone(), media: media.map_or("", |it| it.0).to_owned(), rows, example }
    });
    let problems = responses().filter(|it| it.0.starts_with(['4', '5'])).map(|(status, it)| {
        let codes = it["content"]["application/problem+json"]["examples"].as_object().into_iter().flatten();
        (status.clone(), codes.map(|it| it.0.clone()).collect())
    });
    Call {
        id: text(&it["operationId"]).replace('_', "-"),
        title: text(&it["summary"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        says: paragraphs(it["description"].as_str().unwrap_or_default()),
        parameters: it["parameters"].as_array().into_iter().flatten().map(|it| read.parameter(it)).collect(),
        body: read.rows(&body["schema"], ""),
        answers: answers.collect(),
        problems: problems.collect(),
        curl: read.curl(base, path, method, it),
    }
}

fn pretty(it: &Value) -> String {
    serde_json::to_string_pretty(it).unwrap_or_default()
}

struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    fn follow(&self, it: &'a Value) -> &'a Value {
        match it["$ref"].as_str() {
            Some(to) => self.follow(self.0.pointer(to.trim_start_matches('#')).unwrap_or(&Value::Null)),
            None => it,
        }
    }

    fn parameter(&self, it: &'a Value) -> Row {
        let it = self.follow(it);
        let place = match it["in"].as_str() {
            Some("path") => "path",
            Some("header") => "header",
            _ => "query",
        };
        Row {
            name: it["name"].as_str().unwrap_or_default().to_owned(),
            kind: format!("{place}, {}", self.kind(&it["schema"])),
            needed: it["required"] == true,
            says: Words::of(it["description"].as_str().unwrap_or_default()),
        }
    }

    /// What one writes there, in words.
    fn kind(&self, schema: &'a Value) -> String {
        if let Some(all) = schema["oneOf"].as_array() {
            let kinds: Vec<String> = all.iter().map(|it| self.kind(it)).collect();
            return if kinds.iter().all(|it| it == "object") { "object".into() } else { kinds.join(" or ") };
        }
        let schema = self.follow(schema);
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            return if words.len() > 12 { "permission".into() } else { words.join(" | ") };
        }
        if schema.get("oneOf").is_some() {
            return "object".into();
        }
        let one = |word: &str| match (word, schema["format"].as_str()) {
            ("string", Some("uuid")) => "id".to_owned(),
            ("string", Some("date-time")) => "time".to_owned(),
            ("string", Some(format)) => format.to_owned(),
            ("array", _) => format!("list of {}", self.kind(&schema["items"])),
            (word, _) => word.to_owned(),
        };
        match &schema["type"] {
            Value::String(word) => one(word),
            Value::Array(all) => {
                all.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" or ")
            }
            _ if schema.get("allOf").is_some() => "object".into(),
            _ => "any".into(),
        }
    }

    /// The fields of a shape, and of those in it.
    fn rows(&self, schema: &'a Value, within: &str) -> Vec<Row> {
        let schema = self.follow(schema);
        if within.matches('.').count() >= DEPTH {
            return vec![];
        }
        for word in ["allOf", "oneOf"] {
            if let Some(all) = schema[word].as_array() {
                let mut rows: Vec<Row> = vec![];
                let shapes: Vec<Vec<Row>> = all.iter().map(|it| self.rows(it, within)).collect();
                let has = |name: &str| shapes.iter().filter(|it| it.iter().any(|it| it.name == name)).count();
                // A field of one of several shapes is there with that shape alone.
                let everywhere: Vec<String> = shapes
                    .iter()
                    .flatten()
                    .map(|it| it.name.clone())
                    .filter(|it| has(it) == all.len())
                    .collect();
                let is_sure = |row: &Row| word == "allOf" || everywhere.contains(&row.name);
                for mut row in shapes.into_iter().flatten() {
                    row.needed &= is_sure(&row);
                    match rows.iter_mut().find(|it| it.name == row.name) {
                        Some(had) if had.kind != row.kind => {
                            had.kind = format!("{} | {}", had.kind, row.kind);
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
        for (name, it) in schema["properties"].as_object().into_iter().flatten() {
            let name = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
            let parts = it["oneOf"].as_array().into_iter().flatten();
            let mut says = [&it["description"]].into_iter().chain(parts.map(|it| &it["description"]));
            let says = says.find_map(Value::as_str).unwrap_or_default();
            let own = name.rsplit('.').next().unwrap_or(&name);
            let row = Row {
                kind: self.kind(it),
                needed: required.contains(&own),
                says: Words::of(says),
                name: name.clone(),
            };
            rows.push(row);
            rows.extend(self.rows(it, &name));
        }
        rows
    }

    fn curl(&self, base: &str, path: &str, method: &str, it: &'a Value) -> String {
        let parameters = || it["parameters"].as_array().into_iter().flatten().map(|it| self.follow(it));
        let mut path = path.to_owned();
        for it in parameters().filter(|it| it["in"] == "path") {
            let name = format!("{{{}}}", it["name"].as_str().unwrap_or_default());
            path = path.replace(&name, it["example"].as_str().unwrap_or("developer"));
        }
        let needed = parameters().filter(|it| it["in"] == "query" && it["required"] == true);
        let query: Vec<String> = needed
            .map(|it| {
                let value = example(self.0, &it["schema"]);
                format!("{}={}", it["name"].as_str().unwrap_or_default(), value.as_str().unwrap_or("…"))
            })
            .collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let mut lines = vec![format!("curl -X {} '{base}{path}{query}'", method.to_uppercase())];
        if it["security"][0].get("memberKey").is_some() {
            lines.push("-H \"Authorization: Bearer $GUILDHALL_KEY\"".into());
        } else if it["security"][0].is_object() {
            lines.push("-H \"Authorization: Bearer $GUILDHALL_SERVICE_TOKEN\"".into());
        }
        if let Some((kind, body)) = it["requestBody"]["content"].as_object().and_then(|it| it.iter().next()) {
            lines.push(format!("-H 'Content-Type: {kind}'"));
            lines.push(format!("-d '{}'", pretty(&body["example"]).replace('\'', "’")));
        }
        lines.join(" \\\n  ")
    }
}
