//! Every form of every page is sent with input that no user would type. No response is a 5xx.
use crate::{
    browser::pages::{fill_with_demo, paths},
    harness::{PASSWORD, TestApp, TestResponse, TestUser, on_each_db, select},
};
use axum::{body::Body, http::Method};
use std::collections::{BTreeMap, BTreeSet};

/// Percent-encoded values, some of which are not UTF-8.
const HOSTILE_VALUES: [&str; 12] = [
    "",
    "%20%09",
    "%00",
    "%FF%FE",
    "-1",
    "99999999999999999999",
    "1e400",
    "%E2%80%AE%D7%A9%D7%9C%D7%95%D7%9D",
    "%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB",
    "%27%3B%22%3C%2Fscript%3E%25_%5C",
    "..%2F..%2Fetc%2Fpasswd",
    "00000000-0000-0000-0000-000000000000",
];

/// A form as a browser would send it.
#[derive(Clone, Debug)]
struct Form {
    action: String,
    is_post: bool,
    fields: Vec<(String, String)>,
}

/// The forms of a page, each with the fields inside it. Fields that belong to a form by their `form` attribute are left
/// out.
fn forms(path: &str, page: &TestResponse) -> Vec<Form> {
    let forms = page.select("form").into_iter().map(|form| {
        let action = if form.attr("action").is_empty() { path } else { form.attr("action") };
        let fields = select(&form.html, "[name]").into_iter();
        let fields = fields.map(|field| (field.attr("name").to_owned(), field.attr("value").to_owned()));
        Form {
            action: action.to_owned(),
            is_post: form.attr("method").eq_ignore_ascii_case("post"),
            fields: fields.collect(),
        }
    });
    forms.collect()
}

/// A key that is equal for forms that differ in ids only, so that one form of a list stands for all.
fn shape(form: &Form) -> String {
    let is_id = |segment: &str| segment.len() == 36 && segment.matches('-').count() == 4;
    let path = form.action.split('?').next().unwrap_or_default();
    let path: Vec<&str> =
        path.split('/').map(|segment| if is_id(segment) { "{id}" } else { segment }).collect();
    let names: BTreeSet<&str> = form.fields.iter().map(|(name, _)| name.as_str()).collect();
    format!("{} {} {names:?}", form.is_post, path.join("/"))
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn send(user: &TestUser, form: &Form, body: &str) -> u16 {
    let response = if form.is_post {
        let fields =
            [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
        user.send(Method::POST, &form.action, &fields, Body::from(body.to_owned())).await
    } else {
        let path = form.action.split('?').next().unwrap_or_default();
        user.send(Method::GET, &format!("{path}?{body}"), &[], Body::empty()).await
    };
    response.status
}

/// Hostile bodies for a form: one field at a time, a field twice, all at once, and a body that is no form.
fn hostile_bodies(form: &Form) -> Vec<String> {
    let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
    let pairs: Vec<String> = form.fields.iter().map(pair).collect();
    let mut all = vec![String::new(), "=&&==&%".into(), "%01=%01".into()];
    let names: BTreeSet<&String> = form.fields.iter().map(|(name, _)| name).collect();
    let long = "x".repeat(20_000);
    let huge = if form.is_post { long.as_str() } else { "x" };
    for name in &names {
        for value in HOSTILE_VALUES.iter().copied().chain([huge]) {
            let rest = form
                .fields
                .iter()
                .zip(&pairs)
                .filter(|((other, _), _)| other != *name)
                .map(|(_, pair)| pair.clone());
            let mut changed: Vec<String> = rest.collect();
            changed.push(format!("{}={value}", encoded(name)));
            all.push(changed.join("&"));
        }
        all.push([pairs.join("&"), format!("{0}=a&{0}=b", encoded(name))].join("&"));
    }
    for value in HOSTILE_VALUES {
        let pairs: Vec<String> = names.iter().map(|name| format!("{}={value}", encoded(name))).collect();
        all.push(pairs.join("&"));
    }
    all
}

async fn send_hostile_input(app: &TestApp) {
    let ada = fill_with_demo(app).await;
    let mut found: BTreeMap<String, Form> = BTreeMap::new();
    for path in paths(app, &ada).await {
        for form in forms(&path, &ada.get(&path).await) {
            found.entry(shape(&form)).or_insert(form);
        }
    }
    let visitor = app.visitor();
    for path in ["/sign-in", "/sign-in?own=1", "/sign-up", "/forgot-password"] {
        for form in forms(path, &visitor.get(path).await) {
            found.entry(shape(&form)).or_insert(form);
        }
    }
    assert!(found.len() > 30, "{:?}", found.keys());
    for form in found.values() {
        // Some forms end the session or change the password, as they are meant to.
        if ada.get("/me").await.status != 200 {
            app.set_password("ada@acme.test", PASSWORD).await;
            ada.post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)])
                .await
                .assert_status(303);
        }
        for body in hostile_bodies(form) {
            let status = send(&ada, form, &body).await;
            let shown: String = body.chars().take(300).collect();
            assert!(status < 500, "{status}: {} {shown}", form.action);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_fails_on_hostile_input() {
    on_each_db(send_hostile_input).await;
}
