//! Types for text that people type. They are parsed where they enter the program; nothing below checks them again. Also: how
//! numbers and names are shown, and what search compares.
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// Why a value is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// Stable, for programs: `required`, `too_long`, `invalid`, …
    pub code: &'static str,
    /// A sentence that says what to do.
    pub detail: String,
}

pub fn refuse<T>(code: &'static str, detail: impl Into<String>) -> Result<T, ValidationError> {
    Err(ValidationError { code, detail: detail.into() })
}

/// The name of a user, an account, a role or a key: one line of 1 to 100 characters, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Name(String);

/// What `Name::parse` accepts, as far as a pattern can say it that every dialect of regular expressions understands: one visible
/// line with a digit or a letter of a common script.
const PATTERN: &str = r"^[^\u0000-\u001F\u007F-\u009F\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]*[0-9A-Za-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02AF\u0400-\u0481\u05D0-\u05EA\u0620-\u063F\u0904-\u0939\u0E01-\u0E30\u3041-\u3096\u30A1-\u30FA\u4E00-\u9FFF\uAC00-\uD7A3][^\u0000-\u001F\u007F-\u009F\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]*$";

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        let description = "A name: one line of 1 to 100 characters, with a letter or a digit in it.";
        let text = text.min_length(Some(1)).max_length(Some(100)).description(Some(description));
        text.examples(["Northlight Studios"]).into()
    }
}
impl ToSchema for Name {}

impl Name {
    /// Trims, and collapses runs of white space.
    pub fn parse(text: &str) -> Result<Name, ValidationError> {
        let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return refuse("required", "Enter a name.");
        }
        if name.chars().count() > 100 {
            return refuse("too_long", "A name has at most 100 characters.");
        }
        if name.chars().any(|char| char.is_control() || is_invisible(char))
            || !name.chars().any(char::is_alphanumeric)
        {
            return refuse("invalid", "A name needs a letter or a digit, and no control characters.");
        }
        Ok(Name(name))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Direction overrides and zero-width characters, with which one name can imitate another. The joiners that scripts and emoji
/// need are allowed.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// An e-mail address as typed, and the key by which addresses are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EmailAddress {
    typed: String,
    #[serde(skip)]
    key: String,
}

impl EmailAddress {
    /// Accepts at most 254 bytes. The domain needs a dot, or is `localhost`.
    pub fn parse(text: &str) -> Result<EmailAddress, ValidationError> {
        let typed: String = text.trim().nfc().collect();
        if typed.is_empty() {
            return refuse("required", "Enter an e-mail address.");
        }
        let shortened = shorten(&typed, 60);
        if typed.len() > 254 {
            return refuse("too_long", format!("“{shortened}” is too long for an address."));
        }
        let is_valid = typed.parse::<lettre::Address>().is_ok()
            && !typed.chars().any(|char| {
                char.is_control()
                    || char.is_whitespace()
                    || is_invisible(char)
                    || "\"<>(),;:\\[]".contains(char)
            })
            && typed.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && has_dots(domain));
        if !is_valid {
            return refuse("invalid", format!("“{shortened}” is not a full address."));
        }
        let key = typed.to_lowercase();
        Ok(EmailAddress { typed, key })
    }
    pub fn as_str(&self) -> &str {
        &self.typed
    }
    /// Lower case.
    pub fn key(&self) -> &str {
        &self.key
    }
    /// The part before the `@`: a name for people who have not given theirs.
    pub fn local(&self) -> &str {
        self.typed.split('@').next().unwrap_or(&self.typed)
    }
}
impl std::fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.typed.fmt(f)
    }
}

fn has_dots(domain: &str) -> bool {
    domain == "localhost" || (domain.contains('.') && domain.split('.').all(|label| !label.is_empty()))
}

/// The first `max` characters, with an ellipsis if there were more. Control characters are removed.
pub fn shorten(text: &str, max: usize) -> String {
    let clean: String = text.chars().filter(|char| !char.is_control()).collect();
    if clean.chars().count() <= max { clean } else { clean.chars().take(max).chain(['…']).collect() }
}

/// Splits pasted text into addresses, each once and in the order given: at commas, semicolons, white space and new lines.
/// Understands `Name <a@b>`.
pub fn addresses(text: &str) -> Vec<String> {
    addresses_and_repeats(text).0
}

/// Like `addresses`, and how many were left out because they were repeated.
pub fn addresses_and_repeats(text: &str) -> (Vec<String>, usize) {
    let mut found: Vec<String> = vec![];
    let mut repeats = 0;
    let mut seen = std::collections::HashSet::new();
    let mut keep = |entry: &str| {
        let entry = entry.trim_matches(|char: char| "\"'.".contains(char));
        if entry.is_empty() {
        } else if seen.insert(entry.to_lowercase()) {
            found.push(entry.to_owned());
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

/// Removes quoted names, whose commas would split an entry.
fn unquoted(text: &str) -> String {
    let parts = text.split('"').enumerate();
    parts.filter(|(at, part)| at % 2 == 0 || part.contains('@')).map(|(_, part)| part).collect()
}

/// Groups digits in threes: `12,345`.
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

/// Groups digits of a number that was counted up to `most` only: `1,000+` for more than 1,000.
pub fn grouped_up_to(most: i64, number: i64) -> String {
    if number > most { format!("{}+", grouped(most)) } else { grouped(number) }
}

/// A number and a noun: `1 member`, `2,000 members`.
pub fn counted(number: i64, singular: &str) -> String {
    format!("{} {singular}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `counted` for a number that was counted up to `most` only: `1,000+ members`.
pub fn counted_up_to(most: i64, number: i64, singular: &str) -> String {
    if number > most { format!("{}+ {singular}s", grouped(most)) } else { counted(number, singular) }
}

/// What the search for a person compares prefixes with, all folded: the address, and the name from each of its words on. So a
/// prefix of any word finds them, and so do several words in their order.
pub fn search_words(name: &str, email: &EmailAddress) -> Vec<String> {
    let mut words = name_words(name);
    words.push(email.key().to_owned());
    words.sort();
    words.dedup();
    words
}

/// A folded name, from each of its words on: `ada byron` and `byron`.
pub fn name_words(name: &str) -> Vec<String> {
    let name = search_term(name);
    let starts =
        name.char_indices().filter(|(at, _)| *at == 0 || name[..*at].ends_with(' ')).map(|(at, _)| at);
    starts.map(|at| name[at..].chars().take(64).collect()).collect()
}

/// Normalizes a search as names are stored: folded words of letters and digits, with one space between.
pub fn search_term(text: &str) -> String {
    let folded = fold(text);
    folded
        .split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Lower case without accents: for searching and sorting, never for identity.
pub fn fold(text: &str) -> String {
    let plain = text
        .nfkd()
        .filter(|char| !unicode_normalization::char::is_combining_mark(*char) && !char.is_control());
    let mut folded = String::with_capacity(text.len());
    for char in plain.flat_map(char::to_lowercase) {
        match TRANSLITERATIONS.iter().find(|(letter, _)| *letter == char) {
            Some((_, ascii)) => folded.push_str(ascii),
            None => folded.push(char),
        }
    }
    folded
}

/// Letters that do not decompose, as people type them who do not have them.
const TRANSLITERATIONS: [(char, &str); 9] = [
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

/// The name of an account in URLs: `a-z`, `0-9` and single hyphens, 2 to 40 characters, not a reserved word.
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
    pub fn parse(text: &str) -> Result<Slug, ValidationError> {
        let slug = text.trim();
        let is_valid = (2..=40).contains(&slug.len())
            && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !slug.starts_with('-')
            && !slug.ends_with('-')
            && !slug.contains("--");
        if slug.is_empty() {
            return refuse("required", "Enter a short name for addresses.");
        }
        if !is_valid {
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
    /// Derives a slug from a name, with a suffix if the plain one is taken.
    pub fn of(name: &str, suffix: Option<&str>) -> Slug {
        let room = 40 - suffix.map_or(0, |suffix| suffix.len() + 1);
        let mut slug = String::new();
        for char in fold(name).chars() {
            if slug.len() >= room {
                break;
            }
            if char.is_ascii_alphanumeric() {
                slug.push(char);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let mut slug = slug.trim_end_matches('-').to_owned();
        if slug.len() < 2 || (suffix.is_none() && RESERVED.contains(&slug.as_str())) {
            slug = format!("account-{slug}").trim_end_matches('-').to_owned();
        }
        if let Some(suffix) = suffix {
            slug = format!("{slug}-{suffix}");
        }
        Slug(slug)
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_lists_are_split() {
        let text = "Ada Byron <ada@x.test>, bob@x.test;cy@x.test\r\n\"Dan, the man\" <dan@x.test> ADA@x.test  eve@x.test";
        let found = addresses(text);
        assert_eq!(found, ["ada@x.test", "bob@x.test", "cy@x.test", "dan@x.test", "eve@x.test"]);
        assert_eq!(addresses("sam ada@x.test"), ["sam", "ada@x.test"]);
        assert_eq!(addresses_and_repeats(text).1, 1);
    }

    #[test]
    fn only_full_addresses_are_valid() {
        for good in ["ada@acme.test", "Ada.B+x@Acme.TEST", "a@localhost", "é@exämple.test"] {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
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
            assert!(EmailAddress::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            EmailAddress::parse("ADA@acme.test").unwrap().key(),
            EmailAddress::parse("ada@ACME.test").unwrap().key()
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
    fn search_words_begin_at_each_word() {
        let email = EmailAddress::parse("Ada@x.test").unwrap();
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
        assert_eq!((grouped_up_to(1000, 1000), grouped_up_to(1000, 1001)), ("1,000".into(), "1,000+".into()));
        assert_eq!(counted_up_to(1000, 2000, "key"), "1,000+ keys");
        assert_eq!(counted_up_to(1000, 1, "key"), "1 key");
    }

    #[test]
    fn slugs_are_derived_from_names() {
        assert_eq!(Slug::of("Northlight Studios!", None).as_str(), "northlight-studios");
        assert_eq!(Slug::of("Éclair & Søn", Some("x7")).as_str(), "eclair-son-x7");
        assert_eq!(Slug::of("日本", None).as_str(), "account");
        assert_eq!(Slug::of("API", None).as_str(), "account-api");
        for name in ["a", "-", "me", "x".repeat(99).as_str(), "日本 9"] {
            for suffix in [None, Some("k3f9")] {
                let slug = Slug::of(name, suffix);
                assert_eq!(Slug::parse(slug.as_str()), Ok(slug.clone()), "{name}");
            }
        }
    }
}
