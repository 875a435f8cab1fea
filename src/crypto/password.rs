//! Passwords: argon2id off the async threads, and no more at once than the machine can take.
use crate::{
    error::{Error, Result},
    model::text::{Refusal, refuse},
};
use argon2::{
    Argon2, PasswordVerifier as _,
    password_hash::{PasswordHasher as _, phc::PasswordHash},
};
use std::sync::{LazyLock, OnceLock};
use tokio::sync::Semaphore;

/// 19 MiB each (OWASP's first choice for argon2id: m = 19 MiB, t = 2, p = 1, which are this crate's defaults).
static AT_ONCE: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));

/// The most characters that a password may have.
pub const LONGEST: usize = 128;

/// A new password, as people may choose it: guessed with at least 10⁸ tries (zxcvbn 3 of 4), at most 128 characters.
/// `about` are words that it should not be made of: the user's name and address.
pub async fn choose(password: &str, about: &[&str]) -> Result<Result<String, Refusal>> {
    if password.is_empty() {
        return Ok(refuse("required", "Choose a password."));
    }
    if password.chars().count() > LONGEST {
        return Ok(refuse("too_long", format!("A password has at most {LONGEST} characters.")));
    }
    let (password, about) =
        (password.to_owned(), about.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    off_thread(move || {
        let about: Vec<&str> = about.iter().map(String::as_str).collect();
        let judged = zxcvbn::zxcvbn(&password, &about);
        if judged.score() >= zxcvbn::Score::Three {
            return Ok(hash(&password));
        }
        let advice = judged
            .feedback()
            .and_then(zxcvbn::feedback::Feedback::warning)
            .map(|it| format!(" {it}"))
            .unwrap_or_default();
        refuse("too_weak", format!("This password is too easy to guess.{advice} Use a few unrelated words."))
    })
    .await
}

/// Hashes without asking whether it is a good one: for the command line and the demonstration.
pub async fn hash_any(password: &str) -> Result<String> {
    let password = password.to_owned();
    off_thread(move || hash(&password)).await
}

/// Whether this is the password. Takes the same time where there is none.
pub async fn matches(password: &str, stored: Option<&str>) -> Result<bool> {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    if password.chars().count() > LONGEST {
        return Ok(false);
    }
    let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
    off_thread(move || {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| NOBODYS.get_or_init(|| hash("nobody's")).clone());
        let right = PasswordHash::new(&stored)
            .is_ok_and(|it| Argon2::default().verify_password(password.as_bytes(), &it).is_ok());
        known && right
    })
    .await
}

fn hash(password: &str) -> String {
    let salt: [u8; 16] = crate::context::Chance::real().bytes();
    let hashed = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hashed.expect("the default parameters are valid").to_string()
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let turn = AT_ONCE.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    drop(turn);
    done.map_err(|it| Error::Internal(it.to_string()))
}
