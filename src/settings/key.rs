//! The secret key: base64 in a variable, or in a file beside the SQLite database.
use crate::context::Chance;
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

const LEAST: usize = 32;

/// Base64, padded or not, of either alphabet.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim().replace('-', "+").replace('_', "/");
    let key = GeneralPurpose::new(&alphabet::STANDARD, config).decode(text);
    match key {
        Ok(key) if key.len() >= LEAST => Ok(key),
        Ok(key) => Err(format!(
            "it holds {} bytes, and at least {LEAST} are needed; make one with “openssl rand -base64 32”",
            key.len()
        )),
        Err(_) => Err("it is not base64; make one with “openssl rand -base64 32”".into()),
    }
}

/// Where the key of a database file is: `guildhall.db.key`.
fn path_of(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".key");
    PathBuf::from(name)
}

/// The key beside the database, made if there is neither. A database without its key is refused: a new one would open
/// nothing that was sealed, and the audit log would not hold.
pub fn beside(database: &Path) -> Result<Vec<u8>, String> {
    let path = path_of(database);
    let shown = path.display();
    match read(&path) {
        Some(read) => return read,
        None if fs::metadata(database).is_ok_and(|it| it.len() > 0) => {
            return Err(format!(
                "{} is there, and its secret key {shown} is not. Put the file back, or set GUILDHALL_SECRET_KEY.",
                database.display()
            ));
        }
        None => {}
    }
    let key: [u8; LEAST] = Chance::real().bytes();
    let made = private().write(true).create_new(true).open(&path).and_then(|mut file| {
        file.write_all(format!("{}\n", BASE64_STANDARD.encode(key)).as_bytes())?;
        // Lost with the power, it would take with it all that is sealed under it.
        file.sync_all()
    });
    match made {
        Ok(()) => Ok(key.to_vec()),
        // Another process made it a moment ago.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
            read(&path).unwrap_or_else(|| Err(gone(&path)))
        }
        Err(cause) => Err(format!("The secret key {shown} cannot be written ({cause}).")),
    }
}

fn gone(path: &Path) -> String {
    format!("The secret key {} is gone.", path.display())
}

/// None if the file is not there. Who made it a moment ago may still be writing.
fn read(path: &Path) -> Option<Result<Vec<u8>, String>> {
    for _ in 0..20 {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') || text.len() >= 43 => {
                return Some(
                    decode(&text)
                        .map_err(|it| format!("The secret key {} is damaged: {it}.", path.display())),
                );
            }
            Ok(_) => std::thread::sleep(Duration::from_millis(50)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => return None,
            Err(cause) => {
                return Some(Err(format!("The secret key {} cannot be read ({cause}).", path.display())));
            }
        }
    }
    Some(Err(format!("The secret key {} is cut off. Put the whole file back.", path.display())))
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_never_for_a_database_that_lost_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("guildhall.db");
        let first = beside(&database).expect("a key");
        assert_eq!(first.len(), 32);
        assert_eq!(beside(&database), Ok(first));
        fs::write(&database, b"SQLite").expect("a database");
        fs::remove_file(path_of(&database)).expect("the key");
        assert!(beside(&database).is_err());
    }

    #[test]
    fn base64_of_either_kind_is_read() {
        let key: Vec<u8> = (200..232).collect();
        let (standard, url) =
            (BASE64_STANDARD.encode(&key), base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&key));
        assert_eq!(decode(&standard), Ok(key.clone()));
        assert_eq!(decode(&url), Ok(key));
        assert!(decode("not base64!").is_err());
    }
}
