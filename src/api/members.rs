//! Members of an account.
use super::{
    Nullable, given,
    grants::Grant,
    list::{Ask, List},
};
use crate::{
    app::{
        form,
        form::Params,
        gate::{At, Key},
        routes::Routes,
    },
    error::Result,
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

/// The calls.
pub fn routes() -> Routes {
    let one = "/api/v1/accounts/{slug}/members/{id}";
    Routes::default()
        .get("/api/v1/accounts/{slug}/members", list)
        .get(one, show)
        .patch(one, update)
        .delete(one, remove)
        .post("/api/v1/accounts/{slug}/members/{id}/restore", restore)
}

#[derive(Serialize)]
struct Member {
    id: MembershipId,
    user: User,
    status: Status,
    login_type: LoginType,
    grants: Vec<Grant>,
    joined_at: Time,
    last_active_at: Time,
    expires_at: Option<Time>,
}

#[derive(Serialize)]
struct User {
    id: UserId,
    name: String,
    email: String,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Wish {
    q: String,
    role: String,
    status: Option<Status>,
    team: String,
    sort: Sort,
}

/// By what, and with a hyphen from the other end.
#[derive(Clone, Copy, Default, Deserialize)]
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
    };
    let page = members::list(&mut key.read().await?, &filter).await?;
    let items = page.members.into_iter().map(Member::from).collect();
    Ok(ask.list(items, page.next.map(|it| it.to_string())))
}

async fn show(key: Key<ViewMembers>, At(id): At<MembershipId>) -> Result<Json<Member>> {
    let member = members::find(&mut key.read().await?, id).await?;
    Ok(Json(member.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default, deserialize_with = "given")]
    grants: Option<Vec<Wanted>>,
    #[serde(default, deserialize_with = "given")]
    status: Option<Status>,
    /// `null`: for good.
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Nullable<Time>>,
    #[serde(default, deserialize_with = "given")]
    login_type: Option<LoginType>,
}

async fn update(
    key: Key<UpdateMembers>,
    At(id): At<MembershipId>,
    form::Json(asked): form::Json<Patch>,
) -> Result<Json<Member>> {
    key.change(async |change| {
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
        Ok(Json(members::find(change, id).await?.into()))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Who takes over the teams that the member owns, and the private resources that they made.
    #[serde(default)]
    heir: Option<MembershipId>,
}

async fn remove(
    key: Key<RemoveMembers>,
    At(id): At<MembershipId>,
    Params(asked): Params<Removal>,
) -> Result<StatusCode> {
    key.change(async |change| members::remove(change, id, asked.heir).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an undo brought back, and what not.
#[derive(Serialize)]
struct Undone {
    member: Member,
    restored: Restored,
    not_restored: Vec<members::Missing>,
}

#[derive(Serialize)]
struct Restored {
    /// Labels of the roles.
    grants: Vec<String>,
    keys: i64,
    resources: i64,
    /// Names of the teams.
    teams: Vec<String>,
    /// Those of them that they own again.
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
