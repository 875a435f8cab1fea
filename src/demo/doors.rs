//! Acme Films comes to Acme, with its own domain and its own identity provider.
use super::{
    people::FILMS,
    story::{ACME, Acme},
};
use crate::{
    clients::oidc::Refusal,
    error::{Error, Result},
    model::{domain::Domain, id::AccountId},
    store::{
        Change, Me, Visitor, Who, accounts, domains,
        sso::{
            self, Connection, Step, Test, Wish, break_glass,
            sign_in::{self, Guest},
        },
    },
};
use std::collections::BTreeMap;

/// The provider of the story. Nothing asks it before somebody signs in through it.
const ISSUER: &str = "https://login.acme-films.test/realms/staff";
const DOMAIN: &str = "acme-films.test";
const TESTED: &[(&str, &str)] = &[
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
    /// Their provider is connected and tested, their domain vouched for; that of everybody else waits for its record, so that
    /// nobody else is led to a provider that is not there.
    pub async fn connect(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 10, 24);
        // A new sign-in is a fresh proof.
        self.stage.visit("ada").await?;
        let wish = Wish {
            issuer: ISSUER.to_owned(),
            client_id: "guildhall-console".to_owned(),
            client_secret: Some("told by the provider".to_owned()),
            groups_claim: "groups".to_owned(),
            default_grants: vec![self.wanted("member", 0)],
            group_grants: BTreeMap::from([("editors".to_owned(), vec![self.wanted("video-developer", 0)])]),
        };
        let waits = domain("acme.test")?;
        let saved = async |change: &mut Change| {
            let fresh = || change.who().by.fresh(change.now()).ok_or(Error::Stale);
            let (saving, adding, making) = (fresh()?, fresh()?, fresh()?);
            sso::save(change, &saving, wish).await?;
            domains::add(change, &adding, &waits).await?;
            break_glass::make(change, &making).await.map(drop)
        };
        self.stage.act("ada", ACME, saved).await?;
        let account = self.acme().await?;
        let proven = domain(DOMAIN)?;
        self.stage.host(async |change| domains::vouch(change, account, &proven).await).await?;
        let tested = async |change: &mut Change| {
            let step = |(title, detail): &(&str, &str)| Step {
                title: (*title).to_owned(),
                ok: true,
                detail: (*detail).to_owned(),
            };
            let (at, by) = (change.now(), change.who().person.name.clone());
            sso::tested(change, &Test { at, by, ok: true, steps: TESTED.iter().map(step).collect() }).await
        };
        self.stage.act("ada", ACME, tested).await?;
        // Half of them come through it; nobody must.
        for (n, (_, local, _)) in FILMS.iter().enumerate().filter(|it| it.0.is_multiple_of(2)) {
            self.stage.at(day - 1, 9, 12 * u32::try_from(n).unwrap_or(0));
            let guest = self.guest(local, None).await?;
            let link = async |change: &mut Change<Me>| {
                let connection = connection(change, account).await?;
                sign_in::link_me(change, &connection, &guest).await.map(drop)
            };
            self.stage.alone(local, link).await?;
        }
        Ok(())
    }

    /// Somebody new comes through the provider, somebody known comes again, somebody is refused.
    pub async fn come(&mut self, day: u32) -> Result<()> {
        let (_, known, _) = FILMS[0];
        for (hour, local, name) in
            [(8, known, None), (9, "otto.lindqvist@acme-films.test", Some("Otto Lindqvist"))]
        {
            self.stage.at(day, hour, 47);
            let guest = self.guest(local, name).await?;
            let arrived = async |change: &mut Change<Visitor>| {
                let connection = connection(change, guest.account).await?;
                sign_in::arrive(change, &connection, &guest, None).await
            };
            let arrived = self.stage.stranger(local, arrived).await?;
            arrived.map_err(|it| Error::Internal(it.detail))?;
        }
        let account = self.acme().await?;
        let detail = "freelance@acme-films.example is at no verified domain of this organization. \
            Ask its administrators to add the domain.";
        let refusal = Refusal::new("email_domain", detail);
        let email = "freelance@acme-films.example";
        let refused = async |change: &mut Change<Visitor>| {
            sign_in::refused(change, account, &refusal, Some(email)).await
        };
        self.stage.stranger(email, refused).await
    }

    async fn acme(&self) -> Result<AccountId> {
        let found = self.stage.host(async |change| accounts::by_slug(change, ACME).await).await?;
        Ok(found.ok_or(Error::NotFound)?.id)
    }

    async fn guest(&self, local: &str, name: Option<&str>) -> Result<Guest> {
        Ok(Guest {
            account: self.acme().await?,
            issuer: ISSUER.to_owned(),
            subject: local.to_owned(),
            email: local.to_owned(),
            name: name.map(str::to_owned),
            groups: None,
            sid: None,
        })
    }
}

async fn connection<W: Who>(change: &mut Change<W>, account: AccountId) -> Result<Connection> {
    sso::of(change, account).await?.ok_or(Error::NotFound)
}
