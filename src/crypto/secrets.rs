//! Tokens in links, API keys and service tokens, and encryption and MACs under keys derived from the secret key.
use super::random::Random;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// SHA-256. Of a token or a key, only this is stored.
pub fn hash(secret: &str) -> Vec<u8> {
    digest(secret).to_vec()
}

/// The same as an array, for lookups in memory.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// A token for a link: 256 bits.
pub fn token(random: &Random) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}

/// 50 bits in an alphabet without characters that look alike: people keep it on paper.
pub fn recovery_code(random: &Random) -> String {
    let letters = random.bytes::<10>().map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    let text: String = letters.iter().collect();
    format!("{}-{}", &text[..5], &text[5..])
}

/// A recovery code as it was printed, whatever separators and case were typed. Empty if it cannot be one.
pub fn normalize_recovery_code(typed: &str) -> String {
    let letters: String =
        typed.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if letters.len() == 10 { format!("{}-{}", &letters[..5], &letters[5..]) } else { String::new() }
}

const BASE32: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// The kinds of secrets for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A member's API key.
    Key,
    /// A service token of the platform's own back end.
    Service,
}

impl KeyKind {
    const fn prefix(self) -> &'static str {
        match self {
            KeyKind::Key => "gh_key_",
            KeyKind::Service => "gh_svc_",
        }
    }
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH: usize = 40;
const CHECKSUM_LENGTH: usize = 6;

/// A prefix, 40 random base62 characters (238 bits), and a checksum by which scanners for leaked secrets recognise it.
pub fn machine_key(kind: KeyKind, random: &Random) -> String {
    let mut key = kind.prefix().to_owned();
    while key.len() < kind.prefix().len() + RANDOM_LENGTH {
        // Rejection sampling: 248 is the highest multiple of 62 in a byte, and bytes above it would favour some characters.
        let bytes: [u8; 64] = random.bytes();
        let letters =
            bytes.iter().filter(|byte| **byte < 248).map(|byte| BASE62[usize::from(*byte) % 62] as char);
        let missing = kind.prefix().len() + RANDOM_LENGTH - key.len();
        key.extend(letters.take(missing));
    }
    let sum = checksum(&key);
    key.extend(sum.map(char::from));
    key
}

/// Whether this is well formed, checksum included. Says nothing about whether it exists.
pub fn is_machine_key(kind: KeyKind, key: &str) -> bool {
    let length = kind.prefix().len() + RANDOM_LENGTH + CHECKSUM_LENGTH;
    key.len() == length
        && key.starts_with(kind.prefix())
        && key.is_ascii()
        && checksum(&key[..length - CHECKSUM_LENGTH]) == key.as_bytes()[length - CHECKSUM_LENGTH..]
}

fn checksum(text: &str) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// Encryption and MACs, each under its own key derived from the secret key.
pub struct Secrets {
    cipher: XChaCha20Poly1305,
    audit_key: [u8; 32],
    browser_key: [u8; 32],
    recovery_key: [u8; 32],
}

impl Secrets {
    /// `secret` must have at least 32 bytes. The purposes are part of the derivation, and can never change.
    pub fn new(secret: &[u8]) -> Secrets {
        let derive = |purpose: &str| -> [u8; 32] { mac(secret, &[purpose.as_bytes()]) };
        let cipher = XChaCha20Poly1305::new(&Key::from(derive("seal")));
        Secrets {
            cipher,
            audit_key: derive("audit"),
            browser_key: derive("device"),
            recovery_key: derive("recovery"),
        }
    }
    /// XChaCha20-Poly1305. `aad` names the place of the value: copied to another place, it does not decrypt.
    pub fn encrypt(&self, random: &Random, aad: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; 24] = random.bytes();
        let payload = Payload { msg: plain, aad: aad.as_bytes() };
        let ciphertext =
            self.cipher.encrypt(&XNonce::from(nonce), payload).expect("what fits in memory can be encrypted");
        [&nonce[..], &ciphertext].concat()
    }
    /// `None` if the key or the `aad` is another, or the value was changed.
    pub fn decrypt(&self, aad: &str, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = encrypted.split_first_chunk::<24>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: aad.as_bytes() }).ok()
    }
    /// Chains an event of the audit log to the MAC of the event before it.
    pub fn chain_mac(&self, before: &[u8], event: &[u8]) -> Vec<u8> {
        mac(&self.audit_key, &[before, event]).to_vec()
    }
    /// The cookie by which a browser that a user has signed in with is recognised.
    pub fn browser_token(&self, user: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(mac(&self.browser_key, &[user]))
    }
    /// Stored instead of a plain hash, from which so short a code could be guessed.
    pub fn recovery_code_mac(&self, user: &[u8], code: &str) -> Vec<u8> {
        mac(&self.recovery_key, &[user, code.as_bytes()]).to_vec()
    }
}

/// HMAC-SHA-256 over parts, each after its length, so that different lists of parts never have the same bytes.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_carries_its_kind_and_a_checksum() {
        let random = Random::real();
        for _ in 0..200 {
            let key = machine_key(KeyKind::Key, &random);
            assert!(is_machine_key(KeyKind::Key, &key));
            assert!(!is_machine_key(KeyKind::Service, &key));
            assert!(!is_machine_key(KeyKind::Key, &key[..key.len() - 1]));
            let mut other = key.clone().into_bytes();
            other[10] = if other[10] == b'a' { b'b' } else { b'a' };
            assert!(!is_machine_key(KeyKind::Key, &String::from_utf8(other).unwrap()));
        }
        assert!(!is_machine_key(KeyKind::Key, "gh_key_é"));
    }

    #[test]
    fn a_value_decrypts_in_its_own_place_only() {
        let (secrets, random) = (Secrets::new(&[7; 32]), Random::real());
        let encrypted = secrets.encrypt(&random, "mail 1", b"a token");
        assert_eq!(secrets.decrypt("mail 1", &encrypted).as_deref(), Some(&b"a token"[..]));
        assert_eq!(secrets.decrypt("mail 2", &encrypted), None);
        assert_eq!(Secrets::new(&[8; 32]).decrypt("mail 1", &encrypted), None);
        assert_eq!(secrets.decrypt("mail 1", &encrypted[..20]), None);
    }
}
