//! The API reference, made from the same OpenAPI document that programs read.
mod read;

use crate::{
    error::{Error, Result},
    http::{
        gate::{Anyone, PathId},
        openapi::ApiDocument,
        problems,
        routes::Routes,
    },
    view::{page::Page, shell::Frame},
};
use askama::Template;
use axum::response::Response;
use read::{Chapter, Paragraph};

pub fn routes() -> Routes {
    Routes::default()
        .get("/api/docs", start)
        .get("/api/docs/problems", problems)
        .get("/api/docs/{id}", chapter)
}

#[derive(Template)]
#[template(path = "docs/index.html")]
struct DocsPage<'a> {
    frame: &'a Frame,
    here: &'a str,
    chapters: &'a [Chapter],
    about: Vec<Paragraph>,
    base: String,
}

async fn start(anyone: Anyone, page: Page, api: ApiDocument) -> Result<Response> {
    let document = &api.document().value;
    let chapters = read::chapters(document, &anyone.context().config.base_url);
    let about = read::paragraphs(document["info"]["description"].as_str().unwrap_or_default());
    show(&page, "API", |frame| {
        DocsPage { frame, here: "", chapters: &chapters, about, base: anyone.context().url("/api/v1") }
            .render()
    })
}

#[derive(Template)]
#[template(path = "docs/chapter.html")]
struct ChapterPage<'a> {
    frame: &'a Frame,
    here: &'a str,
    chapters: &'a [Chapter],
    chapter: &'a Chapter,
}

async fn chapter(
    anyone: Anyone,
    page: Page,
    PathId(slug): PathId<String>,
    api: ApiDocument,
) -> Result<Response> {
    let chapters = read::chapters(&api.document().value, &anyone.context().config.base_url);
    let chapter = chapters.iter().find(|chapter| chapter.slug == slug).ok_or(Error::NotFound)?;
    let title = format!("{} · API", chapter.name);
    show(&page, &title, |frame| ChapterPage { frame, here: &slug, chapters: &chapters, chapter }.render())
}

#[derive(Template)]
#[template(path = "docs/problems.html")]
struct ProblemsPage<'a> {
    frame: &'a Frame,
    here: &'a str,
    chapters: &'a [Chapter],
    rows: Vec<(&'static problems::Problem, Vec<Paragraph>)>,
    field_codes: Vec<(&'static str, &'static str)>,
}

async fn problems(anyone: Anyone, page: Page, api: ApiDocument) -> Result<Response> {
    let chapters = read::chapters(&api.document().value, &anyone.context().config.base_url);
    let rows = problems::ALL.iter().map(|problem| (problem, read::paragraphs(problem.description))).collect();
    let field_codes = problems::FIELD_CODES.iter().chain(problems::STATE).copied().collect();
    show(&page, "Problems · API", |frame| {
        ProblemsPage { frame, here: "problems", chapters: &chapters, rows, field_codes }.render()
    })
}

fn show(page: &Page, title: &str, draw: impl FnOnce(&Frame) -> askama::Result<String>) -> Result<Response> {
    let mut failed = None;
    let response = page.whole(title, |frame| {
        draw(frame).unwrap_or_else(|error| {
            failed = Some(Error::Internal(error.to_string()));
            String::new()
        })
    });
    failed.map_or(Ok(response), Err)
}
