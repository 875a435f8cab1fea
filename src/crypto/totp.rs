//! Codes of authenticator apps (RFC 6238) with the parameters that every app supports: SHA-1, six digits, thirty seconds.
use super::random::Random;
use crate::model::time::Time;
use qrcode::{Color, EcLevel, QrCode};
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// The output length of SHA-1, as RFC 4226, section 4, recommends.
const SECRET_BYTES: usize = 20;

pub fn new_secret(random: &Random) -> Vec<u8> {
    random.bytes::<SECRET_BYTES>().to_vec()
}

/// The secret for typing: base32 in groups of four.
pub fn to_base32(secret: &[u8]) -> String {
    let text = Secret::from(secret.to_vec()).to_base32();
    let groups: Vec<String> =
        text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into()).collect();
    groups.join(" ")
}

/// The time step of a right code: the current one, the one before or the one after, since clocks differ. `None` if the code is
/// wrong. The step must be stored, so that no code is accepted twice.
pub fn matching_step(secret: &[u8], code: &str, now: Time) -> Option<i64> {
    let digits: String = code.chars().filter(|digit| !digit.is_whitespace() && *digit != '-').collect();
    let seconds = u64::try_from(now.0 / 1_000_000).ok()?;
    let step = totp(secret, None)?.check(&digits, seconds)?;
    i64::try_from(step).ok()
}

/// The `otpauth:` URL that an app reads from a QR code.
pub fn otpauth_url(secret: &[u8], host: &str, email: &str) -> Option<String> {
    totp(secret, Some((host, email)))?.to_url().ok()
}

fn totp(secret: &[u8], label: Option<(&str, &str)>) -> Option<Totp> {
    let builder =
        Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_skew(1).with_step_duration(30);
    let builder = builder.with_secret(secret.to_vec());
    match label {
        // Issuer and account are separated by a colon, so neither may hold one: the port is left out.
        Some((host, email)) => {
            let issuer = format!("Guildhall {}", host.split(':').next().unwrap_or_default());
            builder.with_issuer(Some(issuer)).with_account_name(email.replace(':', " ")).build().ok()
        }
        None => builder.build().ok(),
    }
}

/// A QR code as an SVG path of unit squares, and its width in units, both with a quiet zone of four units on every side.
pub fn qr_path(text: &str) -> Option<(String, usize)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let squares = dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % width + 4, at / width + 4));
    Some((squares.collect(), width + 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, of which apps show the last six digits.
    #[test]
    fn codes_match_the_test_vectors_of_the_standard() {
        let secret = b"12345678901234567890";
        let at = |seconds: i64| Time(seconds * 1_000_000);
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(matching_step(secret, code, at(seconds)), Some(seconds / 30));
            assert_eq!(
                matching_step(secret, &format!("{} {}", &code[..3], &code[3..]), at(seconds + 30)),
                Some(seconds / 30)
            );
            assert_eq!(matching_step(secret, code, at(seconds + 90)), None);
        }
        for bad in ["", "28708", "2870821", "+87082", "28708२"] {
            assert_eq!(matching_step(secret, bad, at(59)), None, "{bad}");
        }
    }

    #[test]
    fn the_otpauth_url_fits_into_a_qr_code() {
        let url = otpauth_url(b"12345678901234567890", "localhost:3000", "ada@acme.test").unwrap();
        assert!(url.starts_with("otpauth://totp/Guildhall%20localhost:ada%40acme.test?secret=GEZD"), "{url}");
        let (path, width) = qr_path(&url).unwrap();
        assert!(path.starts_with("M4 4h1v1h-1z") && width > 30);
        assert_eq!(to_base32(b"12345678901234567890"), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    }
}
