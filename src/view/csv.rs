//! CSV files for spreadsheets (RFC 4180), in which no cell is a formula.
use axum::{
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

/// One cell. A spreadsheet would run what begins with `=`, `+`, `-`, `@`, a tab or a line break: an apostrophe before it
/// makes it text.
pub fn cell(text: &str) -> String {
    let runs =
        |it: char| matches!(it, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    let mark = if text.trim_start_matches(' ').starts_with(runs) { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r', ';', '\t']) {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{mark}{text}")
    }
}

/// One line of cells, with its end.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    cells.join(",") + "\r\n"
}

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
    fn a_cell_is_text() {
        let cases = [
            ("Ada", "Ada"),
            ("", ""),
            ("Byron, Ada", "\"Byron, Ada\""),
            ("the \"first\"", "\"the \"\"first\"\"\""),
            ("=1+1", "'=1+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  +cmd", "'  +cmd"),
            ("\t=1", "\"'\t=1\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("ada@x.test", "ada@x.test"),
        ];
        for (text, written) in cases {
            assert_eq!(cell(text), written, "{text:?}");
        }
        assert_eq!(line(["a", "b,c"]), "a,\"b,c\"\r\n");
    }
}
