//! Keyset paging: cursors, and which of the rows that were read make the page. A statement reads one row more than the page
//! has, which says whether there are more.
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// A to Z, oldest first.
    #[default]
    Up,
    /// Z to A, newest first.
    Down,
}

/// Where a page begins or ends, in each of the orders that a list has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cursor {
    #[serde(rename = "t")]
    pub(super) time: i64,
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(rename = "i")]
    pub(super) id: Uuid,
}

impl Cursor {
    /// Reads a cursor out of a URL: the JSON of one, in base64.
    pub fn parse(text: &str) -> Option<Cursor> {
        let cursor: Cursor = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        // Requests are checked for NUL, but not inside base64, and Postgres rejects it in a text.
        (!cursor.name.contains('\0')).then_some(cursor)
    }
    /// Before the first row of a list that is sorted upwards, or downwards.
    pub(super) fn start(up: bool) -> Cursor {
        if up {
            Cursor { time: i64::MIN, name: String::new(), id: Uuid::nil() }
        } else {
            Cursor { time: i64::MAX, name: LAST_CHARACTER.into(), id: Uuid::max() }
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| std::fmt::Error)?;
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(json))
    }
}

/// Sorts after every other text; appended to a prefix, it is the end of the range of what begins with it.
pub(super) const LAST_CHARACTER: &str = "\u{10ffff}";

/// The rows of a page, in the order in which they are shown.
pub(super) struct PageRows<T> {
    pub rows: Vec<T>,
    has_next: bool,
    has_previous: bool,
}

impl<T> PageRows<T> {
    /// The cursor after which the next page begins, if there is one.
    pub fn next<C>(&self, cursor: impl Fn(&T) -> C) -> Option<C> {
        self.rows.last().filter(|_| self.has_next).map(cursor)
    }
    /// The cursor before which the previous page ends, if there is one.
    pub fn previous<C>(&self, cursor: impl Fn(&T) -> C) -> Option<C> {
        self.rows.first().filter(|_| self.has_previous).map(cursor)
    }
}

/// Cuts a page out of at most `limit + 1` rows. Read backwards, before a cursor, they come in reverse order; `is_after` says
/// that they were read after one.
pub(super) fn split_page<T>(mut rows: Vec<T>, limit: i64, backwards: bool, is_after: bool) -> PageRows<T> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    if backwards {
        rows.reverse();
        return PageRows { rows, has_next: true, has_previous: has_more };
    }
    PageRows { rows, has_next: has_more, has_previous: is_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: Vec<i32>, backwards: bool, is_after: bool) -> (Vec<i32>, Option<i32>, Option<i32>) {
        let page = split_page(rows, 2, backwards, is_after);
        let (next, previous) = (page.next(|row| *row), page.previous(|row| *row));
        (page.rows, next, previous)
    }

    #[test]
    fn a_page_says_whether_there_are_more_on_both_sides() {
        assert_eq!(page(vec![1, 2, 3], false, false), (vec![1, 2], Some(2), None));
        assert_eq!(page(vec![3, 4], false, true), (vec![3, 4], None, Some(3)));
        assert_eq!(page(vec![4, 3, 2], true, false), (vec![3, 4], Some(4), Some(3)));
        assert_eq!(page(vec![2, 1], true, false), (vec![1, 2], Some(2), None));
        assert_eq!(page(vec![], false, true), (vec![], None, None));
    }

    #[test]
    fn a_cursor_survives_a_url() {
        let cursor = Cursor { time: 7, name: "ada".into(), id: Uuid::max() };
        let read = Cursor::parse(&cursor.to_string()).unwrap();
        assert_eq!((read.time, read.name.as_str(), read.id), (7, "ada", Uuid::max()));
        let nul = Cursor { time: 7, name: "a\0".into(), id: Uuid::nil() };
        assert!(Cursor::parse(&nul.to_string()).is_none());
        assert!(Cursor::parse("e30").is_none());
    }
}
