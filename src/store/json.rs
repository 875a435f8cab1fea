//! Lists that a statement returns as JSON in one column.
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;

/// Parses a JSON list; `None` is empty. Malformed JSON is an error rather than an empty list.
pub(super) fn list<T: DeserializeOwned>(json: Option<String>) -> Result<Vec<T>> {
    let Some(json) = json else { return Ok(vec![]) };
    serde_json::from_str(&json).map_err(|error| Error::Internal(format!("a list in a row: {error}")))
}
