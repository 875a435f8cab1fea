//! Members of an account.
use super::{
    Nullable,
    etag::{IfMatch, Versioned, WithEtag},
    grants::Grant,
    pagination::{List, ListQuery},
    present,
};
use crate::{
    error::Result,
    http::{
        form::{self, Params},
        gate::{Key, PathId},
        routes::Routes,
    },
    model::{
        account::LoginType,
        grant,
        id::{MembershipId, UserId},
        permission::{InviteMembers, RemoveMembers, UpdateMembers, ViewMembers},
        time::Time,
    },
    store::{
        grants::{self, GrantRequest},
        members::{self, Cursor, Filter, Order},
    },
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let one = "/api/v1/accounts/{slug}/members/{id}";
    Routes::default()
        .get("/api/v1/accounts/{slug}/members", list)
        .doc(|call| call.summary("List members", "Searched, filtered and sorted.").query::<MemberQuery>().returns_list::<Member>())
        .get(one, show)
        .doc(|call| call.summary("Get a member", "Who they are, and their grants.").returns::<Member>(200).with_etag())
        .patch(one, update)
        .doc(|call| {
            call.summary(
                "Update a member",
                "Their grants, status, expiry, and how they sign in. `grants` replaces all grants that they have. Nobody can grant \
                 what they do not have themselves, or change a member who has what they lack.",
            )
            .body::<MemberPatch>()
            .returns::<Member>(200)
            .with_etag()
            .errors(&["owner", "self", "personal", "too_many_grants", "not_a_member"])
        })
        .delete(one, remove)
        .doc(|call| {
            call.summary(
                "Remove a member",
                "They lose access, and their keys stop working, at once. Teams that they own and private resources that they created pass to \
                 `heir`, or to the owner.",
            )
            .query::<RemoveMemberQuery>()
            .no_content()
            .with_etag()
            .errors(&["owner", "self", "personal", "not_a_member"])
        })
        .post("/api/v1/accounts/{slug}/members/{id}/restore", restore)
        .doc(|call| {
            call.summary(
                "Restore a member",
                "Undoes a removal within ten minutes: membership, grants, keys, teams and resources come back unless somebody changed \
                 them since. What could not be restored is listed.",
            )
            .returns::<RestoreResult>(200)
            .errors(&["member_again", "not_in_organization", "restored_already", "self", "undo_over"])
        })
        .about("Members", "The people in an account, and what each may do there.")
}

/// A person in an account.
#[derive(Serialize, ToSchema)]
struct Member {
    /// The id of the membership.
    id: MembershipId,
    /// The person.
    user: User,
    /// Whether they have access.
    status: MemberStatus,
    /// How they must sign in.
    login_type: LoginType,
    /// Their grants.
    grants: Vec<Grant>,
    /// When they joined.
    joined_at: Time,
    /// When they were last active.
    last_active_at: Time,
    /// When the membership ends; `null`: never.
    expires_at: Option<Time>,
}

impl Versioned for Member {
    const VOLATILE: &[&str] = &["last_active_at"];
}

/// A person.
#[derive(Serialize, ToSchema)]
struct User {
    /// Their id.
    id: UserId,
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
    /// Their email address.
    #[schema(example = "ada@acme.test")]
    email: String,
}

/// Whether a member has access: inactive members are suspended or expired.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum MemberStatus {
    Active,
    Inactive,
}

impl From<members::Member> for Member {
    fn from(row: members::Member) -> Member {
        Member {
            id: row.id,
            user: User { id: row.person.id, name: row.person.name, email: row.person.email },
            status: if row.is_active { MemberStatus::Active } else { MemberStatus::Inactive },
            login_type: row.login_type,
            grants: row.grants.iter().map(Grant::from).collect(),
            joined_at: row.joined_at,
            last_active_at: row.active_at,
            expires_at: row.expires_at,
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct MemberQuery {
    /// The beginning of an email address or of any word of a name.
    q: String,
    /// Only members with this role: the name of a built-in role, or the id of a custom one.
    role: String,
    /// Only with this status.
    #[serde(deserialize_with = "present")]
    status: Option<MemberStatus>,
    /// Only members of this team, by its slug.
    team: String,
    /// The order.
    sort: MemberSort,
}

/// The order; with a hyphen descending.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
enum MemberSort {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDown,
    #[default]
    #[serde(rename = "joined")]
    Joined,
    #[serde(rename = "-joined")]
    JoinedDown,
    #[serde(rename = "active")]
    Active,
    #[serde(rename = "-active")]
    ActiveDown,
}

async fn list(key: Key<ViewMembers>, query: ListQuery<MemberQuery>) -> Result<List<Member>> {
    let (sort, order) = match query.filter.sort {
        MemberSort::Name => (members::Sort::Name, Order::Up),
        MemberSort::NameDown => (members::Sort::Name, Order::Down),
        MemberSort::Joined => (members::Sort::Joined, Order::Up),
        MemberSort::JoinedDown => (members::Sort::Joined, Order::Down),
        MemberSort::Active => (members::Sort::Active, Order::Up),
        MemberSort::ActiveDown => (members::Sort::Active, Order::Down),
    };
    let status = match query.filter.status {
        Some(MemberStatus::Active) => "active",
        Some(MemberStatus::Inactive) => "inactive",
        None => "",
    };
    let filter = Filter {
        search: query.filter.q.clone(),
        role: query.filter.role.clone(),
        status: status.to_owned(),
        team: query.filter.team.clone(),
        sort,
        order,
        after: query.after_with(Cursor::parse)?,
        before: None,
        limit: query.limit(),
        is_few: None,
    };
    let page = members::list(&mut key.read(), &filter).await?;
    let items = page.members.into_iter().map(Member::from).collect();
    Ok(query.page_with_next(items, page.next.map(|cursor| cursor.to_string())))
}

async fn show(key: Key<ViewMembers>, PathId(id): PathId<MembershipId>) -> Result<WithEtag<Member>> {
    let member = members::find(&mut key.read(), id).await?;
    Ok(WithEtag(member.into()))
}

/// What to change; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberPatch {
    /// All grants that they have from now on.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    grants: Option<Vec<GrantRequest>>,
    /// Whether they have access.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    status: Option<MemberStatus>,
    /// When the membership ends; `null`: never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<Nullable<Time>>,
    /// How they must sign in.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    login_type: Option<LoginType>,
}

async fn update(
    key: Key<UpdateMembers>,
    PathId(id): PathId<MembershipId>,
    if_match: IfMatch,
    form::Json(patch): form::Json<MemberPatch>,
) -> Result<WithEtag<Member>> {
    key.change(async |change| {
        if_match.check(&Member::from(members::find(change, id).await?))?;
        if let Some(requests) = &patch.grants {
            let grants = grants::parse(change, requests).await?;
            members::set_grants(change, id, &grants).await?;
        }
        if let Some(login_type) = patch.login_type {
            members::set_login_type(change, id, login_type).await?;
        }
        match patch.status {
            Some(MemberStatus::Active) => members::reactivate(change, id).await?,
            Some(MemberStatus::Inactive) => members::suspend(change, id).await?,
            None => {}
        }
        if let Some(Nullable(expires_at)) = patch.expires_at {
            members::set_expiry(change, id, expires_at).await?;
        }
        Ok(WithEtag(members::find(change, id).await?.into()))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemoveMemberQuery {
    /// The member who gets the teams that they own and the private resources that they created.
    #[serde(default, deserialize_with = "present")]
    heir: Option<MembershipId>,
}

async fn remove(
    key: Key<RemoveMembers>,
    PathId(id): PathId<MembershipId>,
    if_match: IfMatch,
    Params(query): Params<RemoveMemberQuery>,
) -> Result<StatusCode> {
    key.change(async |change| {
        if_match.check(&Member::from(members::find(change, id).await?))?;
        members::remove(change, id, query.heir).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was restored and what was not.
#[derive(Serialize, ToSchema)]
#[schema(as = Undone)]
struct RestoreResult {
    /// The member as they are now.
    member: Member,
    /// What was restored.
    restored: Restored,
    /// What was not restored, and why.
    not_restored: Vec<members::Missing>,
}

/// What was restored.
#[derive(Serialize, ToSchema)]
struct Restored {
    /// Labels of the grants.
    #[schema(example = json!(["member"]))]
    grants: Vec<String>,
    /// The number of API keys that work again.
    keys: i64,
    /// The number of private resources that are theirs again.
    resources: i64,
    /// Names of the teams.
    #[schema(example = json!(["Ingest", "Trailers"]))]
    teams: Vec<String>,
    /// Names of the teams that they own again.
    #[schema(example = json!(["Ingest"]))]
    owned_teams: Vec<String>,
}

/// `id` is the one that the membership had before the removal.
async fn restore(key: Key<InviteMembers>, PathId(id): PathId<MembershipId>) -> Result<Json<RestoreResult>> {
    key.change(async |change| {
        let (member, result) = members::restore(change, id).await?;
        let restored = Restored {
            grants: member.grants.iter().map(grant::Grant::label).collect(),
            keys: result.keys,
            resources: result.resources,
            teams: result.teams,
            owned_teams: result.owned,
        };
        Ok(Json(RestoreResult { member: member.into(), restored, not_restored: result.missing }))
    })
    .await
}
