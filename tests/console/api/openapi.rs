//! The OpenAPI document describes every route, and every problem that a call can answer.
use crate::harness::{TestResponse, on_each_db};
use guildhall::http::{openapi::ApiDocument, problems};
use serde_json::Value;
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(&ApiDocument::of(guildhall::routes().table()).document().text).unwrap()
}

#[test]
fn the_document_describes_exactly_the_routes() {
    let document = document();
    let calls: BTreeSet<String> = guildhall::routes()
        .table()
        .iter()
        .filter(|route| route.path.starts_with("/api/v1/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let mut described = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            assert!(names.insert(operation["operationId"].to_string()), "{} twice", operation["operationId"]);
            assert!(operation["tags"][0].is_string(), "{method} {path} has no noun: add .about(…)");
            assert!(
                operation["description"].as_str().is_some_and(|text| text.contains('.')),
                "{method} {path}"
            );
            assert!(
                operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
            for parameter in operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|parameter| parameter.get("$ref").is_none())
            {
                assert!(parameter["description"] != "", "{method} {path}: {}", parameter["name"]);
            }
        }
    }
    assert_eq!(calls, described);
    assert!(calls.len() > 25);
}

/// Generated clients name their methods like this: an id that changes or goes breaks them.
#[test]
fn operation_ids_are_stable() {
    let document = document();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "two operations have the same id");
    assert_eq!(unique, BTreeSet::from(OPERATIONS));
}

const OPERATIONS: [&str; 74] = [
    "acceptOwnershipOffer",
    "addDomain",
    "approveJoinRequest",
    "changePlan",
    "checkPermission",
    "createAccessRequest",
    "createApiKey",
    "createBudget",
    "createInvitationLink",
    "createInvitations",
    "createResource",
    "createRole",
    "createTeam",
    "declineAccessRequest",
    "declineJoinRequest",
    "declineOwnershipOffer",
    "deleteAccount",
    "deleteBudget",
    "deleteResource",
    "deleteRole",
    "deleteSsoConnection",
    "getAccount",
    "getApiKey",
    "getAuditEvent",
    "getBillingDetails",
    "getBudget",
    "getInvitation",
    "getInvoice",
    "getJoinPolicy",
    "getMember",
    "getOpenApiDocument",
    "getOwnershipOffer",
    "getPlan",
    "getResource",
    "getRole",
    "getSsoConnection",
    "getUsage",
    "grantAccessRequest",
    "leaveAccount",
    "listAccessRequests",
    "listApiKeys",
    "listAuditEvents",
    "listBudgets",
    "listDomains",
    "listInvitations",
    "listInvoices",
    "listJoinRequests",
    "listMembers",
    "listResources",
    "listRoles",
    "listTeams",
    "offerOwnership",
    "payInvoice",
    "removeDomain",
    "removeMember",
    "reportLeakedKey",
    "reportUsageEvents",
    "resendInvitation",
    "restoreMember",
    "revokeApiKey",
    "revokeInvitation",
    "rotateApiKey",
    "setSsoConnection",
    "updateAccount",
    "updateApiKey",
    "updateBillingDetails",
    "updateBudget",
    "updateJoinPolicy",
    "updateMember",
    "updateResource",
    "updateRole",
    "verifyApiKey",
    "verifyDomain",
    "withdrawOwnershipOffer",
];

#[test]
fn every_field_is_described() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
        for (field, property) in parts.flat_map(|part| part["properties"].as_object().into_iter().flatten()) {
            let options = &property["oneOf"];
            let descriptions =
                [&property["description"], &options[0]["description"], &options[1]["description"]];
            let is_described = descriptions.iter().any(|text| text.is_string());
            assert!(is_described, "{name}.{field} has no description: {property}");
        }
    }
}

#[test]
fn every_example_has_a_realistic_value() {
    fn walk(value: &Value, path: &str) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, field)| walk(field, &format!("{path}.{name}")));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, path)),
            value => assert!(value != "text", "{path} has no example: add #[schema(example = …)]"),
        }
    }
    let document = document();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().values();
            for content in
                answers.chain([&operation["requestBody"]]).filter_map(|body| body["content"].as_object())
            {
                for (_, media) in content.iter().filter(|(kind, _)| kind.ends_with("json")) {
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

#[test]
fn every_reference_in_the_document_resolves() {
    fn walk(document: &Value, value: &Value) {
        if let Some(to) = value["$ref"].as_str() {
            assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|field| walk(document, field)),
            Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
    assert_eq!(document["openapi"], "3.1.0");
}

/// Every code that the source can answer is in the table that the document is made from.
#[test]
fn every_problem_code_of_the_source_is_in_the_table() {
    let mut found = BTreeSet::new();
    for directory in ["src/store", "src/gateway", "src/view", "src/http", "src/api"] {
        for file in files(directory.as_ref()) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (constructor, label) in [("Error::conflict(", ""), ("AccessDenied {", "code:")] {
                let arguments = text.split(constructor).skip(1);
                let values = arguments.filter_map(|rest| rest.trim_start().strip_prefix(label));
                let codes = values.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
                found.extend(codes.map(str::to_owned));
            }
        }
    }
    assert!(found.contains("in_flight") && found.contains("member_inactive"), "{found:?}");
    let missing: Vec<&String> = found
        .iter()
        .filter(|code| problems::find(code).is_none() && !PAGES.contains(&code.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in http::problems: {missing:?}");
    let codes: BTreeSet<&str> = problems::ALL.iter().map(|problem| problem.code).collect();
    assert_eq!(codes.len(), problems::ALL.len(), "a code is in the table twice");
    assert!(problems::ALL.is_sorted_by_key(|problem| (problem.status, problem.code)));
}

/// Codes that pages answer and no call of the API does.
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
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_public() {
    on_each_db(async |app| {
        let response: TestResponse = app.api_client("").get("/api/v1/openapi.json").await.assert_status(200);
        assert_eq!(response.header("content-type"), "application/json");
        assert_eq!(response.body, ApiDocument::of(guildhall::routes().table()).document().text);
    })
    .await;
}
