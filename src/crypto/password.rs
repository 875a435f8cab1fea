//! Passwords: argon2id, off the async threads and at most one hash per core at a time.
use crate::{
    error::{Error, Result},
    model::text::{ValidationError, refuse},
};
use argon2::{
    Argon2, PasswordVerifier as _,
    password_hash::{PasswordHasher as _, phc::PasswordHash},
};
use std::sync::{LazyLock, OnceLock};
use tokio::sync::Semaphore;

/// Each hash takes 19 MiB: OWASP's first choice for argon2id (m = 19 MiB, t = 2, p = 1), and the defaults of the crate.
static PERMITS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));

/// In characters.
pub const MAX_LENGTH: usize = 128;

/// Hashes a new password if it is good enough: at most 128 characters, and at least 10⁸ guesses (zxcvbn 3 of 4).
/// `user_inputs` are words that it should not be made of: the name and the address of the user.
pub async fn validate_and_hash(
    password: &str,
    user_inputs: &[&str],
) -> Result<Result<String, ValidationError>> {
    if password.is_empty() {
        return Ok(refuse("required", "Choose a password."));
    }
    if password.chars().count() > MAX_LENGTH {
        return Ok(refuse("too_long", format!("A password has at most {MAX_LENGTH} characters.")));
    }
    let password = password.to_owned();
    let user_inputs: Vec<String> = user_inputs.iter().map(|&input| input.to_owned()).collect();
    off_thread(move || {
        let user_inputs: Vec<&str> = user_inputs.iter().map(String::as_str).collect();
        let estimate = zxcvbn::zxcvbn(&password, &user_inputs);
        if estimate.score() >= zxcvbn::Score::Three {
            return Ok(hash(&password));
        }
        let advice = estimate
            .feedback()
            .and_then(zxcvbn::feedback::Feedback::warning)
            .map(|warning| format!(" {warning}"))
            .unwrap_or_default();
        refuse("too_weak", format!("This password is too easy to guess.{advice} Use a few unrelated words."))
    })
    .await
}

/// Hashes any password, however weak: for the command line and the demonstration.
pub async fn hash_unchecked(password: &str) -> Result<String> {
    let password = password.to_owned();
    off_thread(move || hash(&password)).await
}

/// `stored` is the hash of the user, if there is one. Without one, takes as long as with one, so that the time does not tell.
pub async fn verify(password: &str, stored: Option<&str>) -> Result<bool> {
    static DUMMY: OnceLock<String> = OnceLock::new();
    if password.chars().count() > MAX_LENGTH {
        return Ok(false);
    }
    let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
    off_thread(move || {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| DUMMY.get_or_init(|| hash("dummy")).clone());
        let is_right = PasswordHash::new(&stored)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
        exists && is_right
    })
    .await
}

fn hash(password: &str) -> String {
    let salt: [u8; 16] = crate::crypto::random::Random::real().bytes();
    let hashed = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hashed.expect("the default parameters are valid").to_string()
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let permit = PERMITS.acquire().await;
    let result = tokio::task::spawn_blocking(work).await;
    drop(permit);
    result.map_err(|error| Error::Internal(error.to_string()))
}
