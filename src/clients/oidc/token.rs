//! What a provider signs. The signature is checked by the provider's keys, with algorithms that need a private key, and every
//! claim against what was asked.
use super::{Client, Found, Oidc, Refusal};
use crate::model::time::Time;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKey as _, JsonWebKeyAlgorithm, JsonWebKeyUse,
    core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Clocks differ by so many seconds at most.
const SKEW: i64 = 60;

/// None, and those for which our own secret or a public key would be the key, are not among them.
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// What an ID token says of a person.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// Who, for ever, at this issuer.
    pub subject: String,
    /// The provider's name of the session.
    pub sid: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Whether the provider knows that it is theirs. None if it does not say.
    pub email_verified: Option<bool>,
    /// Their name.
    pub name: Option<String>,
    /// When they showed the provider who they are, in seconds.
    pub auth_time: Option<i64>,
    /// Everything, for the claim that names groups.
    pub all: Value,
    /// The algorithm and the name of the key.
    pub signed: (String, String),
}

impl Claims {
    /// The groups under that claim: a list of words, or one.
    pub fn groups(&self, claim: &str) -> Option<Vec<String>> {
        let word = |it: &Value| it.as_str().map(str::to_owned);
        match self.all.get(claim)? {
            Value::Array(all) => Some(all.iter().filter_map(word).take(1000).collect()),
            one => Some(word(one).into_iter().collect()),
        }
    }
}

/// What a logout token says.
#[derive(Clone, Debug)]
pub struct Logout {
    /// Its name: it counts once.
    pub jti: String,
    /// Whose sessions end.
    pub subject: Option<String>,
    /// Or which.
    pub sid: Option<String>,
    /// Until when it could be sent again, in seconds.
    pub expires: i64,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// A token taken apart, its signature not checked.
struct Parts<'a> {
    head: Head,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Value,
}

fn malformed(what: &str) -> Refusal {
    Refusal::new("token_malformed", format!("The provider’s token could not be read: {what}."))
}

fn parts(token: &str) -> Result<Parts<'_>, Refusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| malformed("it has no parts"))?;
    let (head, body) = signed.split_once('.').ok_or_else(|| malformed("it has no parts"))?;
    let decode = |it: &str| BASE64_URL_SAFE_NO_PAD.decode(it).map_err(|_| malformed("it is not base64"));
    let head: Head = serde_json::from_slice(&decode(head)?).map_err(|_| malformed("its head is not JSON"))?;
    let claims: Value = serde_json::from_slice(&decode(body)?).map_err(|_| malformed("it is not JSON"))?;
    if !claims.is_object() {
        return Err(malformed("it is no object"));
    }
    Ok(Parts { head, signed, signature: decode(signature)?, claims })
}

impl Parts<'_> {
    fn algorithm(&self) -> Result<CoreJwsSigningAlgorithm, Refusal> {
        let alg = &self.head.alg;
        if self.head.crit.is_some() {
            return Err(malformed("it demands an extension that is not known"));
        }
        if alg == "none" {
            return Err(Refusal::new("algorithm_none", "The provider’s token is not signed."));
        }
        if !ALGORITHMS.contains(&alg.as_str()) {
            let detail = format!(
                "The provider’s token is signed with {}, which is not accepted. Let it sign with RS256 or ES256.",
                crate::model::text::shorten(alg, 20)
            );
            return Err(Refusal::new("algorithm", detail));
        }
        serde_json::from_value(Value::String(alg.clone()))
            .map_err(|_| malformed("its algorithm is not known"))
    }
    /// None if no key of these could have signed it.
    fn is_signed_by(&self, keys: &CoreJsonWebKeySet) -> Result<Option<bool>, Refusal> {
        let alg = self.algorithm()?;
        let fits = |it: &&openidconnect::core::CoreJsonWebKey| {
            let named =
                self.head.kid.as_ref().is_none_or(|kid| it.key_id().is_some_and(|it| it.as_str() == kid));
            let for_signing = it.key_use().is_none_or(JsonWebKeyUse::allows_signature);
            let by_this = match it.signing_alg() {
                JsonWebKeyAlgorithm::Algorithm(it) => *it == alg,
                JsonWebKeyAlgorithm::Unspecified => true,
                JsonWebKeyAlgorithm::Unsupported => false,
            };
            named && for_signing && by_this
        };
        let mut known = keys.keys().iter().filter(fits).peekable();
        if known.peek().is_none() {
            return Ok(None);
        }
        let signed = self.signed.as_bytes();
        Ok(Some(known.any(|it| it.verify_signature(&alg, signed, &self.signature).is_ok())))
    }
    fn text(&self, claim: &str) -> Option<String> {
        self.claims.get(claim)?.as_str().filter(|it| !it.is_empty()).map(str::to_owned)
    }
    fn seconds(&self, claim: &str) -> Option<i64> {
        let number = self.claims.get(claim)?;
        #[expect(clippy::cast_possible_truncation, reason = "seconds with a fraction are cut to whole ones")]
        number.as_i64().or_else(|| number.as_f64().map(|it| it as i64))
    }
    /// Issuer, audience, and the times.
    fn check(&self, client: &Client, now: i64) -> Result<(), Refusal> {
        let Client { issuer, id, .. } = client;
        if self.text("iss").as_ref() != Some(issuer) {
            return Err(Refusal::new(
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
            return Err(Refusal::new("audience", detail));
        }
        let party = self.text("azp");
        if party.as_ref().is_some_and(|it| it != id) || (audiences.len() > 1 && party.is_none()) {
            let detail = "The provider’s token was given to another application.";
            return Err(Refusal::new("authorized_party", detail));
        }
        let expires = self.seconds("exp").ok_or_else(|| malformed("it has no end"))?;
        let issued = self.seconds("iat").ok_or_else(|| malformed("it has no beginning"))?;
        if expires + SKEW <= now {
            return Err(Refusal::new("expired", "The provider’s token has expired. Sign in again."));
        }
        if issued - SKEW > now {
            let detail = "The provider’s token comes from the future. Its clock or ours is wrong.";
            return Err(Refusal::new("issued_in_future", detail));
        }
        if self.seconds("nbf").is_some_and(|it| it - SKEW > now) {
            let detail = "The provider’s token is not valid yet. Its clock or ours is wrong.";
            return Err(Refusal::new("not_yet_valid", detail));
        }
        Ok(())
    }
}

impl Oidc {
    /// Checks the signature. A key that is not known may be new: then the keys are asked for again.
    async fn signed<'a>(
        &self,
        client: &Client,
        found: &Arc<Found>,
        token: &'a str,
    ) -> Result<Parts<'a>, Refusal> {
        let parts = parts(token)?;
        let mut signed = parts.is_signed_by(&found.keys)?;
        // The same name may stand for a new key as well.
        if signed != Some(true)
            && let Some(again) = self.look_again(&client.issuer).await?
        {
            signed = parts.is_signed_by(&again.keys)?;
        }
        match signed {
            Some(true) => Ok(parts),
            Some(false) => {
                let detail = "The signature of the provider’s token is wrong.";
                Err(Refusal::new("signature", detail))
            }
            None => {
                let detail = "The provider’s token is signed with a key that the provider does not list.";
                Err(Refusal::new("unknown_key", detail))
            }
        }
    }
    /// What an ID token says, once all of it is checked.
    pub(super) async fn id_token(
        &self,
        client: &Client,
        found: &Arc<Found>,
        token: &str,
        nonce: &str,
        now: Time,
    ) -> Result<Claims, Refusal> {
        let parts = self.signed(client, found, token).await?;
        parts.check(client, now.0 / 1_000_000)?;
        if parts.text("nonce").as_deref() != Some(nonce) {
            let detail = "The provider’s token answers another sign-in than this one. Sign in again.";
            return Err(Refusal::new("nonce", detail));
        }
        let subject = parts.text("sub").filter(|it| it.len() <= 255);
        let subject = subject
            .ok_or_else(|| Refusal::new("subject", "The provider’s token does not say who this is."))?;
        let email_verified = match parts.claims.get("email_verified") {
            Some(Value::Bool(it)) => Some(*it),
            Some(Value::String(it)) => Some(it == "true"),
            _ => None,
        };
        Ok(Claims {
            subject,
            sid: parts.text("sid"),
            email: parts.text("email"),
            email_verified,
            name: parts.text("name"),
            auth_time: parts.seconds("auth_time"),
            signed: (parts.head.alg.clone(), parts.head.kid.clone().unwrap_or_default()),
            all: parts.claims,
        })
    }
    /// What a logout token says (`OpenID` Connect Back-Channel Logout 1.0, 2.6).
    pub async fn logout_token(&self, client: &Client, token: &str, now: Time) -> Result<Logout, Refusal> {
        const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
        let found = self.find(&client.issuer).await?;
        let parts = self.signed(client, &found, token).await?;
        parts.check(client, now.0 / 1_000_000)?;
        let refuse = |detail: &str| Err(Refusal::new("logout_token", detail));
        if !parts.claims.get("events").and_then(|it| it.get(EVENT)).is_some_and(Value::is_object) {
            return refuse("This is no logout token: its events do not say so.");
        }
        if parts.claims.get("nonce").is_some() {
            return refuse("A logout token has no nonce.");
        }
        let (subject, sid) = (parts.text("sub"), parts.text("sid"));
        if subject.is_none() && sid.is_none() {
            return refuse("The logout token names neither a person nor a session.");
        }
        let Some(jti) = parts.text("jti") else { return refuse("The logout token has no name (jti).") };
        let expires = parts.seconds("exp").unwrap_or_default() + SKEW;
        Ok(Logout { jti, subject, sid, expires })
    }
}

/// The issuer and the audience that a token names, nothing of which is proven: to find whose keys to check it with.
pub fn unproven_names(token: &str) -> Option<(String, Vec<String>)> {
    let parts = parts(token).ok()?;
    let audiences = match parts.claims.get("aud")? {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        one => one.as_str().map(str::to_owned).into_iter().collect(),
    };
    Some((parts.text("iss")?, audiences))
}
