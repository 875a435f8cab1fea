//! Single sign-on for Acme Films, a part of Acme with its own domain and identity provider.
use super::{
    data::FILMS,
    seed::{ACME, Acme},
};
use crate::{
    clients::oidc::OidcError,
    error::{Error, Result},
    model::{access::Access, domain::Domain, id::AccountId},
    store::{
        Anonymous, Change, SignedInUser, domains,
        sso::{
            self, Connection, ConnectionInput, ConnectionTest, TestStep, break_glass,
            sign_in::{self, SsoProfile},
        },
    },
};
use std::collections::BTreeMap;

/// Does not exist, and is not asked before somebody signs in through it.
const ISSUER: &str = "https://login.acme-films.test/realms/staff";
const DOMAIN: &str = "acme-films.test";
const TEST_STEPS: &[(&str, &str)] = &[
    ("Discovery document and keys", "3 signing keys"),
    ("Sign-in at the provider, code changed for a token", "Done"),
    ("Signature, issuer, audience, times and nonce", "ES256 · key staff-2"),
    ("E-mail address at a verified domain", "esme.duarte@acme-films.test"),
    ("Group claim", "groups · 4 values"),
];

fn domain(name: &str) -> Result<Domain> {
    Domain::parse(name).map_err(Error::at("domain"))
}

impl Acme {
    /// Connects and tests the provider, and verifies the domain of Acme Films. Acme's own domain stays unverified: everybody else
    /// would be redirected to a provider that does not exist.
    pub async fn connect_sso(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 10, 24);
        self.runner.sign_in("ada").await?;
        let input = ConnectionInput {
            issuer: ISSUER.to_owned(),
            client_id: "guildhall-console".to_owned(),
            client_secret: Some("told by the provider".to_owned()),
            groups_claim: "groups".to_owned(),
            default_grants: vec![self.grant_request("member", 0)],
            group_grants: BTreeMap::from([(
                "editors".to_owned(),
                vec![self.grant_request("video-developer", 0)],
            )]),
        };
        let unverified = domain("acme.test")?;
        let save = async |change: &mut Change<Access>| {
            let recent_auth = || change.actor().recent_auth(change.now()).ok_or(Error::ReauthRequired);
            let (saving, adding, making) = (recent_auth()?, recent_auth()?, recent_auth()?);
            sso::save(change, &saving, input).await?;
            domains::add(change, &adding, &unverified).await?;
            break_glass::make(change, &making).await.map(drop)
        };
        self.runner.as_member("ada", ACME, save).await?;
        let account = self.account().await?;
        let verified = domain(DOMAIN)?;
        self.runner.as_operator(async |change| domains::vouch(change, account, &verified).await).await?;
        let record_test = async |change: &mut Change<Access>| {
            let step = |(title, detail): &(&str, &str)| TestStep {
                title: (*title).to_owned(),
                ok: true,
                detail: (*detail).to_owned(),
            };
            let (at, by) = (change.now(), change.actor().sender().0);
            sso::record_test(
                change,
                &ConnectionTest { at, by, ok: true, steps: TEST_STEPS.iter().map(step).collect() },
            )
            .await
        };
        self.runner.as_member("ada", ACME, record_test).await?;
        // Every second person links their user to the provider.
        for (n, (_, local, _)) in FILMS.iter().enumerate().step_by(2) {
            self.runner.advance_to(day - 1, 9, 12 * u32::try_from(n).unwrap_or(0));
            let profile = self.sso_profile(local, None).await?;
            let link = async |change: &mut Change<SignedInUser>| {
                let connection = connection(change, account).await?;
                sign_in::link_me(change, &connection, &profile).await.map(drop)
            };
            self.runner.as_user(local, link).await?;
        }
        Ok(())
    }

    /// Signs a known and a new person in through the provider, and refuses a third.
    pub async fn sign_in_by_sso(&mut self, day: u32) -> Result<()> {
        let (_, known, _) = FILMS[0];
        for (hour, local, name) in
            [(8, known, None), (9, "otto.lindqvist@acme-films.test", Some("Otto Lindqvist"))]
        {
            self.runner.advance_to(day, hour, 47);
            let profile = self.sso_profile(local, name).await?;
            let sign_in = async |change: &mut Change<Anonymous>| {
                let connection = connection(change, profile.account).await?;
                sign_in::sign_in(change, &connection, &profile, None).await
            };
            let signed_in = self.runner.as_visitor(local, sign_in).await?;
            signed_in.map_err(|error| Error::Internal(error.detail))?;
        }
        let account = self.account().await?;
        let detail = "freelance@acme-films.example is at no verified domain of this organization. \
            Ask its administrators to add the domain.";
        let error = OidcError::new("email_domain", detail);
        let email = "freelance@acme-films.example";
        let refuse = async |change: &mut Change<Anonymous>| {
            sign_in::record_refusal(change, account, &error, Some(email)).await
        };
        self.runner.as_visitor(email, refuse).await
    }

    async fn sso_profile(&self, local: &str, name: Option<&str>) -> Result<SsoProfile> {
        Ok(SsoProfile {
            account: self.account().await?,
            issuer: ISSUER.to_owned(),
            subject: local.to_owned(),
            email: local.to_owned(),
            name: name.map(str::to_owned),
            groups: None,
            sid: None,
        })
    }
}

async fn connection<A>(change: &mut Change<A>, account: AccountId) -> Result<Connection> {
    sso::of(change, account).await?.ok_or(Error::NotFound)
}
