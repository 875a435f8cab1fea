//! Teams under the account. Each is an account of its own: what is in it is read and changed there, with a key of it.
use super::pagination::{Ask, List};
use crate::{
    error::{Error, Fault, Result},
    http::{form, gate::Key as Gate, routes::Routes},
    model::{
        account::Kind,
        id::AccountId,
        permission::{CreateTeams, Permission, ViewAccount},
        text::{Name, Refusal, Slug},
        time::Time,
    },
    store::teams,
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/teams";
    Routes::default()
        .get(path, list)
        .told(|it| {
            it.says(
                "List teams",
                "By slug: all of them for the owner and `members.view`, for others those that they are in.",
            )
            .asks::<Wish>()
            .lists::<Team>()
        })
        .post(path, open)
        .told(|it| {
            it.says("Open a team", "Under this account, which pays for it. The key’s member owns it.")
                .takes::<New>()
                .gives::<Team>(201)
                .fails(&["team_in_team", "not_a_member", "slug_taken"])
        })
        .about(
            "Teams",
            "Accounts under an organization or a person, with members, resources and keys of their own.",
        )
}

/// A team, as the account above it lists it.
#[derive(Serialize, ToSchema)]
struct Team {
    /// Its id.
    id: AccountId,
    /// Its word in addresses.
    #[schema(example = "acme-research")]
    slug: String,
    /// Its name.
    #[schema(example = "Research")]
    name: String,
    /// Who owns it.
    owner: Owner,
    /// How many members it has.
    member_count: i64,
    /// Since when it is there.
    created_at: Time,
}

/// Who owns a team.
#[derive(Serialize, ToSchema)]
#[schema(as = TeamOwner)]
struct Owner {
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
    /// Their address.
    #[schema(example = "ada@acme.test")]
    email: String,
}

impl From<teams::Team> for Team {
    fn from(it: teams::Team) -> Team {
        Team {
            id: it.id,
            slug: it.slug,
            name: it.name,
            owner: Owner { name: it.owner_name, email: it.owner_email },
            member_count: it.member_count,
            created_at: it.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {}

async fn list(key: Gate<ViewAccount>, ask: Ask<Wish>) -> Result<List<Team>> {
    let Wish {} = ask.filter;
    let me = key.me();
    if me.here.kind == Kind::Team {
        return Err(Error::NotFound);
    }
    let all = me.is_owner || me.may(Permission::ViewMembers);
    let after: String = ask.after()?.unwrap_or_default();
    let rows = teams::list(&mut key.read(), all, &after, ask.one_more()).await?;
    Ok(ask.page(rows, |it| it.slug.clone(), Team::from))
}

/// A team that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTeam)]
struct New {
    /// Its name.
    #[schema(value_type = Name)]
    name: String,
    /// Its word in addresses. Absent or `null`: made of the name.
    #[serde(default)]
    #[schema(value_type = Option<Slug>)]
    slug: Option<String>,
}

async fn open(key: Gate<CreateTeams>, form::Json(new): form::Json<New>) -> Result<(StatusCode, Json<Team>)> {
    let mut faults = vec![];
    let mut fault = |field: &str, it: Refusal| faults.push(Fault::new(field, it.code, it.detail));
    let name = Name::parse(&new.name).map_err(|it| fault("name", it)).ok();
    let slug = new.slug.as_deref().map(Slug::parse).transpose().map_err(|it| fault("slug", it)).ok();
    let (Some(name), Some(slug)) = (name, slug) else { return Err(Error::Invalid(faults)) };
    let made = key.change(async |change| {
        let slug = teams::open(change, &name, slug.as_ref()).await?;
        teams::find(change, &slug).await
    });
    Ok((StatusCode::CREATED, Json(made.await?.into())))
}
