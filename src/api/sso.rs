//! The single sign-on connection of an organization.
use super::{
    etag::{IfMatch, Versioned, WithEtag},
    grants::Grant,
    present,
};
use crate::{
    error::{Error, Result},
    http::{form, gate::Key, routes::Routes},
    model::{access::Access, permission::ManageSso},
    store::{
        Change, Scope, domains,
        grants::GrantRequest,
        sso::{self, CALLBACK, ConnectionInput, ConnectionTest, enforce},
    },
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/sso";
    Routes::default()
        .get(path, show)
        .doc(|call| {
            call.summary("Get the SSO connection", "Without the client secret.").returns::<Sso>(200).with_etag()
        })
        .put(path, save)
        .doc(|call| {
            call.summary(
                "Set the SSO connection",
                "Creates or replaces the connection to an identity provider. Without a client secret, the stored one stays.",
            )
            .body::<SsoInput>()
            .returns::<Sso>(200)
            .with_etag()
            .errors(&["not_an_organization", "no_verified_domain", "permission_missing"])
        })
        .delete(path, remove)
        .doc(|call| {
            call.summary(
                "Delete the SSO connection",
                "Its people sign in by other methods again; sessions that began with it end.",
            )
            .no_content()
            .with_etag()
        })
        .about("Single sign-on", "The organization’s own identity provider, connected by OpenID Connect.")
}

/// The connection to an identity provider.
#[derive(Serialize, ToSchema)]
struct Sso {
    /// The provider's issuer.
    #[schema(example = "https://login.acme.example")]
    issuer: String,
    /// Our client id at the provider.
    #[schema(example = "guildhall")]
    client_id: String,
    /// The claim that lists a person’s groups.
    #[schema(example = "groups")]
    groups_claim: String,
    /// The grants of new members.
    default_grants: Vec<Grant>,
    /// The grants of a group's members, by its name.
    group_grants: BTreeMap<String, Vec<Grant>>,
    /// The organization’s domains.
    domains: Vec<SsoDomain>,
    /// Whether everybody at a verified domain must sign in with it.
    enforced: bool,
    /// The redirect URI to register at the provider.
    #[schema(example = "https://console.acme.example/sso/callback")]
    redirect_url: String,
    /// The last test of the connection.
    last_test: Option<ConnectionTest>,
}

/// A domain of the organization.
#[derive(Serialize, ToSchema)]
struct SsoDomain {
    /// Its name.
    #[schema(example = "acme.example")]
    domain: String,
    /// Whether it is verified.
    verified: bool,
}

impl Versioned for Sso {}

impl Sso {
    async fn read(scope: &mut Scope<Access>) -> Result<Sso> {
        let connection = sso::get(scope).await?.ok_or(Error::NotFound)?;
        let domain = |claim: domains::DomainClaim| SsoDomain {
            verified: claim.verified_at.is_some(),
            domain: claim.domain,
        };
        let domains = domains::list(scope).await?.into_iter().map(domain).collect();
        let grants =
            |list: &Vec<crate::model::grant::Grant>| list.iter().map(Grant::from).collect::<Vec<_>>();
        let group_grants = connection.group_grants.iter();
        Ok(Sso {
            enforced: connection.is_enforced(scope.now()),
            default_grants: grants(&connection.default_grants),
            group_grants: group_grants.map(|(group, list)| (group.clone(), grants(list))).collect(),
            issuer: connection.issuer,
            client_id: connection.client_id,
            groups_claim: connection.groups_claim,
            domains,
            redirect_url: scope.context().url(CALLBACK),
            last_test: connection.last_test,
        })
    }
}

/// `If-Match` against the current connection. If there is none, no version matches.
async fn check_version(change: &mut Change<Access>, if_match: &IfMatch) -> Result<()> {
    match Sso::read(change).await {
        Ok(current) => if_match.check(&current),
        Err(Error::NotFound) if !if_match.is_present() => Ok(()),
        Err(Error::NotFound) => Err(Error::VersionMismatch),
        Err(other) => Err(other),
    }
}

async fn show(key: Key<ManageSso>) -> Result<WithEtag<Sso>> {
    Sso::read(&mut key.read()).await.map(WithEtag)
}

/// The connection to save.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SsoPut)]
struct SsoInput {
    /// The provider's issuer, exactly as the provider spells it.
    #[schema(example = "https://login.acme.example")]
    issuer: String,
    /// Our client id at the provider.
    #[schema(example = "guildhall")]
    client_id: String,
    /// The client secret; absent: the stored one stays.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "s3cret…")]
    client_secret: Option<String>,
    /// The claim that lists a person’s groups.
    #[serde(default = "groups")]
    #[schema(required = false, example = "groups")]
    groups_claim: String,
    /// The grants of new members; absent: `member`.
    #[serde(default = "member")]
    #[schema(required = false)]
    default_grants: Vec<GrantRequest>,
    /// The grants of a group's members, by its name.
    #[serde(default)]
    #[schema(required = false)]
    group_grants: BTreeMap<String, Vec<GrantRequest>>,
    /// Whether everybody at a verified domain must sign in with it; at first on trial for 15 minutes.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    enforced: Option<bool>,
}

fn groups() -> String {
    "groups".into()
}

fn member() -> Vec<GrantRequest> {
    vec![GrantRequest { role: "member".into(), scope: None, expires_at: None }]
}

async fn save(
    key: Key<ManageSso>,
    if_match: IfMatch,
    form::Json(body): form::Json<SsoInput>,
) -> Result<WithEtag<Sso>> {
    let recent_auth = key.reauthenticate("").await?;
    let SsoInput { issuer, client_id, client_secret, groups_claim, default_grants, group_grants, enforced } =
        body;
    let input =
        ConnectionInput { issuer, client_id, client_secret, groups_claim, default_grants, group_grants };
    key.change(async |change| {
        check_version(change, &if_match).await?;
        sso::save(change, &recent_auth, input).await?;
        match enforced {
            Some(true) => enforce::begin(change, &recent_auth).await?,
            Some(false) => enforce::end(change, &recent_auth).await?,
            None => {}
        }
        Sso::read(change).await.map(WithEtag)
    })
    .await
}

async fn remove(key: Key<ManageSso>, if_match: IfMatch) -> Result<StatusCode> {
    let recent_auth = key.reauthenticate("").await?;
    key.change(async |change| {
        check_version(change, &if_match).await?;
        sso::remove(change, &recent_auth).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
