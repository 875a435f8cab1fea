//! Error pages. Each says what is wrong and what to do next, and no more.
use askama::Template;

use super::shell::{Frame, draw};

/// 403 inside an own account: a body for [`super::shell::page`], so that the frame stays.
#[derive(Template)]
#[template(path = "error/forbidden.html")]
pub struct Forbidden {
    /// Follows "You may not", such as "see Plan & billing".
    pub act: String,
    pub account: String,
    /// The key of the missing permission.
    pub permission: String,
    /// The labels of the roles that the user holds.
    pub roles: Vec<String>,
    /// The names of people who can grant it.
    pub givers: Vec<String>,
    /// The access check, if the user may open it.
    pub why: Option<String>,
    /// Where a member can request it.
    pub ask: Option<String>,
    /// The id of the resource concerned; empty for none.
    pub resource: String,
}

impl Forbidden {
    pub fn body(&self) -> String {
        draw(self)
    }
}

/// 403 for a session that was signed in in another way than the account requires.
#[derive(Template)]
#[template(path = "error/sign_in_required.html")]
pub struct SignInRequired {
    pub sentence: String,
    pub go: Link,
    /// Whether the required sign-in is the user's own, which they may not have set up yet.
    pub own: bool,
}

/// 404: the same for what does not exist and for what the user may not see.
pub fn not_found(frame: &Frame, home: &Link) -> String {
    draw(&NotFound { frame, home })
}

/// 503: the database does not answer.
pub fn unavailable(frame: &Frame, retry_after: u64) -> String {
    let wait = &in_words(retry_after);
    draw(&Unavailable { frame, wait })
}

/// 429.
pub fn too_many(frame: &Frame, retry_after: u64) -> String {
    let wait = &in_words(retry_after);
    draw(&TooMany { frame, wait })
}

/// 403: the account requires a second factor. `step` is where the user enters it, or sets one up.
pub fn second_factor(frame: &Frame, sentence: &str, step: &str) -> String {
    draw(&SecondFactor { frame, sentence, step })
}

/// Any other error. With a reference it is an internal one that the log has; without, the sentence tells what is wrong with the
/// request.
pub fn failed(frame: &Frame, status: u16, title: &str, sentence: &str, reference: Option<&str>) -> String {
    draw(&Failed { frame, status, title, sentence, reference })
}

pub struct Link {
    pub label: String,
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
