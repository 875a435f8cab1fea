//! Lists that a statement tells in one column of a row.
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;

/// A list that came as JSON; nothing is an empty one. What cannot be read is an error, and not nothing.
pub(super) fn list<T: DeserializeOwned>(json: Option<String>) -> Result<Vec<T>> {
    let Some(json) = json else { return Ok(vec![]) };
    serde_json::from_str(&json).map_err(|it| Error::Internal(format!("a list in a row: {it}")))
}
