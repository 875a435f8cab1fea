//! The mailbox of an installation that has no mail server: for trying things out on one's own machine.
use crate::{
    error::{Error, Result},
    http::{
        form::Query,
        gate::{Anyone, At},
        middleware,
        routes::Routes,
    },
    store::outbox,
    view::page::{Page, When},
};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, header::CONTENT_SECURITY_POLICY},
    response::{Html, IntoResponse as _, Response},
};
use serde::Deserialize;
use uuid::Uuid;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/dev/mail", list).get("/dev/mail/{id}", show).get("/dev/mail/{id}/html", show_html)
}

/// How many are listed.
const MOST: i64 = 50;
/// A letter may look as it likes, and load and run nothing. Its links open beside it.
const OF_LETTER: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; \
    sandbox allow-popups allow-popups-to-escape-sandbox";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    to: String,
}

#[derive(Template)]
#[template(path = "mailbox/index.html")]
struct Index {
    to: String,
    rows: Vec<Row>,
}

struct Row {
    id: Uuid,
    to: String,
    subject: String,
    at: When,
}

#[derive(Template)]
#[template(path = "mailbox/letter.html")]
struct Shown {
    it: Row,
    parts: Vec<Part>,
}

/// A piece of a letter's text.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Link(String),
}

/// The text, cut at its links.
fn parts(text: &str) -> Vec<Part> {
    let (mut all, mut rest) = (vec![], text);
    while let Some(at) = ["http://", "https://"].iter().filter_map(|it| rest.find(it)).min() {
        let (before, link) = rest.split_at(at);
        let (link, after) = link.split_at(link.find(char::is_whitespace).unwrap_or(link.len()));
        all.extend([Part::Text(before.to_owned()), Part::Link(link.to_owned())]);
        rest = after;
    }
    all.push(Part::Text(rest.to_owned()));
    all
}

/// Links that let their bearer in lie here open: it answers only who sits at the machine, and no proxy.
fn guard(anyone: &Anyone, headers: &HeaderMap) -> Result<()> {
    let is_passed_on =
        headers.keys().any(|it| it.as_str() == "forwarded" || it.as_str().starts_with("x-forwarded-"));
    if anyone.app().has_mailbox() && anyone.kit().rules.loopback && !is_passed_on {
        Ok(())
    } else {
        Err(Error::NotFound)
    }
}

fn row(it: &outbox::Kept, anyone: &Anyone, page: &Page) -> Row {
    let zone = page.zone(anyone.me().and_then(|it| it.time_zone.as_deref()));
    let (to, subject) = (it.letter.to.clone(), it.letter.subject.clone());
    Row { id: it.id, to, subject, at: When::second(it.at, &zone) }
}

async fn list(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    guard(&anyone, &headers)?;
    let mut scope = anyone.read();
    let to = asked.to.trim().to_owned();
    let found = match to.as_str() {
        "" => outbox::mailbox(&mut scope, MOST).await?,
        to => outbox::mailbox_of(&mut scope, to, MOST).await?,
    };
    let rows = found.iter().map(|it| row(it, &anyone, &page)).collect();
    page.solo("Mails", anyone.me().map(|it| &it.person), Index { to, rows })
}

async fn show(anyone: Anyone, page: Page, headers: HeaderMap, At(id): At<Uuid>) -> Result<Response> {
    guard(&anyone, &headers)?;
    let kept = outbox::kept(&mut anyone.read(), id).await?.ok_or(Error::NotFound)?;
    let shown = Shown { it: row(&kept, &anyone, &page), parts: parts(&kept.letter.text) };
    let mut response = page.solo("Mail", anyone.me().map(|it| &it.person), shown)?;
    let policy = format!("{}; frame-src 'self'", middleware::CSP);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

async fn show_html(anyone: Anyone, headers: HeaderMap, At(id): At<Uuid>) -> Result<Response> {
    guard(&anyone, &headers)?;
    let kept = outbox::kept(&mut anyone.read(), id).await?.ok_or(Error::NotFound)?;
    let html = kept.letter.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let policy = HeaderValue::from_static(OF_LETTER);
    Ok(([(CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_from_text() {
        let text = |it: &str| Part::Text(it.into());
        let link = |it: &str| Part::Link(it.into());
        assert_eq!(parts("Hello"), [text("Hello")]);
        assert_eq!(
            parts("Go:\nhttp://a.test/x?y=1\nor https://b.test"),
            [text("Go:\n"), link("http://a.test/x?y=1"), text("\nor "), link("https://b.test"), text("")]
        );
    }
}
