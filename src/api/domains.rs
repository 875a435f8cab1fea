//! Email domains of an organization, their verification by the DNS, and requests of their people to join.
use super::pagination::{List, ListQuery, NoFilters};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{Key, PathId},
        routes::Routes,
    },
    model::{
        domain::Domain,
        id::{DomainId, JoinId},
        permission::{InviteMembers, ManageSso},
        time::Time,
    },
    store::domains::{self, joining},
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/sso/domains";
    let policy = "/api/v1/accounts/{slug}/sso/joining";
    Routes::default()
        .get(all, list)
        .doc(|call| {
            call.summary("List domains", "By name. An organization has at most 50.")
                .returns_list::<DomainClaim>()
        })
        .post(all, add)
        .doc(|call| {
            call.summary(
                "Add a domain",
                "It is unverified until its `record` is found in the DNS: publish it there, then verify the domain.",
            )
            .body::<NewDomain>()
            .returns::<DomainClaim>(201)
            .errors(&["not_an_organization"])
        })
        .delete("/api/v1/accounts/{slug}/sso/domains/{id}", remove)
        .doc(|call| {
            call.summary("Remove a domain", "Without any verified domain, single sign-on is no longer enforced.")
                .no_content()
        })
        .post("/api/v1/accounts/{slug}/sso/domains/{id}/check", check)
        .doc(|call| {
            call.summary(
                "Verify a domain",
                "Looks up its record in the DNS now. Verified domains are also checked every day.",
            )
            .returns::<DomainClaim>(200)
            .errors(&["dns_unreachable", "domain_taken", "record_missing", "record_wrong"])
        })
        .get(policy, get_join_policy)
        .doc(|call| {
            call.summary("Get the join policy", "What people with an address at a verified domain may do.").returns::<JoinPolicy>(200)
        })
        .put(policy, update_join_policy)
        .doc(|call| {
            call.summary("Update the join policy", "What people with an address at a verified domain may do.")
                .body::<JoinPolicy>()
                .returns::<JoinPolicy>(200)
        })
        .get("/api/v1/accounts/{slug}/sso/joins", list_join_requests)
        .doc(|call| call.summary("List join requests", "Oldest first.").returns_list::<JoinRequest>())
        .post("/api/v1/accounts/{slug}/sso/joins/{id}/accept", accept)
        .doc(|call| {
            call.summary("Approve a join request", "They become a member with the default grants.")
                .no_content()
                .errors(&["permission_missing"])
        })
        .post("/api/v1/accounts/{slug}/sso/joins/{id}/decline", decline)
        .doc(|call| call.summary("Decline a join request", "They may ask again.").no_content())
        .about("Domains", "Email domains whose people belong to the organization, verified by the DNS.")
}

/// A domain of the organization.
#[derive(Serialize, ToSchema)]
#[schema(as = Domain)]
struct DomainClaim {
    /// Its id.
    id: DomainId,
    /// Its name.
    #[schema(example = "acme.example")]
    domain: String,
    /// Whether it is verified.
    verified: bool,
    /// Whether the operator vouched for it, without the DNS.
    vouched: bool,
    /// The record that must stay in the DNS.
    record: DomainRecord,
    /// When it was last looked up.
    checked_at: Option<Time>,
    /// Since when the record of a verified domain is missing; after seven days it is unverified.
    missing_since: Option<Time>,
    /// When it was added.
    created_at: Time,
}

/// A record in the DNS.
#[derive(Serialize, ToSchema)]
struct DomainRecord {
    /// `TXT`.
    #[serde(rename = "type")]
    #[schema(example = "TXT")]
    kind: &'static str,
    /// Its name.
    #[schema(example = "_guildhall.acme.example")]
    name: String,
    /// Its value.
    #[schema(example = "guildhall-verify=Qm9x…")]
    value: String,
}

impl From<domains::DomainClaim> for DomainClaim {
    fn from(claim: domains::DomainClaim) -> DomainClaim {
        DomainClaim {
            id: claim.id,
            verified: claim.verified_at.is_some(),
            vouched: claim.vouched,
            record: DomainRecord { kind: "TXT", name: claim.record(), value: claim.value() },
            checked_at: claim.checked_at,
            missing_since: claim.missing_since,
            created_at: claim.created_at,
            domain: claim.domain,
        }
    }
}

async fn list(key: Key<ManageSso>, query: ListQuery<NoFilters>) -> Result<List<DomainClaim>> {
    let after: String = query.after()?.unwrap_or_default();
    // There are at most 50, so they are paged here.
    let mut claims = domains::list(&mut key.read()).await?;
    claims.retain(|claim| claim.domain > after);
    Ok(query.page(claims, |claim| claim.domain.clone(), DomainClaim::from))
}

/// A domain to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDomain {
    /// Its name.
    #[schema(
        max_length = 200,
        pattern = r"^([a-z0-9]([a-z0-9]{0,40}[a-z0-9])?\.)+[a-z]{2,20}$",
        example = "acme.example"
    )]
    domain: String,
}

async fn add(
    key: Key<ManageSso>,
    form::Json(body): form::Json<NewDomain>,
) -> Result<(StatusCode, Json<DomainClaim>)> {
    let domain = Domain::parse(&body.domain).map_err(Error::at("domain"))?;
    let recent_auth = key.reauthenticate("").await?;
    let added = key
        .change(async |change| {
            let id = domains::add(change, &recent_auth, &domain).await?;
            domains::find(change, id).await
        })
        .await?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

async fn remove(key: Key<ManageSso>, PathId(id): PathId<DomainId>) -> Result<StatusCode> {
    let recent_auth = key.reauthenticate("").await?;
    key.change(async |change| domains::remove(change, &recent_auth, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check(key: Key<ManageSso>, PathId(id): PathId<DomainId>) -> Result<Json<DomainClaim>> {
    let claim = domains::find(&mut key.read(), id).await?;
    let records = key.context().outgoing.lookup_txt(&claim.record()).await.map_err(domains::unreachable)?;
    let is_found = claim.is_in(&records);
    let checked = key
        .change(async |change| {
            domains::record_check(change, id, is_found).await?;
            domains::find(change, id).await
        })
        .await?;
    checked.outcome(&records)?;
    Ok(Json(checked.into()))
}

/// What people with an address at a verified domain may do.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Joining)]
struct JoinPolicy {
    /// `invited`: nothing, they need an invitation. `ask`: ask to join. `join`: join by themselves.
    joining: WhoMayJoin,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JoiningWay)]
enum WhoMayJoin {
    Invited,
    Ask,
    Join,
}

impl WhoMayJoin {
    fn as_str(self) -> &'static str {
        match self {
            WhoMayJoin::Invited => "invited",
            WhoMayJoin::Ask => "ask",
            WhoMayJoin::Join => "join",
        }
    }
    fn parse(text: &str) -> WhoMayJoin {
        [WhoMayJoin::Ask, WhoMayJoin::Join]
            .into_iter()
            .find(|value| value.as_str() == text)
            .unwrap_or(WhoMayJoin::Invited)
    }
}

async fn get_join_policy(key: Key<ManageSso>) -> Result<Json<JoinPolicy>> {
    let joining = joining::get(&mut key.read()).await?;
    Ok(Json(JoinPolicy { joining: WhoMayJoin::parse(&joining) }))
}

async fn update_join_policy(
    key: Key<ManageSso>,
    form::Json(policy): form::Json<JoinPolicy>,
) -> Result<Json<JoinPolicy>> {
    key.change(async |change| joining::set(change, policy.joining.as_str()).await).await?;
    Ok(Json(policy))
}

/// A request to join.
#[derive(Serialize, ToSchema)]
struct JoinRequest {
    /// Its id.
    id: JoinId,
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
    /// Their email address, at a verified domain.
    #[schema(example = "ada@acme.example")]
    email: String,
    /// When it was made.
    created_at: Time,
}

async fn list_join_requests(
    key: Key<InviteMembers>,
    query: ListQuery<NoFilters>,
) -> Result<List<JoinRequest>> {
    let rows = joining::requests(&mut key.read(), query.after()?, query.limit_plus_one()).await?;
    let shape =
        |joining::JoinRequest { id, name, email, created_at }| JoinRequest { id, name, email, created_at };
    Ok(query.page(rows, |row| row.id.to_string(), shape))
}

async fn accept(key: Key<InviteMembers>, PathId(id): PathId<JoinId>) -> Result<StatusCode> {
    key.change(async |change| joining::answer(change, id, true).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn decline(key: Key<InviteMembers>, PathId(id): PathId<JoinId>) -> Result<StatusCode> {
    key.change(async |change| joining::answer(change, id, false).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
