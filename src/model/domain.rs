//! DNS domains of organizations: addresses at a proven domain belong to its people.
use super::text::{ValidationError, refuse, shorten};
use serde::Serialize;

/// A DNS name with at least one dot: lower case, other alphabets in punycode (`xn--`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Domain(String);

impl Domain {
    /// Accepts a whole e-mail address, of which it takes the domain.
    pub fn parse(text: &str) -> Result<Domain, ValidationError> {
        let typed = text.trim();
        let name = typed.rsplit_once('@').map_or(typed, |parts| parts.1).trim_end_matches('.');
        if name.is_empty() {
            return refuse("required", "Enter a domain, such as example.com.");
        }
        let invalid =
            || refuse("invalid", format!("“{}” is not a domain, such as example.com.", shorten(typed, 60)));
        let Ok(url::Host::Domain(name)) = url::Host::parse(name) else { return invalid() };
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if name.len() > 240 || !name.contains('.') || !name.split('.').all(is_label) {
            return invalid();
        }
        Ok(Domain(name))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The name below the domain at which its TXT record proves who owns it.
pub const RECORD: &str = "_guildhall";
/// How the value of that record begins.
pub const VALUE: &str = "guildhall-verify=";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_normalized() {
        let of = |text| Domain::parse(text).map(|domain| domain.0);
        assert_eq!(of(" Acme.Test. ").as_deref(), Ok("acme.test"));
        assert_eq!(of("ada@acme.test").as_deref(), Ok("acme.test"));
        assert_eq!(of("bücher.example").as_deref(), Ok("xn--bcher-kva.example"));
        for bad in ["", "acme", "10.0.0.1", "[::1]", "a b.test", "-a.test", "a..test", "%.test", "a_b.test"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
