//! Passkeys (`WebAuthn`), with this installation as the relying party. Every passkey verifies its user by a finger, a face or a
//! PIN, which makes it two factors in one, and is discoverable, which makes it a sign-in without a user name.
use crate::{
    error::{Error, Result},
    model::actor::UserSummary,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder,
};

/// This installation, as authenticators know it.
pub struct RelyingParty(Webauthn);

/// The challenge of a registration, which the session keeps.
#[derive(Serialize, Deserialize)]
pub struct Registration(PasskeyRegistration);

/// The challenge of an authentication, which the session keeps.
#[derive(Serialize, Deserialize)]
pub struct Authentication(DiscoverableAuthentication);

/// The browser's answer to the challenge of an authentication.
pub struct Assertion(PublicKeyCredential);

/// A passkey as it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credential(Passkey);

impl Credential {
    /// The credential id, which the authenticator chose.
    pub fn id(&self) -> &[u8] {
        self.0.cred_id().as_slice()
    }
}

fn refused() -> Error {
    Error::invalid("credential", "refused", "The passkey was not accepted. Try again, or use another way.")
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T> {
    serde_json::from_str(json).map_err(|_| refused())
}

impl RelyingParty {
    /// `None` if the base URL has an IP address for a host: browsers bind passkeys to domain names.
    pub fn new(base_url: &str) -> Option<RelyingParty> {
        let origin = Url::parse(base_url).ok()?;
        let domain = origin.domain()?;
        WebauthnBuilder::new(domain, &origin).ok()?.rp_name("Guildhall").build().ok().map(RelyingParty)
    }
    /// Options for `navigator.credentials.create`, and the challenge to keep. Authenticators that hold a passkey of `existing`
    /// are excluded.
    pub fn start_registration(
        &self,
        user: &UserSummary,
        existing: Vec<Vec<u8>>,
    ) -> Result<(Value, Registration)> {
        let started = self.0.start_passkey_registration(user.id.0, &user.email, &user.name, Some(existing));
        let (options, challenge) = started.map_err(|error| Error::Internal(error.to_string()))?;
        let mut options = to_json(&options)?;
        // Otherwise a security key would store nothing that identifies the user, and could not sign in alone.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = "required".into();
        options["publicKey"]["authenticatorSelection"]["requireResidentKey"] = true.into();
        Ok((options, Registration(challenge)))
    }
    pub fn finish_registration(
        &self,
        Registration(challenge): &Registration,
        response: &str,
    ) -> Result<Credential> {
        let response: RegisterPublicKeyCredential = parse(response)?;
        self.0.finish_passkey_registration(&response, challenge).map(Credential).map_err(|_| refused())
    }
    /// Options for `navigator.credentials.get`, and the challenge to keep. If `allowed` is empty, any passkey that the browser
    /// has for this installation may be used.
    pub fn start_authentication(&self, allowed: &[Vec<u8>]) -> Result<(Value, Authentication)> {
        let started = self.0.start_discoverable_authentication();
        let (options, challenge) = started.map_err(|error| Error::Internal(error.to_string()))?;
        let mut options = to_json(&options)?;
        // "Conditional" mediation offers passkeys in the autofill of a field: we ask when a button is pressed.
        options.as_object_mut().map(|options| options.remove("mediation"));
        let allowed =
            allowed.iter().map(|id| serde_json::json!({ "type": "public-key", "id": base64_url(id) }));
        options["publicKey"]["allowCredentials"] = allowed.collect();
        Ok((options, Authentication(challenge)))
    }
    /// Checks the signature. Returns the passkey with its signature counter advanced, to be stored.
    pub fn finish_authentication(
        &self,
        Authentication(challenge): Authentication,
        Assertion(response): &Assertion,
        credential: &Credential,
    ) -> Result<Credential> {
        let finished = self.0.finish_discoverable_authentication_v2(response, challenge, &credential.0);
        let result = finished.map_err(|_| refused())?;
        let mut updated = credential.clone();
        updated.0.update_credential(&result);
        Ok(updated)
    }
}

impl Assertion {
    /// From the JSON that the page's script put into the form.
    pub fn parse(json: &str) -> Result<Assertion> {
        parse(json).map(Assertion)
    }
    /// The id of the passkey that claims to have signed.
    pub fn credential_id(&self) -> &[u8] {
        self.0.get_credential_id()
    }
    /// The id of the user that it claims to belong to.
    pub fn user_handle(&self) -> Option<&[u8]> {
        self.0.get_user_unique_id()
    }
}

fn to_json(options: &impl Serialize) -> Result<Value> {
    serde_json::to_value(options).map_err(|error| Error::Internal(error.to_string()))
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_domain_name() {
        assert!(RelyingParty::new("https://console.example.com").is_some());
        assert!(RelyingParty::new("http://localhost:3000").is_some());
        assert!(RelyingParty::new("http://127.0.0.1:3000").is_none());
        assert!(RelyingParty::new("http://[::1]:3000").is_none());
    }
}
