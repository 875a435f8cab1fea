//! Secrets: tokens in links, keys for machines, and what is encrypted or signed under the secret key.
use crate::context::Chance;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// SHA-256: all that is stored of a token or a key.
pub fn hash(secret: &str) -> Vec<u8> {
    digest(secret).to_vec()
}

/// The same where it is looked for in memory.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// A token for a link: 256 bits.
pub fn token(chance: &Chance) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(chance.bytes::<32>())
}

/// A code that somebody keeps on paper and types in need: 50 bits, without letters that look alike.
pub fn recovery_code(chance: &Chance) -> String {
    let letters = chance.bytes::<10>().map(|it| char::from(BASE32[usize::from(it % 32)]));
    let text: String = letters.iter().collect();
    format!("{}-{}", &text[..5], &text[5..])
}

/// A recovery code as it was printed, however it was typed.
pub fn tidy_recovery_code(typed: &str) -> String {
    let letters: String =
        typed.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if letters.len() == 10 { format!("{}-{}", &letters[..5], &letters[5..]) } else { String::new() }
}

const BASE32: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// What a machine's secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A member's API key.
    Key,
    /// The platform's own back end.
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
const RANDOM: usize = 40;
const CHECKSUM: usize = 6;

/// A new secret for a machine: prefix, 40 random base62 characters (238 bits), and a checksum by which scanners know it.
pub fn machine_key(kind: KeyKind, chance: &Chance) -> String {
    let mut key = kind.prefix().to_owned();
    while key.len() < kind.prefix().len() + RANDOM {
        // 248 is the highest multiple of 62 in a byte: what is above it would favour some characters.
        let bytes: [u8; 64] = chance.bytes();
        let letters = bytes.iter().filter(|it| **it < 248).map(|it| BASE62[usize::from(*it) % 62] as char);
        let room = kind.prefix().len() + RANDOM - key.len();
        key.extend(letters.take(room));
    }
    let sum = checksum(&key);
    key.extend(sum.map(char::from));
    key
}

/// Whether this has the form of a secret of that kind, checksum included. Says nothing about its being known.
pub fn is_machine_key(kind: KeyKind, key: &str) -> bool {
    let whole = kind.prefix().len() + RANDOM + CHECKSUM;
    key.len() == whole
        && key.starts_with(kind.prefix())
        && key.is_ascii()
        && checksum(&key[..whole - CHECKSUM]) == key.as_bytes()[whole - CHECKSUM..]
}

fn checksum(text: &str) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// Encrypts and signs under keys derived from the secret key, one for each purpose.
pub struct Seal {
    cipher: XChaCha20Poly1305,
    audit: [u8; 32],
    device: [u8; 32],
    recovery: [u8; 32],
}

impl Seal {
    /// From the secret key: at least 32 bytes.
    pub fn new(secret: &[u8]) -> Seal {
        let derive = |purpose: &str| -> [u8; 32] { mac(secret, &[purpose.as_bytes()]) };
        let cipher = XChaCha20Poly1305::new(&Key::from(derive("seal")));
        Seal { cipher, audit: derive("audit"), device: derive("device"), recovery: derive("recovery") }
    }
    /// Encrypts for one place: what is copied to another place does not open there.
    pub fn close(&self, chance: &Chance, place: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; 24] = chance.bytes();
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), payload).expect("what fits in memory can be encrypted");
        [&nonce[..], &sealed].concat()
    }
    /// Decrypts; none if the key is another, or somebody touched it.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place.as_bytes() }).ok()
    }
    /// The audit log's link: over the link before and the event.
    pub fn link(&self, before: &[u8], event: &[u8]) -> Vec<u8> {
        mac(&self.audit, &[before, event]).to_vec()
    }
    /// What a known browser's cookie carries.
    pub fn device(&self, user: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(mac(&self.device, &[user]))
    }
    /// By what a user's recovery code is known. It is short enough to be guessed from a plain hash.
    pub fn recovery(&self, user: &[u8], code: &str) -> Vec<u8> {
        mac(&self.recovery, &[user, code.as_bytes()]).to_vec()
    }
}

/// HMAC-SHA-256 over parts, each behind its length, so that no two lists of parts read alike.
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
        let chance = Chance::real();
        for _ in 0..200 {
            let key = machine_key(KeyKind::Key, &chance);
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
    fn what_is_sealed_opens_in_its_place_alone() {
        let (seal, chance) = (Seal::new(&[7; 32]), Chance::real());
        let closed = seal.close(&chance, "mail 1", b"a token");
        assert_eq!(seal.open("mail 1", &closed).as_deref(), Some(&b"a token"[..]));
        assert_eq!(seal.open("mail 2", &closed), None);
        assert_eq!(Seal::new(&[8; 32]).open("mail 1", &closed), None);
        assert_eq!(seal.open("mail 1", &closed[..20]), None);
    }
}
