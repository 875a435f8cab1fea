//! Random bytes, tokens, API keys, encryption, passwords, one-time codes and passkeys.
pub mod passkey;
pub mod password;
pub mod random;
pub mod secrets;
pub mod totp;
