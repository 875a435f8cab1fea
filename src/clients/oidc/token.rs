//! ID tokens and logout tokens. Only asymmetric signatures are accepted, and every claim is checked against the request.
use super::{Client, Discovery, Oidc, OidcError};
use crate::model::time::Time;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKey as _, JsonWebKeyAlgorithm, JsonWebKeyUse,
    core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde::Deserialize;
use serde_json::Value;

/// How far clocks may differ, in seconds.
const CLOCK_SKEW: i64 = 60;

/// Without `none`, and without HMAC, for which the client secret or even a public key would serve as the key.
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// The claims of an ID token whose signature was checked.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// Never reassigned by the issuer.
    pub subject: String,
    /// The provider's id of its session.
    pub sid: Option<String>,
    pub email: Option<String>,
    /// `None` if the provider does not say.
    pub email_verified: Option<bool>,
    pub name: Option<String>,
    /// When the person authenticated at the provider, in seconds.
    pub auth_time: Option<i64>,
    /// All claims: which one names groups is a setting.
    pub all: Value,
    /// The algorithm and the id of the key.
    pub signing_key: (String, String),
}

impl Claims {
    /// The groups under a claim that is a list of strings or a single one.
    pub fn groups(&self, claim: &str) -> Option<Vec<String>> {
        let owned = |value: &Value| value.as_str().map(str::to_owned);
        match self.all.get(claim)? {
            Value::Array(all) => Some(all.iter().filter_map(owned).take(1000).collect()),
            one => Some(owned(one).into_iter().collect()),
        }
    }
}

/// A logout token whose signature was checked.
#[derive(Clone, Debug)]
pub struct LogoutToken {
    /// Its id: it is accepted once.
    pub jti: String,
    /// Whose sessions end, if there is no `sid`.
    pub subject: Option<String>,
    /// The session that ends.
    pub sid: Option<String>,
    /// Until when it could be replayed, in seconds.
    pub expires: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// A decoded token whose signature is not checked yet.
struct Decoded<'a> {
    header: Header,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Value,
}

fn malformed(problem: &str) -> OidcError {
    OidcError::new("token_malformed", format!("The provider’s token could not be read: {problem}."))
}

fn decode(token: &str) -> Result<Decoded<'_>, OidcError> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| malformed("it has no parts"))?;
    let (header, body) = signed.split_once('.').ok_or_else(|| malformed("it has no parts"))?;
    let bytes = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("it is not base64"));
    let header: Header =
        serde_json::from_slice(&bytes(header)?).map_err(|_| malformed("its header is not JSON"))?;
    let claims: Value = serde_json::from_slice(&bytes(body)?).map_err(|_| malformed("it is not JSON"))?;
    if !claims.is_object() {
        return Err(malformed("it is not an object"));
    }
    Ok(Decoded { header, signed, signature: bytes(signature)?, claims })
}

impl Decoded<'_> {
    fn algorithm(&self) -> Result<CoreJwsSigningAlgorithm, OidcError> {
        let alg = &self.header.alg;
        if self.header.crit.is_some() {
            return Err(malformed("it requires an unknown extension"));
        }
        if alg == "none" {
            return Err(OidcError::new("algorithm_none", "The provider’s token is not signed."));
        }
        if !ALGORITHMS.contains(&alg.as_str()) {
            let detail = format!(
                "The provider’s token is signed with {}, which is not accepted. Configure it to sign with RS256 or ES256.",
                crate::model::text::shorten(alg, 20)
            );
            return Err(OidcError::new("algorithm", detail));
        }
        serde_json::from_value(Value::String(alg.clone()))
            .map_err(|_| malformed("its algorithm is not known"))
    }
    /// `None` if none of these keys fits.
    fn is_signed_by(&self, keys: &CoreJsonWebKeySet) -> Result<Option<bool>, OidcError> {
        let alg = self.algorithm()?;
        let fits = |key: &&openidconnect::core::CoreJsonWebKey| {
            let has_id =
                self.header.kid.as_ref().is_none_or(|kid| key.key_id().is_some_and(|id| id.as_str() == kid));
            let for_signing = key.key_use().is_none_or(JsonWebKeyUse::allows_signature);
            let has_algorithm = match key.signing_alg() {
                JsonWebKeyAlgorithm::Algorithm(algorithm) => *algorithm == alg,
                JsonWebKeyAlgorithm::Unspecified => true,
                JsonWebKeyAlgorithm::Unsupported => false,
            };
            has_id && for_signing && has_algorithm
        };
        let mut candidates = keys.keys().iter().filter(fits).peekable();
        if candidates.peek().is_none() {
            return Ok(None);
        }
        let signed = self.signed.as_bytes();
        Ok(Some(candidates.any(|key| key.verify_signature(&alg, signed, &self.signature).is_ok())))
    }
    fn text(&self, claim: &str) -> Option<String> {
        self.claims.get(claim)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }
    fn seconds(&self, claim: &str) -> Option<i64> {
        let number = self.claims.get(claim)?;
        #[expect(clippy::cast_possible_truncation, reason = "seconds with a fraction are cut to whole ones")]
        number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))
    }
    /// Issuer, audience and times.
    fn check_claims(&self, client: &Client, now: i64) -> Result<(), OidcError> {
        let Client { issuer, id, .. } = client;
        if self.text("iss").as_ref() != Some(issuer) {
            return Err(OidcError::new(
                "issuer",
                "The provider’s token names another issuer than the connection’s.",
            ));
        }
        let audiences: Vec<&str> = match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        if !audiences.contains(&id.as_str()) {
            let detail = "The provider’s token is for another application. Check the client ID.";
            return Err(OidcError::new("audience", detail));
        }
        let authorized = self.text("azp");
        if authorized.as_ref().is_some_and(|party| party != id)
            || (audiences.len() > 1 && authorized.is_none())
        {
            let detail = "The provider’s token was given to another application.";
            return Err(OidcError::new("authorized_party", detail));
        }
        let expires = self.seconds("exp").ok_or_else(|| malformed("it has no expiry (exp)"))?;
        let issued = self.seconds("iat").ok_or_else(|| malformed("it has no time of issue (iat)"))?;
        if expires + CLOCK_SKEW <= now {
            return Err(OidcError::new("expired", "The provider’s token has expired. Sign in again."));
        }
        if issued - CLOCK_SKEW > now {
            let detail = "The provider’s token comes from the future. Its clock or ours is wrong.";
            return Err(OidcError::new("issued_in_future", detail));
        }
        if self.seconds("nbf").is_some_and(|start| start - CLOCK_SKEW > now) {
            let detail = "The provider’s token is not valid yet. Its clock or ours is wrong.";
            return Err(OidcError::new("not_yet_valid", detail));
        }
        Ok(())
    }
}

impl Oidc {
    /// Decodes a token and checks its signature. The key may be newer than our cache: then the keys are fetched again.
    async fn verify<'a>(
        &self,
        client: &Client,
        discovery: &Discovery,
        token: &'a str,
    ) -> Result<Decoded<'a>, OidcError> {
        let token = decode(token)?;
        let mut signed = token.is_signed_by(&discovery.keys)?;
        // Also if the key is known but does not match: its id may have been given to a new key.
        if signed != Some(true)
            && let Some(refreshed) = self.refresh(&client.issuer).await?
        {
            signed = token.is_signed_by(&refreshed.keys)?;
        }
        match signed {
            Some(true) => Ok(token),
            Some(false) => {
                let detail = "The signature of the provider’s token is wrong.";
                Err(OidcError::new("signature", detail))
            }
            None => {
                let detail = "The provider’s token is signed with a key that the provider does not list.";
                Err(OidcError::new("unknown_key", detail))
            }
        }
    }
    /// The claims of an ID token, with everything checked.
    pub(super) async fn id_token(
        &self,
        client: &Client,
        discovery: &Discovery,
        token: &str,
        nonce: &str,
        now: Time,
    ) -> Result<Claims, OidcError> {
        let token = self.verify(client, discovery, token).await?;
        token.check_claims(client, now.0 / 1_000_000)?;
        if token.text("nonce").as_deref() != Some(nonce) {
            let detail = "The provider’s token answers another sign-in than this one. Sign in again.";
            return Err(OidcError::new("nonce", detail));
        }
        let subject = token.text("sub").filter(|subject| subject.len() <= 255);
        let subject = subject
            .ok_or_else(|| OidcError::new("subject", "The provider’s token does not say who this is."))?;
        let email_verified = match token.claims.get("email_verified") {
            Some(Value::Bool(verified)) => Some(*verified),
            Some(Value::String(text)) => Some(text == "true"),
            _ => None,
        };
        Ok(Claims {
            subject,
            sid: token.text("sid"),
            email: token.text("email"),
            email_verified,
            name: token.text("name"),
            auth_time: token.seconds("auth_time"),
            signing_key: (token.header.alg.clone(), token.header.kid.clone().unwrap_or_default()),
            all: token.claims,
        })
    }
    /// Checks a logout token (`OpenID` Connect Back-Channel Logout 1.0, 2.6).
    pub async fn logout_token(
        &self,
        client: &Client,
        token: &str,
        now: Time,
    ) -> Result<LogoutToken, OidcError> {
        const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
        let discovery = self.discovery(&client.issuer).await?;
        let token = self.verify(client, &discovery, token).await?;
        token.check_claims(client, now.0 / 1_000_000)?;
        let refuse = |detail: &str| Err(OidcError::new("logout_token", detail));
        if !token.claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
            return refuse("This is not a logout token: its events do not say so.");
        }
        if token.claims.get("nonce").is_some() {
            return refuse("A logout token must not have a nonce.");
        }
        let (subject, sid) = (token.text("sub"), token.text("sid"));
        if subject.is_none() && sid.is_none() {
            return refuse("The logout token names neither a person nor a session.");
        }
        let Some(jti) = token.text("jti") else { return refuse("The logout token has no id (jti).") };
        let expires = token.seconds("exp").unwrap_or_default() + CLOCK_SKEW;
        Ok(LogoutToken { jti, subject, sid, expires })
    }
}

/// From a token whose signature is not checked, only to find the keys to check it with.
pub fn unverified_issuer_and_audiences(token: &str) -> Option<(String, Vec<String>)> {
    let token = decode(token).ok()?;
    let audiences = match token.claims.get("aud")? {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        one => one.as_str().map(str::to_owned).into_iter().collect(),
    };
    Some((token.text("iss")?, audiences))
}
