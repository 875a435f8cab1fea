//! The domain of an organization, as its people's addresses end.
use super::text::{Refusal, refuse, shorten};
use serde::Serialize;

/// A name with at least one dot, in the letters of the DNS: small, other alphabets as `xn--`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Domain(String);

impl Domain {
    /// What is pasted may begin with an `@`, or be an address of somebody there.
    pub fn parse(text: &str) -> Result<Domain, Refusal> {
        let typed = text.trim();
        let name = typed.rsplit_once('@').map_or(typed, |it| it.1).trim_end_matches('.');
        if name.is_empty() {
            return refuse("required", "Enter a domain, such as example.com.");
        }
        let invalid =
            || refuse("invalid", format!("“{}” is no domain, such as example.com.", shorten(typed, 60)));
        let Ok(url::Host::Domain(name)) = url::Host::parse(name) else { return invalid() };
        let is_label = |it: &str| {
            (1..=63).contains(&it.len())
                && !it.starts_with('-')
                && !it.ends_with('-')
                && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        };
        if name.len() > 240 || !name.contains('.') || !name.split('.').all(is_label) {
            return invalid();
        }
        Ok(Domain(name))
    }
    /// As it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Under which name of the domain the proof stands.
pub const RECORD: &str = "_guildhall";
/// How its value begins.
pub const VALUE: &str = "guildhall-verify=";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_read_as_it_is_compared() {
        let of = |it| Domain::parse(it).map(|it| it.0);
        assert_eq!(of(" Acme.Test. ").as_deref(), Ok("acme.test"));
        assert_eq!(of("ada@acme.test").as_deref(), Ok("acme.test"));
        assert_eq!(of("bücher.example").as_deref(), Ok("xn--bcher-kva.example"));
        for bad in ["", "acme", "10.0.0.1", "[::1]", "a b.test", "-a.test", "a..test", "%.test", "a_b.test"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
