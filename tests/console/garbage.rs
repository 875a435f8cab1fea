//! Every form of every page, and every address with a query, given what no person would type: no answer is a 5xx, and no answer
//! comes from a panic.
use crate::{
    browser::pages::{addresses, furnished},
    harness::{House, PASSWORD, Person, each},
};
use axum::{body::Body, http::Method};
use std::collections::{BTreeMap, BTreeSet};

/// As it travels: percent-encoded, and not always UTF-8.
const GARBAGE: [&str; 12] = [
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

fn attribute(tag: &str, name: &str) -> Option<String> {
    let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[from..];
    let value = &value[..value.find('"')?];
    Some(value.replace("&#38;", "&").replace("&amp;", "&").replace("&#34;", "\"").replace("&#39;", "'"))
}

/// The forms of a page, each with the fields that it names; what stands outside and belongs by its `form` is left.
fn forms(page: &str, body: &str) -> Vec<Form> {
    let mut found = vec![];
    for part in body.split("<form").skip(1) {
        let part = &part[..part.find("</form>").unwrap_or(part.len())];
        let Some((head, inside)) = part.split_once('>') else { continue };
        let action = attribute(head, "action").filter(|it| !it.is_empty()).unwrap_or_else(|| page.to_owned());
        let mut fields = vec![];
        for tag in inside.split('<').map(|it| it.split('>').next().unwrap_or(it)) {
            if let Some(name) = attribute(tag, "name") {
                fields.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        }
        let is_post = attribute(head, "method").is_some_and(|it| it.eq_ignore_ascii_case("post"));
        found.push(Form { action, is_post, fields });
    }
    found
}

/// The same with every id made equal: one form of a list stands for all.
fn shape(form: &Form) -> String {
    let is_id = |it: &&str| it.len() == 36 && it.matches('-').count() == 4;
    let path = form.action.split('?').next().unwrap_or_default();
    let path: Vec<&str> = path.split('/').map(|it| if is_id(&it) { "{id}" } else { it }).collect();
    let names: BTreeSet<&str> = form.fields.iter().map(|it| it.0.as_str()).collect();
    format!("{} {} {names:?}", form.is_post, path.join("/"))
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn send(who: &Person, form: &Form, body: &str) -> u16 {
    let said = if form.is_post {
        let fields =
            [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
        who.send(Method::POST, &form.action, &fields, Body::from(body.to_owned())).await
    } else {
        let path = form.action.split('?').next().unwrap_or_default();
        who.send(Method::GET, &format!("{path}?{body}"), &[], Body::empty()).await
    };
    said.status
}

/// Every way to spoil a form: one field at a time, a field twice, all at once, and a body that is no form.
fn spoiled(form: &Form) -> Vec<String> {
    let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
    let usual: Vec<String> = form.fields.iter().map(pair).collect();
    let mut all = vec![String::new(), "=&&==&%".into(), "%01=%01".into()];
    let names: BTreeSet<&String> = form.fields.iter().map(|it| &it.0).collect();
    let long = "x".repeat(20_000);
    let huge = if form.is_post { long.as_str() } else { "x" };
    for name in &names {
        for value in GARBAGE.iter().copied().chain([huge]) {
            let rest = form.fields.iter().zip(&usual).filter(|it| &it.0.0 != *name).map(|it| it.1.clone());
            let mut pairs: Vec<String> = rest.collect();
            pairs.push(format!("{}={value}", encoded(name)));
            all.push(pairs.join("&"));
        }
        all.push([usual.join("&"), format!("{0}=a&{0}=b", encoded(name))].join("&"));
    }
    for value in GARBAGE {
        let pairs: Vec<String> = names.iter().map(|it| format!("{}={value}", encoded(it))).collect();
        all.push(pairs.join("&"));
    }
    all
}

async fn walk(house: &House) {
    let ada = furnished(house).await;
    let mut found: BTreeMap<String, Form> = BTreeMap::new();
    for path in addresses(house, &ada).await {
        for form in forms(&path, &ada.get(&path).await.body) {
            found.entry(shape(&form)).or_insert(form);
        }
    }
    let visitor = house.visitor();
    for path in ["/sign-in", "/sign-in?own=1", "/sign-up", "/forgot-password"] {
        for form in forms(path, &visitor.get(path).await.body) {
            found.entry(shape(&form)).or_insert(form);
        }
    }
    assert!(found.len() > 30, "{:?}", found.keys());
    for form in found.values() {
        // A form may have ended the walker's session, or changed their password, as some are meant to.
        if ada.get("/me").await.status != 200 {
            house.set_password("ada@acme.test", PASSWORD).await;
            ada.post("/sign-in", &[("email", "ada@acme.test"), ("password", PASSWORD)]).await.is(303);
        }
        for body in spoiled(form) {
            let status = send(&ada, form, &body).await;
            let shown: String = body.chars().take(300).collect();
            assert!(status < 500, "{status}: {} {shown}", form.action);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_breaks_by_what_is_typed() {
    each(walk).await;
}
