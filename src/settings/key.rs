//! The secret key: base64 in an environment variable, or in a file beside the SQLite database.
use crate::crypto::random::Random;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

const MIN_BYTES: usize = 32;

/// Base64 in the standard or the URL-safe alphabet, padded or not.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim().replace('-', "+").replace('_', "/");
    let key = GeneralPurpose::new(&alphabet::STANDARD, config).decode(text);
    match key {
        Ok(key) if key.len() >= MIN_BYTES => Ok(key),
        Ok(key) => Err(format!(
            "it holds {} bytes, and at least {MIN_BYTES} are needed; make one with “openssl rand -base64 32”",
            key.len()
        )),
        Err(_) => Err("it is not base64; make one with “openssl rand -base64 32”".into()),
    }
}

/// `guildhall.db.key`
fn key_path(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".key");
    PathBuf::from(name)
}

/// The key beside the database, created if there is neither. A database without its key is refused: with a new key, nothing that
/// is encrypted in it could be read, and its audit log would not verify.
pub fn load_or_create(database: &Path) -> Result<Vec<u8>, String> {
    let path = key_path(database);
    let shown = path.display();
    match read(&path) {
        Some(existing) => return existing,
        None if fs::metadata(database).is_ok_and(|metadata| metadata.len() > 0) => {
            return Err(format!(
                "{} exists, but its secret key {shown} does not. Restore the file, or set GUILDHALL_SECRET_KEY.",
                database.display()
            ));
        }
        None => {}
    }
    let key: [u8; MIN_BYTES] = Random::real().bytes();
    let written = owner_only().write(true).create_new(true).open(&path).and_then(|mut file| {
        file.write_all(format!("{}\n", BASE64_STANDARD.encode(key)).as_bytes())?;
        // A key that is lost in a power failure takes everything that is encrypted under it with it.
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(key.to_vec()),
        // Another process created it a moment ago.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
            read(&path).unwrap_or_else(|| Err(format!("The secret key {shown} was deleted.")))
        }
        Err(cause) => Err(format!("The secret key {shown} cannot be written ({cause}).")),
    }
}

/// `None` if the file does not exist. If it is incomplete, waits for the process that may still be writing it.
fn read(path: &Path) -> Option<Result<Vec<u8>, String>> {
    for _ in 0..20 {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') || text.len() >= 43 => {
                return Some(
                    decode(&text).map_err(|problem| {
                        format!("The secret key {} is damaged: {problem}.", path.display())
                    }),
                );
            }
            Ok(_) => std::thread::sleep(Duration::from_millis(50)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => return None,
            Err(cause) => {
                return Some(Err(format!("The secret key {} cannot be read ({cause}).", path.display())));
            }
        }
    }
    Some(Err(format!("The secret key {} is truncated. Restore the whole file.", path.display())))
}

#[cfg(unix)]
fn owner_only() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
#[cfg(not(unix))]
fn owner_only() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_created_once_and_never_for_a_database_that_lost_its_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("guildhall.db");
        let first = load_or_create(&database).expect("a key");
        assert_eq!(first.len(), 32);
        assert_eq!(load_or_create(&database), Ok(first));
        fs::write(&database, b"SQLite").expect("a database");
        fs::remove_file(key_path(&database)).expect("the key");
        assert!(load_or_create(&database).is_err());
    }

    #[test]
    fn both_alphabets_are_decoded() {
        let key: Vec<u8> = (200..232).collect();
        let (standard, url) =
            (BASE64_STANDARD.encode(&key), base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&key));
        assert_eq!(decode(&standard), Ok(key.clone()));
        assert_eq!(decode(&url), Ok(key));
        assert!(decode("not base64!").is_err());
    }
}
