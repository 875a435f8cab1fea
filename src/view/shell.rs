//! The frame around every page: the user, the current account and the navigation. It reads no database.
use askama::Template;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// The parts of a page that do not depend on the user.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Without the product's name.
    pub title: String,
    pub theme: Theme,
    pub toast: Option<Toast>,
    /// Mails are kept in the database instead of sent; a banner says so.
    pub mailbox: bool,
}

impl Frame {
    pub fn titled(title: impl Into<String>) -> Self {
        Frame { title: title.into(), ..Frame::default() }
    }
}

/// The colours that the viewer chose, kept in the cookie `theme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
    /// The preference of the device.
    #[default]
    System,
}

impl Theme {
    /// Falls back to the system's theme.
    pub fn from_cookie(value: &str) -> Self {
        match value {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::System,
        }
    }

    /// The value in the cookie, in the form and in `data-theme`.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
            Theme::System => "system",
        }
    }
}

/// A message about what was just done, shown once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Toast {
    pub text: String,
    /// A failure: the toast is red and stays.
    pub bad: bool,
    pub undo: Option<Undo>,
}

/// A button in a toast that reverts what was done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Undo {
    pub label: String,
    /// Where its form is posted.
    pub action: String,
}

/// The frame of a signed-in page.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    pub user: ShellUser,
    /// The account that the page belongs to; `None` on the user's own pages and on the operator's.
    pub current: Option<SwitcherAccount>,
    /// The page is the operator's.
    pub installation: bool,
    pub personal: SwitcherAccount,
    /// Each with the user's teams in it.
    pub organizations: Vec<(SwitcherAccount, Vec<SwitcherAccount>)>,
    /// Teams of organizations that the user is not in.
    pub teams_elsewhere: Vec<SwitcherAccount>,
    /// The side bar: only pages that the user may open.
    pub nav: Vec<NavSection>,
    /// Where the palette searches members, if the user may list them.
    pub people: Option<String>,
    /// Actions in this account, for the palette.
    pub actions: Vec<NavItem>,
    /// The number of invitations that wait for the user's answer.
    pub invitations: i64,
    /// The user operates the installation.
    pub operator: bool,
    pub may_create_team: bool,
    pub may_create_organization: bool,
}

impl Shell {
    /// All accounts but the current one, for the palette.
    fn elsewhere(&self) -> impl Iterator<Item = &SwitcherAccount> {
        let organizations = self.organizations.iter();
        let within =
            organizations.flat_map(|(organization, teams)| std::iter::once(organization).chain(teams));
        std::iter::once(&self.personal)
            .chain(within)
            .chain(&self.teams_elsewhere)
            .filter(|account| !account.current)
    }
}

#[derive(Clone, Debug, Default)]
pub struct ShellUser {
    pub name: String,
    pub email: String,
}

/// An account in the switcher.
#[derive(Clone, Debug, Default)]
pub struct SwitcherAccount {
    pub slug: String,
    pub name: String,
    pub shape: AvatarShape,
    /// Such as "Owner · Free · 48 members".
    pub note: String,
    pub current: bool,
}

impl SwitcherAccount {
    pub fn href(&self) -> String {
        format!("/a/{}/overview", self.slug)
    }
}

/// A person is a circle, an organization a filled tile, a team an outlined tile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AvatarShape {
    #[default]
    Personal,
    Organization,
    Team,
}

impl AvatarShape {
    pub fn class(self) -> &'static str {
        match self {
            AvatarShape::Personal => "",
            AvatarShape::Organization => "org",
            AvatarShape::Team => "team",
        }
    }
}

/// A titled group in the side bar.
#[derive(Clone, Debug, Default)]
pub struct NavSection {
    pub title: &'static str,
    pub items: Vec<NavItem>,
}

/// A link in the side bar or in the palette.
#[derive(Clone, Debug, Default)]
pub struct NavItem {
    pub label: &'static str,
    /// An id of `static/icons.svg`.
    pub icon: &'static str,
    pub href: String,
    /// The shown page belongs to it.
    pub current: bool,
    pub count: Option<i64>,
}

/// One or two letters that stand for a name: of its first and last word, or the first two of a single word.
pub fn initials(name: &str) -> String {
    // ASCII needs no normalization.
    if name.is_ascii() {
        return ascii_initials(name);
    }
    let name: String = name.nfc().collect();
    let mut words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let letters: Vec<char> = match (words.next(), words.next_back()) {
        (Some(first), Some(last)) => first.chars().take(1).chain(last.chars().take(1)).collect(),
        (Some(only), None) => only.chars().take(2).collect(),
        (None, _) => vec!['?'],
    };
    letters.iter().map(|letter| letter.to_uppercase().next().unwrap_or(*letter)).collect()
}

fn ascii_initials(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut letters = String::with_capacity(2);
    match (words.next(), words.next_back()) {
        (Some(first), Some(last)) => letters.extend([&first[..1], &last[..1]]),
        (Some(only), None) => letters.push_str(&only[..only.len().min(2)]),
        (None, _) => letters.push('?'),
    }
    letters.make_ascii_uppercase();
    letters
}

/// Which of the eight colours of avatars an account or a user has: always the same for the same id.
pub fn tint(id: &str) -> u8 {
    // FNV-1a, then its top three bits: stable across releases, which the standard library's hasher does not promise.
    let hash =
        id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.wrapping_mul(0x9e37_79b9).to_be_bytes()[0] >> 5
}

/// A whole signed-in page.
pub fn page(frame: &Frame, shell: &Shell, body: &str) -> String {
    let mut text = String::with_capacity(body.len() + PAGE_CAPACITY / 2);
    Layout { frame, shell, body }.render_into(&mut text).expect(RENDERS);
    text
}

/// The part of a page that htmx asks for: its title and what is inside `#page`.
pub fn partial(frame: &Frame, body: &str) -> String {
    draw(&Partial { frame, body })
}

/// A whole signed-out page: a form beside the picture of the street.
pub fn plain(frame: &Frame, body: &str) -> String {
    draw(&Plain { frame, body })
}

/// A whole page with one card on it, for one question to somebody who may be signed in.
pub fn solo(frame: &Frame, user: Option<&ShellUser>, body: &str) -> String {
    draw(&Solo { frame, user, body })
}

const RENDERS: &str = "templates of the frame hold plain values, which always render";
/// The initial capacity for a page, which saves growing the buffer.
pub const PAGE_CAPACITY: usize = 48 << 10;

pub(super) fn draw(template: &impl Template) -> String {
    let mut text = String::with_capacity(PAGE_CAPACITY);
    template.render_into(&mut text).expect(RENDERS);
    text
}

/// The first of two that is not empty, for defaults in templates.
pub fn or<'a>(first: &'a str, second: &'a str) -> &'a str {
    if first.is_empty() { second } else { first }
}

#[derive(Template)]
#[template(path = "layout.html")]
struct Layout<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    body: &'a str,
}

#[derive(Template)]
#[template(path = "shell/partial.html")]
struct Partial<'a> {
    frame: &'a Frame,
    body: &'a str,
}

#[derive(Template)]
#[template(path = "plain.html")]
struct Plain<'a> {
    frame: &'a Frame,
    body: &'a str,
}

#[derive(Template)]
#[template(path = "shell/solo.html")]
struct Solo<'a> {
    frame: &'a Frame,
    user: Option<&'a ShellUser>,
    body: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_one_or_two_capitals_of_any_script() {
        let cases = [
            ("Mara Voss", "MV"),
            ("Rights & Clearances", "RC"),
            ("ana maria de la cruz", "AC"),
            ("Ingest", "IN"),
            ("e\u{301}lan vital", "ÉV"),
            ("ßen", "SE"),
            ("X", "X"),
            ("李 小龍", "李小"),
            ("👑", "?"),
            ("", "?"),
        ];
        for (name, letters) in cases {
            assert_eq!(initials(name), letters, "{name}");
        }
    }

    #[test]
    fn tints_stay_and_use_all_eight() {
        assert_eq!(tint("northlight"), tint("northlight"));
        let mut seen: Vec<u8> = (0..100).map(|n| tint(&format!("account-{n}"))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_partial_is_the_inside_of_its_page() {
        let toast = Toast { text: "Removed <b>".into(), ..Toast::default() };
        let frame = Frame { toast: Some(toast), ..Frame::titled("Members & more") };
        let part = partial(&frame, "<h1>Members</h1>");
        let (title, inside) = part.split_once('\n').unwrap();
        assert_eq!(title, "<title>Members &#38; more · Guildhall</title>");
        assert!(inside.contains("<h1>Members</h1>") && inside.contains("Removed &#60;b&#62;"));
        assert!(page(&frame, &Shell::default(), "<h1>Members</h1>").contains(inside));
        assert!(plain(&frame, "<h1>Members</h1>").contains(inside));
    }
}
