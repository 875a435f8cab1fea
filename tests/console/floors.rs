//! The structure holds: a module uses only lower floors, screens do not know each other, SQL stays in the store.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the ground up. What stands on one floor does not use each other, but for a module's own parts.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["error"],
    &["kit"],
    &["db", "letters"],
    &["store", "mail", "till"],
    &["app"],
    &["screens", "api"],
    &["settings", "worker", "demo"],
    &["cli"],
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// `(module, its part, text)` of every file but the crate's roots.
fn modules() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    sources(&root, &mut found);
    let named = found.into_iter().filter_map(|path| {
        let inside = path.strip_prefix(&root).unwrap().with_extension("");
        let mut words = inside.iter().map(|it| it.to_str().unwrap().to_owned());
        let module = words.next().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        (!["lib", "main"].contains(&module.as_str()))
            .then(|| (module, words.next().unwrap_or_default(), text))
    });
    named.collect()
}

fn floor(module: &str) -> usize {
    let at = FLOORS.iter().position(|it| it.contains(&module));
    at.unwrap_or_else(|| panic!("the module {module} stands on no floor: give it one"))
}

/// Every `crate::x` and `crate::x::y` in a text, tests left out.
fn uses(text: &str) -> Vec<(String, String)> {
    let text = text.split("#[cfg(test)]").next().unwrap();
    let word = |it: &str| it.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect::<String>();
    let mut found = vec![];
    for rest in text.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            // `use crate::{a::…, b}`: the words that begin an item at the first depth.
            let (mut depth, mut fresh) = (0, true);
            for (at, sign) in list.char_indices() {
                match sign {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => fresh = true,
                    it if fresh && !it.is_whitespace() => {
                        let first = word(&list[at..]);
                        let second =
                            list[at + first.len()..].strip_prefix("::").map(word).unwrap_or_default();
                        found.push((first, second));
                        fresh = false;
                    }
                    _ => {}
                }
            }
        } else {
            let first = word(rest);
            let second = rest[first.len()..].strip_prefix("::").map(word).unwrap_or_default();
            found.push((first, second));
        }
    }
    found
}

#[test]
fn imports_point_one_way() {
    for (module, part, text) in modules() {
        for (other, inside) in uses(&text) {
            if !FLOORS.iter().any(|it| it.contains(&other.as_str())) {
                continue; // A macro or a function of the crate's root.
            }
            let is_own = other == module;
            assert!(is_own || floor(&other) < floor(&module), "{module}/{part} uses crate::{other}");
            let is_shared = ["words", "role_picker", "matrix", "problem", "shape", "paging", "given"]
                .contains(&inside.as_str());
            let crosses = is_own
                && ["screens", "api"].contains(&module.as_str())
                && !part.is_empty()
                && !inside.is_empty();
            assert!(!crosses || inside == part || is_shared, "{module}/{part} uses crate::{other}::{inside}");
            let knows_sql = ["screens", "api"].contains(&module.as_str()) && other == "db";
            assert!(!knows_sql, "{module}/{part} uses the database");
        }
    }
}

#[test]
fn sql_stays_in_the_store() {
    for (module, part, text) in modules() {
        if ["store", "db"].contains(&module.as_str()) {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap();
        for sign in [".query(\"", "select \"", "\"select ", "\"insert into ", "\"update ", "\"delete from "] {
            assert!(!text.contains(sign), "{module}/{part} holds SQL: {sign}");
        }
    }
}

#[test]
fn templates_hold_no_script_and_no_style() {
    let mut found = vec![];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    collect(&root, &mut found);
    assert!(found.len() > 20);
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        for sign in [
            "<script>",
            "<style",
            " style=\"",
            " onclick=",
            " onchange=",
            " onsubmit=",
            " onload=",
            "javascript:",
        ] {
            assert!(!text.contains(sign), "{} holds {sign}", path.display());
        }
    }
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // Letters are read where no stylesheet is: theirs is inline.
            if !path.ends_with("letters") {
                collect(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}
