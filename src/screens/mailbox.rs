//! The mailbox of an installation without a mail server: for trying things out on one's own machine.
use crate::{
    error::{Error, Result},
    http::{
        form::Query,
        gate::{Anyone, PathId},
        middleware,
        routes::Routes,
    },
    store::mails,
    view::{page::Page, when::When},
};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, header::CONTENT_SECURITY_POLICY},
    response::{Html, IntoResponse as _, Response},
};
use serde::Deserialize;
use uuid::Uuid;

pub fn routes() -> Routes {
    Routes::default().get("/dev/mail", list).get("/dev/mail/{id}", show).get("/dev/mail/{id}/html", show_html)
}

/// Mails on the page.
const LIMIT: i64 = 50;
/// An e-mail may use any style, but loads and runs nothing. Its links open in a new tab.
const EMAIL_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; \
    sandbox allow-popups allow-popups-to-escape-sandbox";

#[derive(Default, Deserialize)]
#[serde(default)]
struct MailboxQuery {
    to: String,
}

#[derive(Template)]
#[template(path = "mailbox/index.html")]
struct MailboxPage {
    to: String,
    rows: Vec<MailRow>,
}

struct MailRow {
    id: Uuid,
    to: String,
    subject: String,
    at: When,
}

#[derive(Template)]
#[template(path = "mailbox/mail.html")]
struct MailPage {
    mail: MailRow,
    parts: Vec<TextPart>,
}

#[derive(Debug, PartialEq, Eq)]
enum TextPart {
    Text(String),
    Link(String),
}

/// Splits a text at its links.
fn parts(text: &str) -> Vec<TextPart> {
    let (mut parts, mut rest) = (vec![], text);
    while let Some(start) = ["http://", "https://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, link) = rest.split_at(start);
        let (link, after) = link.split_at(link.find(char::is_whitespace).unwrap_or(link.len()));
        parts.extend([TextPart::Text(before.to_owned()), TextPart::Link(link.to_owned())]);
        rest = after;
    }
    parts.push(TextPart::Text(rest.to_owned()));
    parts
}

/// Mails hold links that sign their reader in, so only requests from this machine are answered, and none through a proxy.
fn guard(anyone: &Anyone, headers: &HeaderMap) -> Result<()> {
    let is_proxied =
        headers.keys().any(|name| name.as_str() == "forwarded" || name.as_str().starts_with("x-forwarded-"));
    if anyone.app().has_mailbox() && anyone.context().config.loopback && !is_proxied {
        Ok(())
    } else {
        Err(Error::NotFound)
    }
}

fn row(entry: &mails::MailboxEntry, anyone: &Anyone, page: &Page) -> MailRow {
    let zone = page.zone(anyone.signed_in_user().and_then(|user| user.time_zone.as_deref()));
    let (to, subject) = (entry.email.to.clone(), entry.email.subject.clone());
    MailRow { id: entry.id, to, subject, at: When::second(entry.at, &zone) }
}

async fn list(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Query(query): Query<MailboxQuery>,
) -> Result<Response> {
    guard(&anyone, &headers)?;
    let mut scope = anyone.read();
    let to = query.to.trim().to_owned();
    let mails = match to.as_str() {
        "" => mails::mailbox(&mut scope, LIMIT).await?,
        to => mails::mailbox_of(&mut scope, to, LIMIT).await?,
    };
    let rows = mails.iter().map(|entry| row(entry, &anyone, &page)).collect();
    page.solo("Mails", anyone.signed_in_user().map(|me| &me.user), MailboxPage { to, rows })
}

async fn show(anyone: Anyone, page: Page, headers: HeaderMap, PathId(id): PathId<Uuid>) -> Result<Response> {
    guard(&anyone, &headers)?;
    let mail = mails::mailbox_entry(&mut anyone.read(), id).await?.ok_or(Error::NotFound)?;
    let mail_page = MailPage { mail: row(&mail, &anyone, &page), parts: parts(&mail.email.text) };
    let mut response = page.solo("Mail", anyone.signed_in_user().map(|me| &me.user), mail_page)?;
    let policy = format!("{}; frame-src 'self'", middleware::CSP);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

async fn show_html(anyone: Anyone, headers: HeaderMap, PathId(id): PathId<Uuid>) -> Result<Response> {
    guard(&anyone, &headers)?;
    let mail = mails::mailbox_entry(&mut anyone.read(), id).await?.ok_or(Error::NotFound)?;
    let html = mail.email.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let policy = HeaderValue::from_static(EMAIL_CSP);
    Ok(([(CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_at_links() {
        let text = |text: &str| TextPart::Text(text.into());
        let link = |url: &str| TextPart::Link(url.into());
        assert_eq!(parts("Hello"), [text("Hello")]);
        assert_eq!(
            parts("Go:\nhttp://a.test/x?y=1\nor https://b.test"),
            [text("Go:\n"), link("http://a.test/x?y=1"), text("\nor "), link("https://b.test"), text("")]
        );
    }
}
