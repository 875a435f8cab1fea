//! Clients of other servers: identity providers, GitHub, the mail server, the payment provider.
pub mod github;
pub mod oidc;
pub mod outgoing;
pub mod payments;
pub mod smtp;
pub mod social;

/// `text` on one line of at most `max` characters. Line breaks and control characters become spaces; characters that change
/// the direction of the text after them are removed.
pub fn one_line(text: &str, max: usize) -> String {
    let changes_direction = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.replace(changes_direction, "").replace(char::is_control, " ");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(max) {
        None => line,
        Some(_) => line.chars().take(max - 1).chain(['…']).collect(),
    }
}
