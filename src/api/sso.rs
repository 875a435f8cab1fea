//! The organization's identity provider.
use super::{
    etag::{IfMatch, Tagged, Versioned},
    given,
    grants::Grant,
};
use crate::{
    error::{Error, Result},
    http::{form, gate::Key, routes::Routes},
    model::permission::ManageSso,
    store::{
        Change, Scope, domains,
        grants::Wanted,
        sso::{self, CALLBACK, Test, Wish, enforce},
    },
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/sso";
    Routes::default()
        .get(path, show)
        .told(|it| {
            it.says("Read single sign-on", "The client secret is never told.").gives::<Sso>(200).tagged()
        })
        .put(path, save)
        .told(|it| {
            it.says(
                "Connect an identity provider",
                "Replaces what is there. Without a client secret, the stored one stays.",
            )
            .takes::<Put>()
            .gives::<Sso>(200)
            .tagged()
            .fails(&["not_an_organization", "no_verified_domain", "permission_missing"])
        })
        .delete(path, remove)
        .told(|it| {
            it.says(
                "Remove single sign-on",
                "Its people sign in as themselves again; sessions that it began end.",
            )
            .gives_nothing()
            .tagged()
        })
        .about("Single sign-on", "The organization’s own identity provider, by OpenID Connect.")
}

/// The organization’s identity provider.
#[derive(Serialize, ToSchema)]
struct Sso {
    /// What the provider calls itself.
    #[schema(example = "https://login.acme.example")]
    issuer: String,
    /// Our name there.
    #[schema(example = "guildhall")]
    client_id: String,
    /// Under which claim the provider lists a person’s groups.
    #[schema(example = "groups")]
    groups_claim: String,
    /// What somebody new holds.
    default_grants: Vec<Grant>,
    /// What members of a group hold, by the group’s name.
    group_grants: BTreeMap<String, Vec<Grant>>,
    /// The organization’s domains.
    domains: Vec<Claimed>,
    /// Whether everybody at a verified domain must use it.
    enforced: bool,
    /// Where the provider sends people back to.
    #[schema(example = "https://console.acme.example/sso/callback")]
    redirect_url: String,
    /// The last test of the connection.
    last_test: Option<Test>,
}

/// A domain of the organization.
#[derive(Serialize, ToSchema)]
#[schema(as = SsoDomain)]
struct Claimed {
    /// Its name.
    #[schema(example = "acme.example")]
    domain: String,
    /// Whether it is proven.
    verified: bool,
}

impl Versioned for Sso {}

impl Sso {
    async fn read(scope: &mut Scope) -> Result<Sso> {
        let it = sso::here(scope).await?.ok_or(Error::NotFound)?;
        let claimed =
            |it: domains::Claimed| Claimed { verified: it.verified_at.is_some(), domain: it.domain };
        let domains = domains::list(scope).await?.into_iter().map(claimed).collect();
        let grants = |all: &Vec<crate::model::grant::Grant>| all.iter().map(Grant::from).collect::<Vec<_>>();
        Ok(Sso {
            enforced: it.is_enforced(scope.now()),
            default_grants: grants(&it.default_grants),
            group_grants: it.group_grants.iter().map(|(group, all)| (group.clone(), grants(all))).collect(),
            issuer: it.issuer,
            client_id: it.client_id,
            groups_claim: it.groups_claim,
            domains,
            redirect_url: scope.kit().url(CALLBACK),
            last_test: it.last_test,
        })
    }
}

/// What a change is made to is what its caller read. What is not there has no version.
async fn as_read(change: &mut Change, version: &IfMatch) -> Result<()> {
    match Sso::read(change).await {
        Ok(it) => version.holds(&it),
        Err(Error::NotFound) if !version.is_given() => Ok(()),
        Err(Error::NotFound) => Err(Error::Changed),
        Err(other) => Err(other),
    }
}

async fn show(key: Key<ManageSso>) -> Result<Tagged<Sso>> {
    Sso::read(&mut key.read()).await.map(Tagged)
}

/// The connection as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SsoPut)]
struct Put {
    /// What the provider calls itself, to the letter.
    #[schema(example = "https://login.acme.example")]
    issuer: String,
    /// Our name there.
    #[schema(example = "guildhall")]
    client_id: String,
    /// What proves it; absent: the stored one stays.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, example = "s3cret…")]
    client_secret: Option<String>,
    /// Under which claim the provider lists a person’s groups.
    #[serde(default = "groups")]
    #[schema(required = false, example = "groups")]
    groups_claim: String,
    /// What somebody new holds; absent: `member`.
    #[serde(default = "member")]
    #[schema(required = false)]
    default_grants: Vec<Wanted>,
    /// What members of a group hold, by the group’s name.
    #[serde(default)]
    #[schema(required = false)]
    group_grants: BTreeMap<String, Vec<Wanted>>,
    /// Whether everybody at a verified domain must use it: on trial for 15 minutes at first.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    enforced: Option<bool>,
}

fn groups() -> String {
    "groups".into()
}

fn member() -> Vec<Wanted> {
    vec![Wanted { role: "member".into(), scope: None, expires_at: None }]
}

async fn save(key: Key<ManageSso>, version: IfMatch, form::Json(it): form::Json<Put>) -> Result<Tagged<Sso>> {
    let fresh = key.prove("").await?;
    let Put { issuer, client_id, client_secret, groups_claim, default_grants, group_grants, enforced } = it;
    let wish = Wish { issuer, client_id, client_secret, groups_claim, default_grants, group_grants };
    key.change(async |change| {
        as_read(change, &version).await?;
        sso::save(change, &fresh, wish).await?;
        match enforced {
            Some(true) => enforce::begin(change, &fresh).await?,
            Some(false) => enforce::end(change, &fresh).await?,
            None => {}
        }
        Sso::read(change).await.map(Tagged)
    })
    .await
}

async fn remove(key: Key<ManageSso>, version: IfMatch) -> Result<StatusCode> {
    let fresh = key.prove("").await?;
    key.change(async |change| {
        as_read(change, &version).await?;
        sso::remove(change, &fresh).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
