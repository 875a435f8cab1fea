//! The API, to be read by people: made of the same document that programs read.
mod read;

use crate::{
    error::{Error, Result},
    http::{
        gate::{Anyone, At},
        openapi::Book,
        problems,
        routes::Routes,
    },
    view::{page::Page, shell::Frame},
};
use askama::Template;
use axum::response::Response;
use read::{Chapter, Words};

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/api/docs", index)
        .get("/api/docs/problems", problems)
        .get("/api/docs/{id}", chapter)
}

#[derive(Template)]
#[template(path = "docs/index.html")]
struct Index<'a> {
    frame: &'a Frame,
    here: &'a str,
    chapters: &'a [Chapter],
    about: Vec<Words>,
    base: String,
}

async fn index(who: Anyone, page: Page, book: Book) -> Result<Response> {
    let document = &book.document().value;
    let chapters = read::chapters(document, &who.kit().rules.base_url);
    let about = read::paragraphs(document["info"]["description"].as_str().unwrap_or_default());
    show(&page, "API", |frame| {
        Index { frame, here: "", chapters: &chapters, about, base: who.kit().url("/api/v1") }.render()
    })
}

#[derive(Template)]
#[template(path = "docs/chapter.html")]
struct Shown<'a> {
    frame: &'a Frame,
    here: &'a str,
    chapters: &'a [Chapter],
    chapter: &'a Chapter,
}

async fn chapter(who: Anyone, page: Page, At(word): At<String>, book: Book) -> Result<Response> {
    let chapters = read::chapters(&book.document().value, &who.kit().rules.base_url);
    let chapter = chapters.iter().find(|it| it.word == word).ok_or(Error::NotFound)?;
    let title = format!("{} · API", chapter.name);
    show(&page, &title, |frame| Shown { frame, here: &word, chapters: &chapters, chapter }.render())
}

#[derive(Template)]
#[template(path = "docs/problems.html")]
struct Problems<'a> {
    frame: &'a Frame,
    here: &'a str,
    chapters: &'a [Chapter],
    rows: Vec<(&'static problems::Problem, Vec<Words>)>,
    faults: Vec<(&'static str, &'static str)>,
}

async fn problems(who: Anyone, page: Page, book: Book) -> Result<Response> {
    let chapters = read::chapters(&book.document().value, &who.kit().rules.base_url);
    let rows = problems::ALL.iter().map(|it| (it, read::paragraphs(it.says))).collect();
    let faults = problems::FAULTS.iter().chain(problems::STATE).copied().collect();
    show(&page, "Problems · API", |frame| {
        Problems { frame, here: "problems", chapters: &chapters, rows, faults }.render()
    })
}

fn show(page: &Page, title: &str, draw: impl FnOnce(&Frame) -> askama::Result<String>) -> Result<Response> {
    let mut failed = None;
    let response = page.whole(title, |frame| {
        draw(frame).unwrap_or_else(|it| {
            failed = Some(Error::Internal(it.to_string()));
            String::new()
        })
    });
    failed.map_or(Ok(response), Err)
}
