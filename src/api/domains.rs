//! The domains of an organization: claimed, proven by the DNS, and what their people may do.
use super::pagination::{Ask, List};
use crate::{
    error::{Error, Result},
    http::{
        form,
        gate::{At, Key},
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

/// The calls.
pub fn routes() -> Routes {
    let all = "/api/v1/accounts/{slug}/sso/domains";
    let policy = "/api/v1/accounts/{slug}/sso/joining";
    Routes::default()
        .get(all, list)
        .told(|it| {
            it.says("List domains", "By name. An organization has at most 50.")
                .asks::<Wish>()
                .lists::<Claimed>()
        })
        .post(all, add)
        .told(|it| {
            it.says(
                "Add a domain",
                "It is a claim until its record is found in the DNS: put `record` there, then check it.",
            )
            .takes::<New>()
            .gives::<Claimed>(201)
            .fails(&["not_an_organization"])
        })
        .delete("/api/v1/accounts/{slug}/sso/domains/{id}", remove)
        .told(|it| {
            it.says("Remove a domain", "With the last proven one, single sign-on is not enforced any more.")
                .gives_nothing()
        })
        .post("/api/v1/accounts/{slug}/sso/domains/{id}/check", check)
        .told(|it| {
            it.says(
                "Check a domain",
                "Asks the DNS for its record now; without this, a proven domain is checked each day.",
            )
            .gives::<Claimed>(200)
            .fails(&["dns_unreachable", "domain_taken", "record_missing", "record_wrong"])
        })
        .get(policy, read_joining)
        .told(|it| {
            it.says("Read who may join", "What people at a proven domain may do.").gives::<Joining>(200)
        })
        .put(policy, set_joining)
        .told(|it| {
            it.says("Say who may join", "What people at a proven domain may do.")
                .takes::<Joining>()
                .gives::<Joining>(200)
        })
        .get("/api/v1/accounts/{slug}/sso/joins", joins)
        .told(|it| it.says("List who asks to join", "Oldest first.").asks::<Wish>().lists::<Join>())
        .post("/api/v1/accounts/{slug}/sso/joins/{id}/accept", accept)
        .told(|it| {
            it.says("Let somebody join", "They become a member with what somebody new holds.")
                .gives_nothing()
                .fails(&["permission_missing"])
        })
        .post("/api/v1/accounts/{slug}/sso/joins/{id}/decline", decline)
        .told(|it| it.says("Decline who asks to join", "They may ask again.").gives_nothing())
        .about("Domains", "Whose people belong to an organization by their address, proven by the DNS.")
}

/// A domain of the organization.
#[derive(Serialize, ToSchema)]
#[schema(as = Domain)]
struct Claimed {
    /// Its id.
    id: DomainId,
    /// Its name.
    #[schema(example = "acme.example")]
    domain: String,
    /// Whether it is proven.
    verified: bool,
    /// Whether the operator vouches for it, without the DNS.
    vouched: bool,
    /// What the DNS must say, for as long as the domain is to be proven.
    record: Record,
    /// When the DNS was last asked.
    checked_at: Option<Time>,
    /// Since when the record of a proven domain is missing: seven days are let pass.
    missing_since: Option<Time>,
    /// Since when it is claimed.
    created_at: Time,
}

/// A record in the DNS.
#[derive(Serialize, ToSchema)]
#[schema(as = DomainRecord)]
struct Record {
    /// `TXT`.
    #[serde(rename = "type")]
    #[schema(example = "TXT")]
    kind: &'static str,
    /// Where it stands.
    #[schema(example = "_guildhall.acme.example")]
    name: String,
    /// What it says.
    #[schema(example = "guildhall-verify=Qm9x…")]
    value: String,
}

impl From<domains::Claimed> for Claimed {
    fn from(it: domains::Claimed) -> Claimed {
        Claimed {
            id: it.id,
            verified: it.verified_at.is_some(),
            vouched: it.vouched,
            record: Record { kind: "TXT", name: it.record(), value: it.value() },
            checked_at: it.checked_at,
            missing_since: it.missing_since,
            created_at: it.created_at,
            domain: it.domain,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Key<ManageSso>, ask: Ask<Wish>) -> Result<List<Claimed>> {
    let Wish {} = ask.filter;
    let after: String = ask.after()?.unwrap_or_default();
    // There are fifty at most.
    let mut rows = domains::list(&mut key.read()).await?;
    rows.retain(|it| it.domain > after);
    Ok(ask.page(rows, |it| it.domain.clone(), Claimed::from))
}

/// A domain that is claimed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDomain)]
struct New {
    /// Its name.
    #[schema(
        max_length = 200,
        pattern = r"^([a-z0-9]([a-z0-9]{0,40}[a-z0-9])?\.)+[a-z]{2,20}$",
        example = "acme.example"
    )]
    domain: String,
}

async fn add(key: Key<ManageSso>, form::Json(it): form::Json<New>) -> Result<(StatusCode, Json<Claimed>)> {
    let domain = Domain::parse(&it.domain).map_err(Error::at("domain"))?;
    let fresh = key.prove("").await?;
    let made = key
        .change(async |change| {
            let id = domains::add(change, &fresh, &domain).await?;
            domains::find(change, id).await
        })
        .await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

async fn remove(key: Key<ManageSso>, At(id): At<DomainId>) -> Result<StatusCode> {
    let fresh = key.prove("").await?;
    key.change(async |change| domains::remove(change, &fresh, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check(key: Key<ManageSso>, At(id): At<DomainId>) -> Result<Json<Claimed>> {
    let it = domains::find(&mut key.read(), id).await?;
    let found = key.kit().outgoing.txt(&it.record()).await.map_err(domains::unreachable)?;
    let is_there = it.is_in(&found);
    let now = key
        .change(async |change| {
            domains::checked(change, id, is_there).await?;
            domains::find(change, id).await
        })
        .await?;
    now.outcome(&found)?;
    Ok(Json(now.into()))
}

/// What people at a proven domain may do.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Joining {
    /// `invited`: nothing, they come by invitation. `ask`: ask to join. `join`: join.
    joining: How,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JoiningWay)]
enum How {
    Invited,
    Ask,
    Join,
}

impl How {
    fn word(self) -> &'static str {
        match self {
            How::Invited => "invited",
            How::Ask => "ask",
            How::Join => "join",
        }
    }
    fn of(word: &str) -> How {
        [How::Ask, How::Join].into_iter().find(|it| it.word() == word).unwrap_or(How::Invited)
    }
}

async fn read_joining(key: Key<ManageSso>) -> Result<Json<Joining>> {
    let joining = joining::get(&mut key.read()).await?;
    Ok(Json(Joining { joining: How::of(&joining) }))
}

async fn set_joining(key: Key<ManageSso>, form::Json(it): form::Json<Joining>) -> Result<Json<Joining>> {
    key.change(async |change| joining::set(change, it.joining.word()).await).await?;
    Ok(Json(it))
}

/// Somebody who asks to join.
#[derive(Serialize, ToSchema)]
#[schema(as = JoinRequest)]
struct Join {
    /// Its id.
    id: JoinId,
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
    /// Their address, at a proven domain.
    #[schema(example = "ada@acme.example")]
    email: String,
    /// Since when it waits.
    created_at: Time,
}

async fn joins(key: Key<InviteMembers>, ask: Ask<Wish>) -> Result<List<Join>> {
    let rows = joining::asking(&mut key.read(), ask.after()?, ask.one_more()).await?;
    let shape = |it: joining::Asking| {
        let joining::Asking { id, name, email, created_at } = it;
        Join { id, name, email, created_at }
    };
    Ok(ask.page(rows, |it| it.id.to_string(), shape))
}

async fn accept(key: Key<InviteMembers>, At(id): At<JoinId>) -> Result<StatusCode> {
    key.change(async |change| joining::answer(change, id, true).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn decline(key: Key<InviteMembers>, At(id): At<JoinId>) -> Result<StatusCode> {
    key.change(async |change| joining::answer(change, id, false).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
