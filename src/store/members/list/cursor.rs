//! Where a page begins or ends, in whatever order it is.
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a page begins or ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cursor {
    #[serde(rename = "t")]
    pub(in crate::store) time: i64,
    #[serde(rename = "n")]
    pub(in crate::store) name: String,
    #[serde(rename = "i")]
    pub(in crate::store) id: Uuid,
}

impl Cursor {
    /// As it stands in an address. What cannot be read is no cursor.
    pub fn parse(text: &str) -> Option<Cursor> {
        let it: Cursor = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        // In base64 it passed the door, and Postgres has no text with a NUL in it.
        (!it.name.contains('\0')).then_some(it)
    }
}
impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| std::fmt::Error)?;
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(json))
    }
}

/// The end at which a list begins.
pub(in crate::store) fn end(up: bool) -> Cursor {
    if up {
        Cursor { time: i64::MIN, name: String::new(), id: Uuid::nil() }
    } else {
        Cursor { time: i64::MAX, name: LAST.into(), id: Uuid::max() }
    }
}
/// After every text that is made of characters.
pub(in crate::store) const LAST: &str = "\u{10ffff}";
