//! `guildhall openapi`
use super::out::Done;
use crate::http::openapi::Book;
use std::io::{self, Write as _};

/// Prints the OpenAPI document, byte for byte as the server does.
pub fn run() -> Done {
    let book = Book::of(crate::routes().table());
    let mut out = io::stdout().lock();
    out.write_all(book.document().text.as_bytes())?;
    Ok(out.flush()?)
}
