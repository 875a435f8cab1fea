//! Passkeys (`WebAuthn`): this installation as the relying party. Each must verify its user, by a finger, a face or a PIN, and is
//! then two factors in one; each can be found without a name, and is then a way in by itself.
use crate::{
    context::Rules,
    error::{Error, Result},
    model::access::Person,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder,
};

/// This installation, as authenticators know it.
pub struct Party(Webauthn);

/// A challenge to make a passkey, as the session keeps it.
#[derive(Serialize, Deserialize)]
pub struct Making(PasskeyRegistration);

/// A challenge to sign with a passkey, as the session keeps it.
#[derive(Serialize, Deserialize)]
pub struct Signing(DiscoverableAuthentication);

/// What a browser brings back when a challenge was signed.
pub struct Signed(PublicKeyCredential);

/// A passkey as it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credential(Passkey);

impl Credential {
    /// By what its authenticator knows it.
    pub fn id(&self) -> &[u8] {
        self.0.cred_id().as_slice()
    }
}

fn refused() -> Error {
    Error::invalid("credential", "refused", "The passkey was not accepted. Try again, or use another way.")
}

/// What the program brings back is the browser's: whatever cannot be read is refused.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| refused())
}

impl Party {
    /// At the base URL. None where that is a bare IP address: browsers bind passkeys to names.
    pub fn of(rules: &Rules) -> Option<Party> {
        let origin = Url::parse(&rules.base_url).ok()?;
        let name = origin.domain()?;
        WebauthnBuilder::new(name, &origin).ok()?.rp_name("Guildhall").build().ok().map(Party)
    }
    /// Asks for a new passkey; not on an authenticator that holds one of these already.
    pub fn make(&self, person: &Person, known: Vec<Vec<u8>>) -> Result<(Value, Making)> {
        let begun = self.0.start_passkey_registration(person.id.0, &person.email, &person.name, Some(known));
        let (asked, making) = begun.map_err(|it| Error::Internal(it.to_string()))?;
        let mut asked = to_json(&asked)?;
        // Without this a security key would keep nothing by which it could sign in alone.
        asked["publicKey"]["authenticatorSelection"]["residentKey"] = "required".into();
        asked["publicKey"]["authenticatorSelection"]["requireResidentKey"] = true.into();
        Ok((asked, Making(making)))
    }
    /// The passkey that was made.
    pub fn made(&self, Making(making): &Making, answer: &str) -> Result<Credential> {
        let answer: RegisterPublicKeyCredential = read(answer)?;
        self.0.finish_passkey_registration(&answer, making).map(Credential).map_err(|_| refused())
    }
    /// Asks for a signature: by one of these, or by whichever the browser finds.
    pub fn ask(&self, known: &[Vec<u8>]) -> Result<(Value, Signing)> {
        let begun = self.0.start_discoverable_authentication();
        let (asked, signing) = begun.map_err(|it| Error::Internal(it.to_string()))?;
        let mut asked = to_json(&asked)?;
        // A button asks, not the list under a field.
        asked.as_object_mut().map(|it| it.remove("mediation"));
        let allowed = known.iter().map(|it| serde_json::json!({ "type": "public-key", "id": in_base64(it) }));
        asked["publicKey"]["allowCredentials"] = allowed.collect();
        Ok((asked, Signing(signing)))
    }
    /// Whether the signature is that of this passkey; then the passkey as it is from now on, its counter moved.
    pub fn signed(
        &self,
        Signing(signing): Signing,
        Signed(answer): &Signed,
        it: &Credential,
    ) -> Result<Credential> {
        let done =
            self.0.finish_discoverable_authentication_v2(answer, signing, &it.0).map_err(|_| refused())?;
        let mut after = it.clone();
        after.0.update_credential(&done);
        Ok(after)
    }
}

impl Signed {
    /// From the form.
    pub fn read(answer: &str) -> Result<Signed> {
        read(answer).map(Signed)
    }
    /// Which passkey claims to have signed.
    pub fn id(&self) -> &[u8] {
        self.0.get_credential_id()
    }
    /// Whose it claims to be, if it says.
    pub fn user(&self) -> Option<&[u8]> {
        self.0.get_user_unique_id()
    }
}

fn to_json(it: &impl Serialize) -> Result<Value> {
    serde_json::to_value(it).map_err(|it| Error::Internal(it.to_string()))
}

fn in_base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_name() {
        let at = |base_url: &str| {
            let base_url = base_url.to_owned();
            Party::of(&Rules { base_url, ..Rules::default() })
        };
        assert!(at("https://console.example.com").is_some());
        assert!(at("http://localhost:3000").is_some());
        assert!(at("http://127.0.0.1:3000").is_none());
        assert!(at("http://[::1]:3000").is_none());
    }
}
