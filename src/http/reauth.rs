//! Reauthentication for dangerous actions: what their form asks for, and how its input is verified.
use super::{App, passkeys, return_to};
use crate::{
    clients::social::Provider,
    crypto::{passkey::RelyingParty, password},
    db::BoxFuture,
    error::{Error, Result},
    model::{access::Access, actor::RecentAuth, id::UserId},
    store::{
        Change, Client, Scope, SignedInUser, access,
        factors::{self, AvailableFactors},
        me, sessions,
    },
};
use serde::Deserialize;
use tower_sessions::Session;

pub const WRONG_CODE: &str = "This code is not right, or was used before. Wait for the next one.";

/// How often one user may try in a quarter of an hour.
const MAX_ATTEMPTS: u32 = 10;

/// What came with a form: one of these. `#[serde(flatten)]` it there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReauthInput {
    #[serde(rename = "password")]
    pub password: String,
    /// A code of the authenticator app.
    #[serde(rename = "proof_code")]
    pub code: String,
    /// The passkey's response to a challenge.
    #[serde(rename = "proof_credential")]
    pub credential: String,
}

impl From<&ReauthInput> for ReauthInput {
    fn from(input: &ReauthInput) -> ReauthInput {
        input.clone()
    }
}
impl From<&String> for ReauthInput {
    fn from(password: &String) -> ReauthInput {
        ReauthInput { password: password.clone(), ..ReauthInput::default() }
    }
}
impl From<&str> for ReauthInput {
    fn from(password: &str) -> ReauthInput {
        ReauthInput { password: password.to_owned(), ..ReauthInput::default() }
    }
}

/// What `ui/reauth.html` shows: nothing while the last authentication is recent, else a field for each factor of the user.
#[derive(Clone, Debug, Default)]
pub struct ReauthForm {
    pub is_required: bool,
    pub password: bool,
    /// A code of the authenticator app.
    pub code: bool,
    pub passkey: bool,
    /// For users without any of these: they sign in again.
    pub again: Vec<SignInLink>,
}

/// A new sign-in that leads back to the form.
#[derive(Clone, Debug)]
pub struct SignInLink {
    /// Such as "Continue with Google".
    pub label: String,
    pub href: String,
}

/// The fields of `ui/reauth.html`, which shows their errors.
pub const FIELDS: [&str; 3] = ["password", "proof_code", "proof_credential"];

impl ReauthForm {
    pub(super) fn not_needed() -> ReauthForm {
        ReauthForm::default()
    }
    /// For a user whose last authentication is too old. `address` is where a new sign-in leads back to.
    pub(super) async fn of<A>(
        app: &App,
        scope: &mut Scope<A>,
        user: UserId,
        address: &str,
    ) -> Result<ReauthForm> {
        let factors = factors::available(scope, user).await?;
        let passkey = factors.passkeys > 0 && RelyingParty::new(&app.context().config.base_url).is_some();
        let (password, code) = (factors.password, factors.has_app());
        let again = if password || code || passkey { vec![] } else { sign_in_links(app, factors, address) };
        Ok(ReauthForm { is_required: true, password, code, passkey, again })
    }
    /// For a session through an organization's provider: the user signs in there again.
    pub(super) fn of_provider(access: &Access, address: &str) -> ReauthForm {
        let (name, slug) = provider_of(access);
        let href = format!("/sso/{slug}?fresh=1&next={}", return_to::encoded(address));
        let again = vec![SignInLink { label: format!("Continue with {name} SSO"), href }];
        ReauthForm { is_required: true, again, ..ReauthForm::default() }
    }
    /// Whether the user has no factor for this form, and signs in again instead.
    pub fn needs_sign_in(&self) -> bool {
        !self.again.is_empty()
    }
}

/// Name and slug of the organization whose provider it is: that of a team is its organization's.
pub(super) fn provider_of(access: &Access) -> (String, String) {
    let account = &access.account;
    let own = (&account.name, &account.slug);
    let (name, slug) = account.parent.as_ref().map_or(own, |(parent, _)| (&parent.name, &parent.slug));
    (name.clone(), slug.clone())
}

/// For a user without password, app and passkey.
fn sign_in_links(app: &App, factors: AvailableFactors, address: &str) -> Vec<SignInLink> {
    let next = return_to::encoded(address);
    let social = [(Provider::Google, factors.google), (Provider::GitHub, factors.github)];
    let links: Vec<SignInLink> = social
        .into_iter()
        .filter(|(provider, is_linked)| *is_linked && app.context().social.is_configured(*provider))
        .map(|(provider, _)| SignInLink {
            label: format!("Continue with {}", provider.label()),
            href: format!("/auth/{}?fresh=1&next={next}", provider.as_str()),
        })
        .collect();
    if !links.is_empty() {
        return links;
    }
    vec![SignInLink { label: "Sign in again".into(), href: format!("/sign-in?own=1&next={next}") }]
}

/// Verifies that the session's user is still the one who acts.
pub(super) struct Reauthenticator<'a> {
    pub app: &'a App,
    /// The hash of the session's secret.
    pub hash: &'a [u8],
    pub session: &'a Session,
    pub client: &'a Client,
}

impl Reauthenticator<'_> {
    /// Verifies one factor, and notes on the session that it was shown.
    pub fn verify(&self, input: ReauthInput) -> BoxFuture<'_, Result<RecentAuth>> {
        Box::pin(async move {
            let context = self.app.context();
            let signed_in = self.signed_in_user().await?;
            let user = signed_in.user.id;
            let ReauthInput { password, code, credential } = &input;
            if [password, code, credential].iter().all(|value| value.is_empty()) {
                return Err(self.required(signed_in).await?);
            }
            let attempt = self.app.throttle().attempt(&[(format!("proof {user}"), MAX_ATTEMPTS)])?;
            if credential.is_empty() && code.is_empty() {
                self.verify_password(signed_in, password).await?;
            }
            // Taken before the change begins: the session is written by itself.
            let challenge = match credential.is_empty() {
                true => None,
                false => {
                    let taken = passkeys::take_authentication(self.session, context.now()).await;
                    Some(taken.map_err(for_reauth_field)?)
                }
            };
            let mut change = Change::begin_as_user(&self.app.0.db, self.hash, context, self.client).await?;
            if let Some(challenge) = challenge {
                let finished =
                    passkeys::finish_authentication(&mut change, challenge, credential, Some(user)).await;
                finished.map_err(for_reauth_field)?;
            } else if !code.is_empty() && !factors::take_app_code(&mut change, user, code).await? {
                return Err(Error::invalid("proof_code", "wrong", WRONG_CODE));
            }
            sessions::record_reauth(&mut change).await?;
            change.commit().await?;
            attempt.forgive();
            self.signed_in_user().await?.session.recent_auth(context.now()).ok_or(Error::ReauthRequired)
        })
    }

    async fn signed_in_user(&self) -> Result<SignedInUser> {
        let mut conn = self.app.0.db.read().await?;
        let found = access::signed_in_user(&mut conn, self.hash, self.app.context().now()).await?;
        found.ok_or(Error::Unauthenticated)
    }

    fn read(&self, user: SignedInUser) -> Scope<SignedInUser> {
        Scope::read(&self.app.0.db, user.actor(), user, self.app.context(), self.client)
    }

    async fn verify_password(&self, user: SignedInUser, password: &str) -> Result<()> {
        let stored = me::password(&mut self.read(user)).await?;
        if password::verify(password, stored.as_deref()).await? {
            return Ok(());
        }
        Err(Error::invalid("password", "wrong", "That is not your password."))
    }

    /// Nothing was entered: points at the first field that the user can fill in.
    async fn required(&self, signed_in: SignedInUser) -> Result<Error> {
        let user = signed_in.user.id;
        let factors = factors::available(&mut self.read(signed_in), user).await?;
        let (field, detail) = if factors.password {
            ("password", "Enter your password to confirm that it is you.")
        } else if factors.has_app() {
            ("proof_code", "Enter a code of your app to confirm that it is you.")
        } else if factors.passkeys > 0 {
            ("proof_credential", "Use a passkey to confirm that it is you.")
        } else {
            ("proof_credential", "Sign in again to confirm that it is you.")
        };
        Ok(Error::invalid(field, "proof_required", detail))
    }
}

/// A passkey signs in with the field `credential`; in these forms its field has another name.
fn for_reauth_field(error: Error) -> Error {
    let Error::Validation(mut errors) = error else { return error };
    for error in &mut errors {
        error.field = "proof_credential".into();
    }
    Error::Validation(errors)
}
