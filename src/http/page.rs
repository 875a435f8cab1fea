//! `Page` as an argument of a handler.
use super::App;
use crate::view::page::Page;
use axum::{extract::FromRequestParts, http::request::Parts};
use std::convert::Infallible;

impl FromRequestParts<App> for Page {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Page::of(&parts.headers, &parts.uri, app.page_config()))
    }
}
