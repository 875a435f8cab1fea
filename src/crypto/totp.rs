//! Codes of authenticator apps (RFC 6238), as every app makes them: SHA-1, six digits, thirty seconds.
use crate::context::Chance;
use crate::model::time::Time;
use qrcode::{Color, EcLevel, QrCode};
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Bytes of a secret: as many as SHA-1 takes in (RFC 4226, 4).
const BYTES: usize = 20;

/// A new secret.
pub fn secret(chance: &Chance) -> Vec<u8> {
    chance.bytes::<BYTES>().to_vec()
}

/// The secret as people type it: base32 in groups of four.
pub fn in_words(secret: &[u8]) -> String {
    let text = Secret::from(secret.to_vec()).to_base32();
    let groups: Vec<String> =
        text.as_bytes().chunks(4).map(|it| String::from_utf8_lossy(it).into()).collect();
    groups.join(" ")
}

/// Which thirty seconds this code is of: those of now, or those just before or after, for clocks differ. None if it is wrong.
pub fn step(secret: &[u8], code: &str, now: Time) -> Option<i64> {
    let digits: String = code.chars().filter(|it| !it.is_whitespace() && *it != '-').collect();
    let seconds = u64::try_from(now.0 / 1_000_000).ok()?;
    let step = app(secret, None)?.check(&digits, seconds)?;
    i64::try_from(step).ok()
}

/// What an app reads from a QR code: the secret, the installation's name and the user's address.
pub fn link(secret: &[u8], host: &str, email: &str) -> Option<String> {
    app(secret, Some((host, email)))?.to_url().ok()
}

fn app(secret: &[u8], names: Option<(&str, &str)>) -> Option<Totp> {
    let app =
        Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_skew(1).with_step_duration(30);
    let app = app.with_secret(secret.to_vec());
    match names {
        // The two stand on either side of a colon: a port is left out, and no address that people have holds one.
        Some((host, email)) => {
            let issuer = format!("Guildhall {}", host.split(':').next().unwrap_or_default());
            app.with_issuer(Some(issuer)).with_account_name(email.replace(':', " ")).build().ok()
        }
        None => app.build().ok(),
    }
}

/// A QR code as an SVG path of squares of one unit, and how many units it is wide, with the quiet zone of four around it.
pub fn qr(text: &str) -> Option<(String, usize)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, it)| *it == Color::Dark);
    let squares = dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % width + 4, at / width + 4));
    Some((squares.collect(), width + 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, of which apps show the last six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        let at = |seconds: i64| Time(seconds * 1_000_000);
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(step(secret, code, at(seconds)), Some(seconds / 30));
            assert_eq!(
                step(secret, &format!("{} {}", &code[..3], &code[3..]), at(seconds + 30)),
                Some(seconds / 30)
            );
            assert_eq!(step(secret, code, at(seconds + 90)), None);
        }
        for bad in ["", "28708", "2870821", "+87082", "28708२"] {
            assert_eq!(step(secret, bad, at(59)), None, "{bad}");
        }
    }

    #[test]
    fn an_app_reads_the_link() {
        let link = link(b"12345678901234567890", "localhost:3000", "ada@acme.test").unwrap();
        assert!(
            link.starts_with("otpauth://totp/Guildhall%20localhost:ada%40acme.test?secret=GEZD"),
            "{link}"
        );
        let (path, width) = qr(&link).unwrap();
        assert!(path.starts_with("M4 4h1v1h-1z") && width > 30);
        assert_eq!(in_words(b"12345678901234567890"), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    }
}
