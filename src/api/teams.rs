//! Teams of an account. Each is an account of its own: its contents are read and changed with a key of that account.
use super::pagination::{List, ListQuery, NoFilters};
use crate::{
    error::{Error, FieldError, Result},
    http::{form, gate::Key, routes::Routes},
    model::{
        account::Kind,
        id::AccountId,
        permission::{CreateTeams, Permission, ViewAccount},
        text::{Name, Slug, ValidationError},
        time::Time,
    },
    store::teams,
};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/teams";
    Routes::default()
        .get(path, list)
        .doc(|call| {
            call.summary(
                "List teams",
                "By slug. The owner and those with `members.view` see all teams, others those that they are in.",
            )
            .returns_list::<Team>()
        })
        .post(path, create)
        .doc(|call| {
            call.summary("Create a team", "Under this account, which pays for it. The key’s member becomes its owner.")
                .body::<NewTeam>()
                .returns::<Team>(201)
                .errors(&["team_in_team", "not_a_member", "slug_taken"])
        })
        .about(
            "Teams",
            "Accounts under an organization or a person, with members, resources and keys of their own.",
        )
}

/// A team, as its parent account lists it.
#[derive(Serialize, ToSchema)]
struct Team {
    /// Its id.
    id: AccountId,
    /// Its name in URLs.
    #[schema(example = "acme-research")]
    slug: String,
    /// Its name.
    #[schema(example = "Research")]
    name: String,
    /// Its owner.
    owner: TeamOwner,
    /// The number of members.
    member_count: i64,
    /// When it was created.
    created_at: Time,
}

/// The owner of a team.
#[derive(Serialize, ToSchema)]
struct TeamOwner {
    /// Their name.
    #[schema(example = "Ada Byron")]
    name: String,
    /// Their email address.
    #[schema(example = "ada@acme.test")]
    email: String,
}

impl From<teams::Team> for Team {
    fn from(row: teams::Team) -> Team {
        Team {
            id: row.id,
            slug: row.slug,
            name: row.name,
            owner: TeamOwner { name: row.owner_name, email: row.owner_email },
            member_count: row.member_count,
            created_at: row.created_at,
        }
    }
}

async fn list(key: Key<ViewAccount>, query: ListQuery<NoFilters>) -> Result<List<Team>> {
    let access = key.access();
    if access.account.kind == Kind::Team {
        return Err(Error::NotFound);
    }
    let sees_all = access.is_owner || access.may(Permission::ViewMembers);
    let after: String = query.after()?.unwrap_or_default();
    let rows = teams::list(&mut key.read(), sees_all, &after, query.limit_plus_one()).await?;
    Ok(query.page(rows, |row| row.slug.clone(), Team::from))
}

/// A team to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTeam {
    /// Its name.
    #[schema(value_type = Name)]
    name: String,
    /// Its name in URLs. Absent or `null`: made from the name.
    #[serde(default)]
    #[schema(value_type = Option<Slug>)]
    slug: Option<String>,
}

async fn create(
    key: Key<CreateTeams>,
    form::Json(body): form::Json<NewTeam>,
) -> Result<(StatusCode, Json<Team>)> {
    let mut errors = vec![];
    let mut add =
        |field: &str, error: ValidationError| errors.push(FieldError::new(field, error.code, error.detail));
    let name = Name::parse(&body.name).map_err(|error| add("name", error)).ok();
    let slug = body.slug.as_deref().map(Slug::parse).transpose().map_err(|error| add("slug", error)).ok();
    let (Some(name), Some(slug)) = (name, slug) else { return Err(Error::Validation(errors)) };
    let created = key.change(async |change| {
        let slug = teams::open(change, &name, slug.as_ref()).await?;
        teams::find(change, &slug).await
    });
    Ok((StatusCode::CREATED, Json(created.await?.into())))
}
