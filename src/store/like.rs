//! Patterns of `like … escape '\'`.

/// The text itself, whatever signs are in it.
pub(super) fn escape(text: &str) -> String {
    text.chars().flat_map(|c| matches!(c, '\\' | '%' | '_').then_some('\\').into_iter().chain([c])).collect()
}

/// Whatever contains the text; empty for an empty text, which leaves nothing out.
pub(super) fn contains(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("%{}%", escape(text)) }
}
