//! The document of all this, for programs that read it.
use crate::http::{gate::Anyone, openapi::Book, routes::Routes};
use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// The calls.
pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/openapi.json", show)
        .told(|it| {
            it.says("Read this document", "The OpenAPI document of this version. Anybody may read it.")
                .gives::<OpenApi>(200)
        })
        .about("OpenAPI", "This document.")
}

/// An OpenAPI document.
#[derive(utoipa::ToSchema)]
#[schema(value_type = Object)]
struct OpenApi(());

async fn show(_: Anyone, book: Book) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, book.document().text.clone()).into_response()
}
