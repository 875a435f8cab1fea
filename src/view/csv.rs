//! CSV files for spreadsheets (RFC 4180), in which no cell is a formula.
use ::csv::{QuoteStyle, Terminator, WriterBuilder};
use axum::{
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use std::borrow::Cow;

/// A spreadsheet evaluates a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break, full-width characters among
/// them. An apostrophe before it makes it text.
pub fn guard(text: &str) -> Cow<'_, str> {
    let starts_formula =
        |char: char| matches!(char, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    if text.trim_start_matches(' ').starts_with(starts_formula) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// One line of cells that may hold anything, with its end.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    write(cells.into_iter().map(guard).collect())
}

/// The same, with numbers behind the text: those are not guarded, because a negative number is no formula.
pub fn line_with_numbers<'a>(
    text: impl IntoIterator<Item = &'a str>,
    numbers: impl IntoIterator<Item = &'a str>,
) -> String {
    write(text.into_iter().map(guard).chain(numbers.into_iter().map(Cow::Borrowed)).collect())
}

fn write(cells: Vec<Cow<'_, str>>) -> String {
    // Spreadsheets of some languages split at semicolons or tabs: quoted, such a cell stays one, and its guard holds.
    let is_split = cells.iter().any(|cell| cell.contains([';', '\t']));
    let quotes = if is_split { QuoteStyle::Always } else { QuoteStyle::Necessary };
    let mut writer =
        WriterBuilder::new().quote_style(quotes).terminator(Terminator::CRLF).from_writer(vec![]);
    writer.write_record(cells.iter().map(|cell| cell.as_bytes())).expect(IN_MEMORY);
    String::from_utf8(writer.into_inner().expect(IN_MEMORY)).expect("cells are UTF-8")
}

const IN_MEMORY: &str = "memory takes what is written to it";

/// The file, to be saved under a name of letters, digits, dots and hyphens.
pub fn attachment(name: &str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let cases = [
            ("Ada", "Ada"),
            ("", "\"\""),
            ("Byron, Ada", "\"Byron, Ada\""),
            ("the \"first\"", "\"the \"\"first\"\"\""),
            ("=1+1", "'=1+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1+1", "'＝1+1"),
            ("  +cmd", "'  +cmd"),
            ("\t=1", "\"'\t=1\""),
            ("a;=1+1", "\"a;=1+1\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("ada@x.test", "ada@x.test"),
        ];
        for (text, written) in cases {
            assert_eq!(line([text]), format!("{written}\r\n"), "{text:?}");
        }
        assert_eq!(line(["a", "b,c", ""]), "a,\"b,c\",\r\n");
        assert_eq!(line_with_numbers(["-2"], ["-2"]), "'-2,-2\r\n");
    }
}
