//! Module boundaries: imports point to lower layers only, screens and API nouns do not use each other, SQL stays in
//! `store`, and templates hold neither script nor style.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the lowest to the highest. A module may use lower layers and its own parts, but no module of its own layer.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["error"],
    &["crypto"],
    &["clients"],
    &["context"],
    &["db", "emails"],
    &["store"],
    &["gateway"],
    &["view"],
    &["http"],
    &["api", "screens"],
    &["demo", "jobs", "settings"],
    &["cli"],
];

/// The modules in which every part is a noun that stands for itself.
const SEPARATE: [&str; 2] = ["screens", "api"];

/// The parts of `api` that its nouns share.
const SHARED: [&str; 3] = ["etag", "present", "pagination"];

/// A source file below `src`, other than the roots of the crate.
struct Source {
    /// The top-level module, such as `screens`.
    module: String,
    /// The module within it, empty in the top-level file itself.
    part: String,
    text: String,
}

impl Source {
    /// The text without its unit tests.
    fn production_code(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap()
    }
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    files(&root, &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let sources = found.into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap().with_extension("");
        let mut segments = name.iter().map(|segment| segment.to_str().unwrap().to_owned());
        let (module, part) = (segments.next().unwrap(), segments.next().unwrap_or_default());
        Source { module, part, text: fs::read_to_string(&path).unwrap() }
    });
    sources.filter(|source| !["lib", "main"].contains(&source.module.as_str())).collect()
}

fn layer(module: &str) -> usize {
    let layer = LAYERS.iter().position(|modules| modules.contains(&module));
    layer.unwrap_or_else(|| panic!("add the module {module} to LAYERS"))
}

/// The first two segments of a path: `("x", "y")` of `x::y::z`.
fn segments(path: &str) -> (String, String) {
    let segment = |text: &str| {
        text.chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_').collect::<String>()
    };
    let first = segment(path);
    let second = path[first.len()..].strip_prefix("::").map(segment).unwrap_or_default();
    (first, second)
}

/// Every `crate::x` and `crate::x::y` in a text.
fn uses(text: &str) -> Vec<(String, String)> {
    let mut found = vec![];
    for rest in text.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            found.push(segments(rest));
            continue;
        };
        // `use crate::{a::…, b}`: what begins an item of the outermost list.
        let (mut depth, mut starts_item) = (0, true);
        for (at, sign) in list.char_indices() {
            match sign {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => starts_item = true,
                sign if starts_item && !sign.is_whitespace() => {
                    found.push(segments(&list[at..]));
                    starts_item = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn modules_use_only_lower_layers() {
    let mut wrong = vec![];
    for source in sources() {
        for (used, _) in uses(source.production_code()) {
            // What is no layer is a macro or a function of the crate's root.
            let is_layer = LAYERS.iter().any(|modules| modules.contains(&used.as_str()));
            if is_layer && used != source.module && layer(&used) >= layer(&source.module) {
                wrong.push(format!("{}/{} uses crate::{used}", source.module, source.part));
            }
        }
        layer(&source.module);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn screens_and_api_nouns_do_not_use_each_other_or_the_database() {
    let is_separate = |source: &Source| SEPARATE.contains(&source.module.as_str());
    for Source { module, part, text } in sources().into_iter().filter(is_separate) {
        for (used, inside) in uses(text.split("#[cfg(test)]").next().unwrap()) {
            assert_ne!(used, "db", "{module}/{part} uses the database");
            let crosses = used == module && !part.is_empty() && !inside.is_empty() && inside != part;
            let is_shared = SHARED.contains(&inside.as_str());
            assert!(!crosses || is_shared, "{module}/{part} uses crate::{used}::{inside}");
        }
    }
}

#[test]
fn sql_stays_in_the_store() {
    for source in sources() {
        let Source { module, part, .. } = &source;
        if ["store", "db"].contains(&module.as_str()) {
            continue;
        }
        for sign in [".query(\"", "select \"", "\"select ", "\"insert into ", "\"update ", "\"delete from "] {
            assert!(!source.production_code().contains(sign), "{module}/{part} holds SQL: {sign}");
        }
    }
}

#[test]
fn templates_hold_no_script_and_no_style() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut found = vec![];
    files(&root, &mut found);
    // Mail clients load no stylesheet, so emails carry their styles inline.
    found.retain(|path| !path.starts_with(root.join("emails")));
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

/// Rules that were once written several times and drifted apart: the text that spells each, and the only file that may.
const ONE_HOME: &[(&str, &[&str])] = &[
    // Who is an active member, what is in force, who leads an account: `active_member(m, $2)` and so on in statements.
    (".suspended_at is null", &["src/db/predicates.rs"]),
    (".expires_at, $", &["src/db/predicates.rs", "src/store/keys/list.rs"]),
    ("is_owner or exists", &["src/db/predicates.rs", "src/store/billing.rs"]),
    // Who becomes a member, and how.
    ("insert into memberships", &["src/store/memberships.rs"]),
    ("\"member.joined\"", &["src/store/memberships.rs", "src/view/audit_sentences.rs"]),
    ("\"member.role_changed\"", &["src/api/audit.rs", "src/store/members.rs", "src/view/audit_sentences.rs"]),
    // An undo writes back the rows that a removal took.
    ("insert into grants", &["src/store/grants.rs", "src/store/members/restore.rs"]),
    // A cell of a CSV is harmless.
    ("WriterBuilder", &["src/view/csv.rs"]),
    // The pause before something is delivered again.
    ("fn backoff", &["src/store/outbox.rs"]),
];

#[test]
fn a_rule_is_written_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![];
    files(&root.join("src"), &mut found);
    for path in found {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for (spelling, homes) in ONE_HOME {
            let is_home = homes.contains(&name.as_str());
            assert!(
                is_home || !text.contains(spelling),
                "{name} spells “{spelling}”, whose home is {homes:?}"
            );
        }
    }
}
