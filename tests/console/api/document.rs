//! The OpenAPI document says what the program does: each route is described, and each problem that a call can have.
use crate::harness::{Said, each};
use guildhall::app::{openapi::Book, problems};
use serde_json::Value;
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(&Book::of(guildhall::routes().table()).document().text).unwrap()
}

#[test]
fn every_call_is_described_and_every_description_is_a_call() {
    let document = document();
    let calls: BTreeSet<String> = guildhall::routes()
        .table()
        .iter()
        .filter(|it| it.path.starts_with("/api/v1/"))
        .map(|it| format!("{} {}", it.method, it.path))
        .collect();
    let mut described = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, it) in item.as_object().unwrap() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            assert!(names.insert(it["operationId"].to_string()), "{} twice", it["operationId"]);
            assert!(it["tags"][0].is_string(), "{method} {path} has no noun: add .about(…)");
            assert!(it["description"].as_str().is_some_and(|it| it.contains('.')), "{method} {path}");
            assert!(
                it["responses"].as_object().unwrap().keys().any(|it| it.starts_with('2')),
                "{method} {path}"
            );
            for parameter in it["parameters"].as_array().unwrap().iter().filter(|it| it.get("$ref").is_none())
            {
                assert!(parameter["description"] != "", "{method} {path}: {}", parameter["name"]);
            }
        }
    }
    assert_eq!(calls, described);
    assert!(calls.len() > 25);
}

/// Whoever reads a shape in the document reads what it is, and each of its fields.
#[test]
fn every_field_is_described() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
        for (field, it) in parts.flat_map(|it| it["properties"].as_object().into_iter().flatten()) {
            let said = [&it["description"], &it["oneOf"][0]["description"], &it["oneOf"][1]["description"]];
            assert!(said.iter().any(|it| it.is_string()), "{name}.{field} has no description: {it}");
        }
    }
}

/// Whoever reads an example sees what could have been asked and answered.
#[test]
fn every_example_says_something() {
    fn walk(it: &Value, path: &str) {
        match it {
            Value::Object(all) => all.iter().for_each(|(name, it)| walk(it, &format!("{path}.{name}"))),
            Value::Array(all) => all.iter().for_each(|it| walk(it, path)),
            it => assert!(it != "text", "{path} has no example: add #[schema(example = …)]"),
        }
    }
    let document = document();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, it) in item.as_object().unwrap() {
            let answers = it["responses"].as_object().unwrap().values();
            for content in answers.chain([&it["requestBody"]]).filter_map(|it| it["content"].as_object()) {
                for (_, media) in content.iter().filter(|it| it.0.ends_with("json")) {
                    walk(&media["example"], &format!("{method} {path}"));
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 70, "{seen}");
    let verdict = &document["paths"]["/api/v1/keys/verify"]["post"]["responses"]["200"]["content"];
    let verdict = &verdict["application/json"]["example"];
    assert_eq!((&verdict["valid"], &verdict["code"]), (&Value::Bool(true), &Value::from("VALID")));
}

/// Every reference leads somewhere.
#[test]
fn the_document_is_whole() {
    fn walk(document: &Value, it: &Value) {
        if let Some(to) = it["$ref"].as_str() {
            assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
        match it {
            Value::Object(all) => all.values().for_each(|it| walk(document, it)),
            Value::Array(all) => all.iter().for_each(|it| walk(document, it)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
    assert_eq!(document["openapi"], "3.1.0");
}

/// A code in the source that is not in the table would be a surprise for a program.
#[test]
fn every_problem_of_the_source_is_in_the_table() {
    let mut found = BTreeSet::new();
    for file in ["src/store", "src/api", "src/app"].iter().flat_map(|it| files(it.as_ref())) {
        let text = std::fs::read_to_string(&file).unwrap();
        for mark in ["Error::conflict(", "Barred { code: "] {
            let rests = text.split(mark).skip(1);
            let said = rests.filter_map(|it| it.trim_start().strip_prefix('"')?.split('"').next());
            found.extend(said.map(str::to_owned));
        }
    }
    let missing: Vec<&String> =
        found.iter().filter(|it| problems::find(it).is_none() && !PAGES.contains(&it.as_str())).collect();
    assert!(missing.is_empty(), "not in app::problems: {missing:?}");
    let codes: BTreeSet<&str> = problems::ALL.iter().map(|it| it.code).collect();
    assert_eq!(codes.len(), problems::ALL.len(), "a code is there twice");
    assert!(problems::ALL.is_sorted_by_key(|it| (it.status, it.code)));
}

/// What only pages answer.
const PAGES: &[&str] = &[
    "address_unproven",
    "cross_site",
    "email_taken",
    "identity_taken",
    "known_address",
    "last_operator",
    "last_way",
    "last_way_in",
    "link_used",
    "linked_already",
    "linked_elsewhere",
    "month_open",
    "no_app",
    "no_connection",
    "no_factor",
    "no_name",
    "nobody_to_tell",
    "not_creditable",
    "other_address",
    "owner_only",
    "owns_accounts",
    "passkey_known",
    "passkey_limit",
    "pays_for_teams",
    "second_factor",
    "second_factor_first",
    "secret_unreadable",
    "told_lately",
];

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    entries.flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_reads_the_document() {
    each(async |house| {
        let said: Said = house.program("").get("/api/v1/openapi.json").await.is(200);
        assert_eq!(said.field("content-type"), "application/json");
        assert_eq!(said.body, Book::of(guildhall::routes().table()).document().text);
    })
    .await;
}
