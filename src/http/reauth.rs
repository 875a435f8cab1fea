//! Fresh proof for dangerous acts: what a form asks for, and what came with it.
use super::{App, passkeys, return_to};
use crate::{
    clients::social::Provider,
    crypto::{passkey::Party, password},
    error::{Error, Result},
    model::{
        access::{By, Entry, Fresh},
        id::UserId,
    },
    store::{
        Change, Client, Me, Scope, Who, access,
        factors::{self, Ways},
        me, sessions,
    },
};
use serde::Deserialize;
use tower_sessions::Session;

/// What came with a form: `#[serde(flatten)]` it there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Given {
    /// The password.
    #[serde(rename = "password")]
    pub password: String,
    /// A code of the authenticator app.
    #[serde(rename = "proof_code")]
    pub code: String,
    /// What a passkey signed.
    #[serde(rename = "proof_credential")]
    pub credential: String,
}

impl From<&Given> for Given {
    fn from(it: &Given) -> Given {
        it.clone()
    }
}
impl From<&String> for Given {
    fn from(password: &String) -> Given {
        Given { password: password.clone(), ..Given::default() }
    }
}
impl From<&str> for Given {
    fn from(password: &str) -> Given {
        Given { password: password.to_owned(), ..Given::default() }
    }
}

/// What `ui/proof.html` asks for: nothing while the last proof is fresh, else one of what the user has.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// Whether anything is asked for.
    pub is_asked: bool,
    /// A password.
    pub password: bool,
    /// A code of the authenticator app.
    pub code: bool,
    /// A passkey.
    pub passkey: bool,
    /// Who has none of these signs in again.
    pub again: Vec<Again>,
}

/// A sign-in that is a fresh proof, and leads back.
#[derive(Clone, Debug)]
pub struct Again {
    /// `Continue with Google`.
    pub label: String,
    /// Its address.
    pub href: String,
}

/// The fields that `ui/proof.html` has, whose faults stand beside them.
pub const FIELDS: [&str; 3] = ["password", "proof_code", "proof_credential"];

impl Proof {
    pub(super) fn fresh() -> Proof {
        Proof::default()
    }
    /// Of a user whose last proof is too old, and who comes back to that address.
    pub(super) async fn of<W: Who>(
        app: &App,
        scope: &mut Scope<W>,
        user: UserId,
        address: &str,
    ) -> Result<Proof> {
        let ways = factors::ways(scope, user).await?;
        let passkey = ways.passkeys > 0 && Party::of(&app.kit().rules).is_some();
        let mut proof =
            Proof { is_asked: true, password: ways.password, code: ways.has_app(), passkey, again: vec![] };
        if !proof.password && !proof.code && !proof.passkey {
            proof.again = again(app, ways, address);
        }
        Ok(proof)
    }
    /// Of who came through an organization's provider, and proves it there.
    pub(super) fn of_provider(who: &Entry, address: &str) -> Proof {
        let (name, slug) = provider_of(who);
        let href = format!("/sso/{slug}?fresh=1&next={}", return_to::encoded(address));
        let again = vec![Again { label: format!("Continue with {name} SSO"), href }];
        Proof { is_asked: true, again, ..Proof::default() }
    }
    /// Whether the user has nothing to show here: they sign in again, as they did.
    pub fn is_elsewhere(&self) -> bool {
        !self.again.is_empty()
    }
}

/// Name and slug of the organization at the top, whose provider it is.
pub(super) fn provider_of(who: &Entry) -> (String, String) {
    let here = &who.here;
    let top = here.parent.as_ref().map_or((&here.name, &here.slug), |(it, _)| (&it.name, &it.slug));
    (top.0.clone(), top.1.clone())
}

/// The sign-ins of who has no password, no app and no passkey.
fn again(app: &App, ways: Ways, address: &str) -> Vec<Again> {
    let next = return_to::encoded(address);
    let has = |it: Provider| app.kit().social.has(it);
    let linked = [(Provider::Google, ways.google), (Provider::GitHub, ways.github)];
    let by = |it: Provider| Again {
        label: format!("Continue with {}", it.title()),
        href: format!("/auth/{}?fresh=1&next={next}", it.word()),
    };
    let all: Vec<Again> = linked.into_iter().filter(|it| it.1 && has(it.0)).map(|it| by(it.0)).collect();
    if !all.is_empty() {
        return all;
    }
    vec![Again { label: "Sign in again".into(), href: format!("/sign-in?own=1&next={next}") }]
}

/// Who proves what, from where.
pub(super) struct Prover<'a> {
    pub app: &'a App,
    pub hash: &'a [u8],
    pub session: &'a Session,
    pub client: &'a Client,
}

impl Prover<'_> {
    async fn me(&self) -> Result<Me> {
        let mut conn = self.app.0.db.read().await?;
        access::me(&mut conn, self.hash, self.app.kit().now()).await?.ok_or(Error::SignedOut)
    }

    /// A fresh proof, made just now by what was given.
    pub async fn prove(&self, given: Given) -> Result<Fresh> {
        let me = self.me().await?;
        let user = me.person.id;
        let Given { password, code, credential } = &given;
        if [password, code, credential].iter().all(|it| it.is_empty()) {
            return Err(self.nothing(me).await?);
        }
        let attempt = self.app.throttle().attempt(&[(format!("proof {user}"), 10)])?;
        if credential.is_empty() && code.is_empty() {
            let mut scope = Scope::read(&self.app.0.db, me, self.app.kit(), self.client);
            let stored = me::password(&mut scope).await?;
            drop(scope);
            if !password::matches(password, stored.as_deref()).await? {
                return Err(Error::invalid("password", "wrong", "That is not your password."));
            }
        }
        // Taken before the change begins: the session is written by itself.
        let signing = match credential.is_empty() {
            true => None,
            false => Some(passkeys::signing(self.session, self.app.kit().now()).await.map_err(at_proof)?),
        };
        let mut change = Change::<Me>::begin(&self.app.0.db, self.hash, self.app.kit(), self.client).await?;
        if let Some(signing) = signing {
            passkeys::check(&mut change, signing, credential, Some(user)).await.map_err(at_proof)?;
        } else if !code.is_empty() && !factors::take_app_code(&mut change, user, code).await? {
            return Err(Error::invalid("proof_code", "wrong", WRONG_CODE));
        }
        sessions::proved(&mut change).await?;
        change.commit().await?;
        attempt.forgive();
        By::Session(self.me().await?.session).fresh(self.app.kit().now()).ok_or(Error::Stale)
    }

    async fn nothing(&self, me: Me) -> Result<Error> {
        let user = me.person.id;
        let mut scope = Scope::read(&self.app.0.db, me, self.app.kit(), self.client);
        let ways = factors::ways(&mut scope, user).await?;
        let (field, detail) = match ways {
            Ways { password: true, .. } => ("password", "Enter your password to confirm that it is you."),
            it if it.has_app() => ("proof_code", "Enter a code of your app to confirm that it is you."),
            it if it.passkeys > 0 => ("proof_credential", "Use a passkey to confirm that it is you."),
            _ => ("proof_credential", "Sign in again to confirm that it is you."),
        };
        Ok(Error::invalid(field, "proof_required", detail))
    }
}

/// What is wrong with a code.
pub const WRONG_CODE: &str = "This code is not right, or was used before. Wait for the next one.";

fn at_proof(error: Error) -> Error {
    let Error::Invalid(mut faults) = error else { return error };
    for it in &mut faults {
        it.field = "proof_credential".into();
    }
    Error::Invalid(faults)
}
