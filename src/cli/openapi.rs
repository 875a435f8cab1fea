//! `guildhall openapi`
use super::out::CliResult;
use crate::http::openapi::ApiDocument;
use std::io::{self, Write as _};

/// Prints the same bytes as the server.
pub fn run() -> CliResult {
    let api = ApiDocument::of(crate::routes().table());
    let mut out = io::stdout().lock();
    out.write_all(api.document().text.as_bytes())?;
    Ok(out.flush()?)
}
