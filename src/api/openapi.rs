//! The OpenAPI document of the API.
use crate::http::{gate::Anyone, openapi::ApiDocument, routes::Routes};
use axum::{
    http::header,
    response::{IntoResponse, Response},
};

pub fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/openapi.json", show)
        .doc(|call| {
            call.summary("Get the OpenAPI document", "The document of this version. Anybody may read it.")
                .returns::<OpenApi>(200)
        })
        .about("OpenAPI", "This document.")
}

/// An OpenAPI document.
#[derive(utoipa::ToSchema)]
#[schema(value_type = Object)]
struct OpenApi(());

async fn show(_: Anyone, document: ApiDocument) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (content_type, document.document().text.clone()).into_response()
}
