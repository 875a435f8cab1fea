//! Members of an account.
use super::{
    Nullable,
    etag::{IfMatch, Tagged, Versioned},
    given,
    grants::Grant,
    pagination::{Ask, List},
};
use crate::{
    error::Result,
    http::{
        form::{self, Params},
        gate::{At, Key},
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
        grants::{self, Wanted},
        members::{self, Cursor, Filter, Order},
    },
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let one = "/api/v1/accounts/{slug}/members/{id}";
    Routes::default()
        .get("/api/v1/accounts/{slug}/members", list)
        .told(|it| it.says("List members", "Searched, filtered and sorted.").asks::<Wish>().lists::<Member>())
        .get(one, show)
        .told(|it| it.says("Read a member", "Who they are, and what they hold.").gives::<Member>(200).tagged())
        .patch(one, update)
        .told(|it| {
            it.says(
                "Change a member",
                "Their grants, their status, their end, how they sign in. `grants` replaces all that they hold. Nobody grants what \
                 they do not hold, and nobody changes a member who holds what they lack.",
            )
            .takes::<Patch>()
            .gives::<Member>(200)
            .tagged()
            .fails(&["owner", "self", "personal", "too_many_grants", "not_a_member"])
        })
        .delete(one, remove)
        .told(|it| {
            it.says(
                "Remove a member",
                "They lose access and their keys at once. Teams that they own and private resources that they made pass to `heir`, or to the owner.",
            )
            .asks::<Removal>()
            .gives_nothing()
            .tagged()
            .fails(&["owner", "self", "personal", "not_a_member"])
        })
        .post("/api/v1/accounts/{slug}/members/{id}/restore", restore)
        .told(|it| {
            it.says(
                "Take back a removal",
                "Within ten minutes: membership, grants, keys, teams and resources come back as far as nobody changed them since. What \
                 could not come back is listed.",
            )
            .gives::<Undone>(200)
            .fails(&["member_again", "not_in_organization", "restored_already", "self", "undo_over"])
        })
        .about("Members", "The people in an account, and what each may do there.")
}

/// A person in an account.
#[derive(Serialize, ToSchema)]
struct Member {
    /// Their membership's id.
    id: MembershipId,
    /// Who they are.
    user: User,
    /// Whether they may enter.
    status: Status,
    /// How they must sign in.
    login_type: LoginType,
    /// What they hold.
    grants: Vec<Grant>,
    /// Since when.
    joined_at: Time,
    /// When they were last here.
    last_active_at: Time,
    /// Until when; `null`: for good.
    expires_at: Option<Time>,
}

impl Versioned for Member {
    const PASSING: &[&str] = &["last_active_at"];
}

/// A person.
#[derive(Serialize, ToSchema)]
struct User {
    /// Their id.
    id: UserId,
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
    /// Their address.
    #[schema(example = "ada@acme.test")]
    email: String,
}

/// Whether a member may enter: inactive ones are suspended, or past their end.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MemberStatus)]
enum Status {
    Active,
    Inactive,
}

impl From<members::Member> for Member {
    fn from(it: members::Member) -> Member {
        Member {
            id: it.id,
            user: User { id: it.person.id, name: it.person.name, email: it.person.email },
            status: if it.is_active { Status::Active } else { Status::Inactive },
            login_type: it.login_type,
            grants: it.grants.iter().map(Grant::from).collect(),
            joined_at: it.joined_at,
            last_active_at: it.active_at,
            expires_at: it.expires_at,
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    /// The beginning of an address, or of any word of a name.
    q: String,
    /// Only who holds it: a built-in role's word, a custom role's id.
    role: String,
    /// Only those.
    #[serde(deserialize_with = "given")]
    status: Option<Status>,
    /// Only who is in this team: its slug.
    team: String,
    /// In which order.
    sort: Sort,
}

/// By what, and with a hyphen from the other end.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = MemberSort)]
enum Sort {
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

async fn list(key: Key<ViewMembers>, ask: Ask<Wish>) -> Result<List<Member>> {
    let (sort, order) = match ask.filter.sort {
        Sort::Name => (members::Sort::Name, Order::Up),
        Sort::NameDown => (members::Sort::Name, Order::Down),
        Sort::Joined => (members::Sort::Joined, Order::Up),
        Sort::JoinedDown => (members::Sort::Joined, Order::Down),
        Sort::Active => (members::Sort::Active, Order::Up),
        Sort::ActiveDown => (members::Sort::Active, Order::Down),
    };
    let status = match ask.filter.status {
        Some(Status::Active) => "active",
        Some(Status::Inactive) => "inactive",
        None => "",
    };
    let filter = Filter {
        search: ask.filter.q.clone(),
        role: ask.filter.role.clone(),
        status: status.to_owned(),
        team: ask.filter.team.clone(),
        sort,
        order,
        after: ask.after_by(Cursor::parse)?,
        before: None,
        limit: ask.limit(),
        is_few: None,
    };
    let page = members::list(&mut key.read(), &filter).await?;
    let items = page.members.into_iter().map(Member::from).collect();
    Ok(ask.list(items, page.next.map(|it| it.to_string())))
}

async fn show(key: Key<ViewMembers>, At(id): At<MembershipId>) -> Result<Tagged<Member>> {
    let member = members::find(&mut key.read(), id).await?;
    Ok(Tagged(member.into()))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberPatch)]
struct Patch {
    /// All that they hold from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    grants: Option<Vec<Wanted>>,
    /// Whether they may enter.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    status: Option<Status>,
    /// Until when; `null`: for good.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<Nullable<Time>>,
    /// How they must sign in.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    login_type: Option<LoginType>,
}

async fn update(
    key: Key<UpdateMembers>,
    At(id): At<MembershipId>,
    version: IfMatch,
    form::Json(asked): form::Json<Patch>,
) -> Result<Tagged<Member>> {
    key.change(async |change| {
        version.holds(&Member::from(members::find(change, id).await?))?;
        if let Some(wanted) = &asked.grants {
            let wanted = grants::parse(change, wanted).await?;
            members::set_grants(change, id, &wanted).await?;
        }
        if let Some(login_type) = asked.login_type {
            members::set_login_type(change, id, login_type).await?;
        }
        match asked.status {
            Some(Status::Active) => members::reactivate(change, id).await?,
            Some(Status::Inactive) => members::suspend(change, id).await?,
            None => {}
        }
        if let Some(Nullable(expires_at)) = asked.expires_at {
            members::set_expiry(change, id, expires_at).await?;
        }
        Ok(Tagged(members::find(change, id).await?.into()))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Who takes over the teams that the member owns, and the private resources that they made.
    #[serde(default, deserialize_with = "given")]
    heir: Option<MembershipId>,
}

async fn remove(
    key: Key<RemoveMembers>,
    At(id): At<MembershipId>,
    version: IfMatch,
    Params(asked): Params<Removal>,
) -> Result<StatusCode> {
    key.change(async |change| {
        version.holds(&Member::from(members::find(change, id).await?))?;
        members::remove(change, id, asked.heir).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an undo brought back, and what not.
#[derive(Serialize, ToSchema)]
struct Undone {
    /// As they are now.
    member: Member,
    /// What came back.
    restored: Restored,
    /// What did not, and why.
    not_restored: Vec<members::Missing>,
}

/// What came back.
#[derive(Serialize, ToSchema)]
struct Restored {
    /// Labels of the roles.
    #[schema(example = json!(["member"]))]
    grants: Vec<String>,
    /// How many API keys work again.
    keys: i64,
    /// How many private resources are theirs again.
    resources: i64,
    /// Names of the teams.
    #[schema(example = json!(["Ingest", "Trailers"]))]
    teams: Vec<String>,
    /// Those of them that they own again.
    #[schema(example = json!(["Ingest"]))]
    owned_teams: Vec<String>,
}

/// Takes back a removal, by the id that the membership had.
async fn restore(key: Key<InviteMembers>, At(id): At<MembershipId>) -> Result<Json<Undone>> {
    key.change(async |change| {
        let (member, told) = members::restore(change, id).await?;
        let restored = Restored {
            grants: member.grants.iter().map(grant::Grant::label).collect(),
            keys: told.keys,
            resources: told.resources,
            teams: told.teams,
            owned_teams: told.owned,
        };
        Ok(Json(Undone { member: member.into(), restored, not_restored: told.missing }))
    })
    .await
}
