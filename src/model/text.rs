//! Text that people type, parsed at the door: nothing below checks it again.
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// Why a field was refused: a stable code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable: `required`, `too_long`, `invalid`, …
    pub code: &'static str,
    /// What to do about it.
    pub detail: String,
}

/// A refusal from a code and a sentence.
pub fn refuse<T>(code: &'static str, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, detail: detail.into() })
}

/// A name of a person, an account, a role or a key: one line, 1 to 100 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Name(String);

/// What `Name::parse` takes, as far as a pattern can say it in every dialect: one visible line with a letter of a common script or
/// a digit in it.
const PATTERN: &str = r"^[^\u0000-\u001F\u007F-\u009F\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]*[0-9A-Za-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02AF\u0400-\u0481\u05D0-\u05EA\u0620-\u063F\u0904-\u0939\u0E01-\u0E30\u3041-\u3096\u30A1-\u30FA\u4E00-\u9FFF\uAC00-\uD7A3][^\u0000-\u001F\u007F-\u009F\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]*$";

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        let says = "A name: one line of 1 to 100 characters, with a letter or a digit in it.";
        let text = text.min_length(Some(1)).max_length(Some(100)).description(Some(says));
        text.examples(["Northlight Studios"]).into()
    }
}
impl ToSchema for Name {}

impl Name {
    /// Trims, and joins runs of white space.
    pub fn parse(text: &str) -> Result<Name, Refusal> {
        let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return refuse("required", "Enter a name.");
        }
        if name.chars().count() > 100 {
            return refuse("too_long", "A name has at most 100 characters.");
        }
        if name.chars().any(|it| it.is_control() || is_invisible(it))
            || !name.chars().any(char::is_alphanumeric)
        {
            return refuse("invalid", "A name needs a letter or a digit, and no control characters.");
        }
        Ok(Name(name))
    }
    /// As typed, tidied.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Direction overrides and zero-width characters, with which one name can pass for another. The joiners that scripts
/// and emoji need stay.
fn is_invisible(it: char) -> bool {
    matches!(it, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// An e-mail address: as typed, and the key by which it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Email {
    typed: String,
    #[serde(skip)]
    key: String,
}

impl Email {
    /// A full address of at most 254 bytes whose domain has a dot, or is `localhost`.
    pub fn parse(text: &str) -> Result<Email, Refusal> {
        let typed: String = text.trim().nfc().collect();
        if typed.is_empty() {
            return refuse("required", "Enter an e-mail address.");
        }
        let shown = shorten(&typed, 60);
        if typed.len() > 254 {
            return refuse("too_long", format!("“{shown}” is too long for an address."));
        }
        let whole = typed.parse::<lettre::Address>().is_ok()
            && !typed.chars().any(|it| {
                it.is_control() || it.is_whitespace() || is_invisible(it) || "\"<>(),;:\\[]".contains(it)
            })
            && typed.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && has_dots(domain));
        if !whole {
            return refuse("invalid", format!("“{shown}” is not a full address."));
        }
        let key = typed.to_lowercase();
        Ok(Email { typed, key })
    }
    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.typed
    }
    /// Equal for equal addresses.
    pub fn key(&self) -> &str {
        &self.key
    }
    /// What stands before the `@`, made a name of: for people who have not told theirs.
    pub fn local(&self) -> &str {
        self.typed.split('@').next().unwrap_or(&self.typed)
    }
}
impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.typed.fmt(f)
    }
}

fn has_dots(domain: &str) -> bool {
    domain == "localhost" || (domain.contains('.') && domain.split('.').all(|it| !it.is_empty()))
}

/// The first `most` characters, and an ellipsis where there were more.
pub fn shorten(text: &str, most: usize) -> String {
    let clean: String = text.chars().filter(|it| !it.is_control()).collect();
    if clean.chars().count() <= most { clean } else { clean.chars().take(most).chain(['…']).collect() }
}

/// Addresses out of whatever was pasted: commas, semicolons, white space, new lines, `Name <a@b>`. In the order given,
/// each once.
pub fn addresses(text: &str) -> Vec<String> {
    addresses_and_repeats(text).0
}

/// The same, and how many were left out because they were there already.
pub fn addresses_and_repeats(text: &str) -> (Vec<String>, usize) {
    let mut found: Vec<String> = vec![];
    let mut repeats = 0;
    let mut seen = std::collections::HashSet::new();
    let mut keep = |it: &str| {
        let it = it.trim_matches(|it: char| "\"'.".contains(it));
        if it.is_empty() {
        } else if seen.insert(it.to_lowercase()) {
            found.push(it.to_owned());
        } else {
            repeats += 1;
        }
    };
    for part in unquoted(text).split([',', ';', '\n', '\r']) {
        match part.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
            Some((inside, rest)) => {
                keep(inside.trim());
                rest.split_whitespace().for_each(&mut keep);
            }
            None => part.split_whitespace().for_each(&mut keep),
        }
    }
    (found, repeats)
}

/// Without quoted names, whose commas would cut an entry in two.
fn unquoted(text: &str) -> String {
    let parts = text.split('"').enumerate();
    parts.filter(|(at, it)| at % 2 == 0 || it.contains('@')).map(|(_, it)| it).collect()
}

/// A number as people read it: `12,345`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 member`, `2,000 members`.
pub fn counted(number: i64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// What a person is found by, all of it folded: the address, and the name from each of its words on. So a prefix of any
/// word finds them, and so does a prefix of the words in their order.
pub fn search_words(name: &str, email: &Email) -> Vec<String> {
    let mut words = name_words(name);
    words.push(email.key().to_owned());
    words.sort();
    words.dedup();
    words
}

/// A name, folded, from each of its words on.
pub fn name_words(name: &str) -> Vec<String> {
    let name = search_term(name);
    let starts =
        name.char_indices().filter(|(at, _)| *at == 0 || name[..*at].ends_with(' ')).map(|(at, _)| at);
    starts.map(|at| name[at..].chars().take(64).collect()).collect()
}

/// What somebody searches for, as names are stored: words of letters and digits, one space between.
pub fn search_term(text: &str) -> String {
    let folded = fold(text);
    folded.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Lower case, no accents: for searching and sorting, never for identity.
pub fn fold(text: &str) -> String {
    let plain =
        text.nfkd().filter(|it| !unicode_normalization::char::is_combining_mark(*it) && !it.is_control());
    let mut folded = String::with_capacity(text.len());
    for it in plain.flat_map(char::to_lowercase) {
        match SPELLED.iter().find(|(letter, _)| *letter == it) {
            Some((_, plainly)) => folded.push_str(plainly),
            None => folded.push(it),
        }
    }
    folded
}

/// Letters that are no others with accents, as they are typed where they are missing.
const SPELLED: [(char, &str); 9] = [
    ('ß', "ss"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ø', "o"),
    ('đ', "d"),
    ('ð', "d"),
    ('ł', "l"),
    ('þ', "th"),
    ('ı', "i"),
];

/// An account's word in addresses: `a-z`, `0-9` and single hyphens, 2 to 40 characters, not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, min_length = 2, max_length = 40, pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$", example = "north-light")]
pub struct Slug(String);

const RESERVED: &[&str] = &[
    "a",
    "api",
    "dev",
    "guildhall",
    "me",
    "new",
    "operator",
    "static",
    "sso",
    "auth",
    "callback",
    "backchannel",
    "link",
];

impl Slug {
    /// As typed.
    pub fn parse(text: &str) -> Result<Slug, Refusal> {
        let slug = text.trim();
        let fits = (2..=40).contains(&slug.len())
            && slug.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
            && !slug.starts_with('-')
            && !slug.ends_with('-')
            && !slug.contains("--");
        if slug.is_empty() {
            return refuse("required", "Enter a short name for addresses.");
        }
        if !fits {
            return refuse(
                "invalid",
                "Use 2 to 40 small letters, digits and single hyphens, such as “north-light”.",
            );
        }
        if RESERVED.contains(&slug) {
            return refuse("reserved", format!("“{slug}” is reserved. Choose another."));
        }
        Ok(Slug(slug.to_owned()))
    }
    /// A slug made of a name, with `mark` behind it when the plain one is taken.
    pub fn of(name: &str, mark: Option<&str>) -> Slug {
        let room = 40 - mark.map_or(0, |it| it.len() + 1);
        let mut slug = String::new();
        for it in fold(name).chars() {
            if slug.len() >= room {
                break;
            }
            if it.is_ascii_alphanumeric() {
                slug.push(it);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let mut slug = slug.trim_end_matches('-').to_owned();
        if slug.len() < 2 || (mark.is_none() && RESERVED.contains(&slug.as_str())) {
            slug = format!("account-{slug}").trim_end_matches('-').to_owned();
        }
        if let Some(mark) = mark {
            slug = format!("{slug}-{mark}");
        }
        Slug(slug)
    }
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_lists_come_apart() {
        let text = "Ada Byron <ada@x.test>, bob@x.test;cy@x.test\r\n\"Dan, the man\" <dan@x.test> ADA@x.test  eve@x.test";
        let found = addresses(text);
        assert_eq!(found, ["ada@x.test", "bob@x.test", "cy@x.test", "dan@x.test", "eve@x.test"]);
        assert_eq!(addresses("sam ada@x.test"), ["sam", "ada@x.test"]);
        assert_eq!(addresses_and_repeats(text).1, 1);
    }

    #[test]
    fn an_address_is_whole_or_refused() {
        for good in ["ada@acme.test", "Ada.B+x@Acme.TEST", "a@localhost", "é@exämple.test"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@x.test", "a".repeat(260));
        for bad in [
            "",
            "ada",
            "ada@acme",
            "@x.test",
            "a@b..test",
            "a b@x.test",
            "a@x.test\0",
            "a\r\nBcc: b@x.test",
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Email::parse("ADA@acme.test").unwrap().key(),
            Email::parse("ada@ACME.test").unwrap().key()
        );
    }

    #[test]
    fn a_name_is_one_visible_line() {
        assert_eq!(Name::parse("  Ada \t Byron ").unwrap().as_str(), "Ada Byron");
        assert!(Name::parse("👩‍👩‍👧 Ada").is_ok());
        assert!(Name::parse("שלום").is_ok());
        for bad in ["", " ", "a\0b", "\u{202e}Ada", &"a".repeat(101), "---"] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_person_is_found_by_any_word() {
        let email = Email::parse("Ada@x.test").unwrap();
        let words = search_words("Ada Łovelace-Bÿron", &email);
        assert_eq!(words, ["ada lovelace byron", "ada@x.test", "byron", "lovelace byron"]);
    }

    #[test]
    fn numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (-12_345, "-12,345"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((counted(1, "team"), counted(0, "team")), ("1 team".into(), "0 teams".into()));
    }

    #[test]
    fn slugs_come_from_names() {
        assert_eq!(Slug::of("Northlight Studios!", None).as_str(), "northlight-studios");
        assert_eq!(Slug::of("Éclair & Søn", Some("x7")).as_str(), "eclair-son-x7");
        assert_eq!(Slug::of("日本", None).as_str(), "account");
        assert_eq!(Slug::of("API", None).as_str(), "account-api");
        for name in ["a", "-", "me", "x".repeat(99).as_str(), "日本 9"] {
            for mark in [None, Some("k3f9")] {
                let made = Slug::of(name, mark);
                assert_eq!(Slug::parse(made.as_str()), Ok(made.clone()), "{name}");
            }
        }
    }
}
