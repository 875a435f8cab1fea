//! What a visitor reads when a page cannot be shown. Each says what is true and what to do next, and no more.
use askama::Template;

use super::shell::{Frame, draw};

/// 403 inside an own account: a body for [`super::shell::page`], so that the frame stays.
#[derive(Template)]
#[template(path = "error/forbidden.html")]
pub struct Forbidden {
    /// What was asked for, such as "see Plan & billing": it follows "You may not".
    pub act: String,
    /// Its name.
    pub account: String,
    /// The permission that is missing, as the API calls it.
    pub permission: String,
    /// Labels of the roles held there.
    pub roles: Vec<String>,
    /// Names of those who can give it.
    pub givers: Vec<String>,
    /// The page that explains the answer, if the visitor may open it.
    pub why: Option<String>,
    /// Where they may ask for it, if they are a member.
    pub ask: Option<String>,
    /// The id of the resource that it is about; empty for none.
    pub resource: String,
}

impl Forbidden {
    /// Its HTML.
    pub fn body(&self) -> String {
        draw(self)
    }
}

/// 403 for who signed in another way than is asked for.
#[derive(Template)]
#[template(path = "error/detour.html")]
pub struct Detour {
    /// Why.
    pub sentence: String,
    /// To the sign-in that opens it.
    pub go: Link,
    /// Whether it is one's own, which one may not have yet.
    pub own: bool,
}

/// 404: the same for what does not exist and for what belongs to somebody else.
pub fn not_found(frame: &Frame, home: &Link) -> String {
    draw(&NotFound { frame, home })
}

/// 503: the database does not answer.
pub fn unavailable(frame: &Frame, retry_after: u64) -> String {
    let wait = &in_words(retry_after);
    draw(&Unavailable { frame, wait })
}

/// 429: too many tries.
pub fn too_many(frame: &Frame, retry_after: u64) -> String {
    let wait = &in_words(retry_after);
    draw(&TooMany { frame, wait })
}

/// 403: the account opens only to who signed in with a second factor. `step` is where one shows it, or sets one up.
pub fn second_factor(frame: &Frame, sentence: &str, step: &str) -> String {
    draw(&SecondFactor { frame, sentence, step })
}

/// Any other failure. With a reference, it is ours and in the log; without, the sentence says what was wrong with
/// the request.
pub fn failed(frame: &Frame, status: u16, title: &str, sentence: &str, reference: Option<&str>) -> String {
    draw(&Failed { frame, status, title, sentence, reference })
}

/// A way on.
pub struct Link {
    /// Such as "Go to Northlight Studios".
    pub label: String,
    /// Where it leads.
    pub href: String,
}

fn in_words(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=90 => (seconds.max(1), "second"),
        91..=5400 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[derive(Template)]
#[template(path = "error/not_found.html")]
struct NotFound<'a> {
    frame: &'a Frame,
    home: &'a Link,
}

#[derive(Template)]
#[template(path = "error/unavailable.html")]
struct Unavailable<'a> {
    frame: &'a Frame,
    wait: &'a str,
}

#[derive(Template)]
#[template(path = "error/too_many.html")]
struct TooMany<'a> {
    frame: &'a Frame,
    wait: &'a str,
}

#[derive(Template)]
#[template(path = "error/second_factor.html")]
struct SecondFactor<'a> {
    frame: &'a Frame,
    sentence: &'a str,
    step: &'a str,
}

#[derive(Template)]
#[template(path = "error/failed.html")]
struct Failed<'a> {
    frame: &'a Frame,
    status: u16,
    title: &'a str,
    sentence: &'a str,
    reference: Option<&'a str>,
}
