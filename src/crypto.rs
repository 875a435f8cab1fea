//! Secrets, passwords, one-time codes, passkeys.
pub mod passkey;
pub mod password;
pub mod secrets;
pub mod totp;
