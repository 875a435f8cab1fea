//! The account itself.
use super::{
    etag::{IfMatch, Tagged, Versioned},
    given,
};
use crate::{
    error::{Error, Result},
    http::{
        form::{self, Params},
        gate::Key,
        routes::Routes,
    },
    model::{
        account::{AccountRef, Kind},
        id::AccountId,
        permission::{DeleteAccount, Inside, UpdateAccount, ViewAccount},
        text::{Name, Slug},
        time::Time,
    },
    store::{accounts, members},
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls.
pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}";
    Routes::default()
        .get(path, show)
        .told(|it| it.says("Read the account", "Its name, plan and size.").gives::<Account>(200).tagged())
        .patch(path, update)
        .told(|it| {
            it.says(
                "Change the account",
                "Its name, its slug, its policy. An old slug leads to the new one for ever.",
            )
            .takes::<Patch>()
            .gives::<Account>(200)
            .tagged()
            .fails(&["slug_taken"])
        })
        .delete(path, delete)
        .told(|it| {
            it.says(
                "Delete the account",
                "For good, with its teams, members, keys, resources and invitations. Its members are told by mail; its slug is \
                 never given again. This key ends with it.",
            )
            .asks::<Confirmed>()
            .gives_nothing()
            .tagged()
        })
        .post("/api/v1/accounts/{slug}/leave", leave)
        .told(|it| {
            it.says("Leave the account", "The key’s member goes of their own will; their keys, this one too, end at once.")
                .takes::<Leaving>()
                .gives_nothing()
                .fails(&["owner", "personal", "not_a_member"])
        })
        .about(
            "Account",
            "What owns things: a person’s own account, an organization, or a team under either.",
        )
}

/// What owns things.
#[derive(Serialize, ToSchema)]
struct Account {
    /// Its id.
    id: AccountId,
    /// Its word in addresses.
    #[schema(example = "acme")]
    slug: String,
    /// Its name.
    #[schema(example = "Acme")]
    name: String,
    /// What kind of account it is.
    kind: Kind,
    /// What a team belongs to, and who pays for it.
    parent: Option<AccountRef>,
    /// Its own plan, or that of the parent which pays for it.
    #[schema(example = "developer")]
    plan: String,
    /// Since when it is there.
    created_at: Time,
    /// How many members it has.
    member_count: i64,
    #[serde(skip)]
    version: Time,
}

impl Versioned for Account {
    const PASSING: &[&str] = &["member_count"];
    fn besides(&self) -> String {
        self.version.to_string()
    }
}

impl From<accounts::Account> for Account {
    fn from(it: accounts::Account) -> Account {
        let parent = it.parent();
        let accounts::Account { id, slug, name, kind, plan, created_at, member_count, .. } = it;
        Account { id, slug, name, kind, parent, plan, created_at, member_count, version: it.updated_at }
    }
}

async fn show(key: Key<ViewAccount>) -> Result<Tagged<Account>> {
    Ok(Tagged(accounts::here(&mut key.read()).await?.into()))
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountPatch)]
struct Patch {
    /// A new name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Name>, nullable = false)]
    name: Option<String>,
    /// A new word in addresses.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Slug>, nullable = false)]
    slug: Option<String>,
    /// Whether admins may delete the account: for the owner to decide.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    admins_may_delete: Option<bool>,
    /// Whether members must have signed in with a second factor. Keys work all the same.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    requires_second_factor: Option<bool>,
}

async fn update(
    key: Key<UpdateAccount>,
    version: IfMatch,
    form::Json(asked): form::Json<Patch>,
) -> Result<Tagged<Account>> {
    let update = accounts::Update {
        name: asked.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?,
        slug: asked.slug.as_deref().map(Slug::parse).transpose().map_err(Error::at("slug"))?,
        admins_may_delete: asked.admins_may_delete,
    };
    let fresh = key.prove("").await?;
    key.change(async |change| {
        version.holds(&Account::from(accounts::here(change).await?))?;
        accounts::update(change, update).await?;
        if let Some(on) = asked.requires_second_factor {
            accounts::require_second_factor(change, &fresh, on).await?;
        }
        Ok(Tagged(accounts::here(change).await?.into()))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    /// The account's slug again: nothing is deleted by a slip.
    #[schema(example = "acme")]
    confirm: String,
}

async fn delete(
    key: Key<DeleteAccount>,
    version: IfMatch,
    Params(asked): Params<Confirmed>,
) -> Result<StatusCode> {
    let fresh = key.prove("").await?;
    key.change(async |change| {
        version.holds(&Account::from(accounts::here(change).await?))?;
        accounts::delete(change, &fresh, &asked.confirm).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who leaves means it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Leaving {
    /// The account's slug again: nobody leaves by a slip.
    #[schema(example = "acme")]
    confirm: String,
}

async fn leave(key: Key<Inside>, form::Json(asked): form::Json<Leaving>) -> Result<StatusCode> {
    key.change(async |change| {
        let slug = &change.who().here.slug;
        if asked.confirm.trim() != slug {
            return Err(Error::invalid("confirm", "mismatch", format!("Send {slug} to leave it.")));
        }
        members::leave(change).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
