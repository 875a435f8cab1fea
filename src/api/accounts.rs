//! The account itself.
use super::{
    etag::{IfMatch, Versioned, WithEtag},
    present,
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
        permission::{AnyMember, DeleteAccount, UpdateAccount, ViewAccount},
        text::{Name, Slug},
        time::Time,
    },
    store::{accounts, members},
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}";
    Routes::default()
        .get(path, show)
        .doc(|call| call.summary("Get the account", "Its name, plan and size.").returns::<Account>(200).with_etag())
        .patch(path, update)
        .doc(|call| {
            call.summary(
                "Update the account",
                "Its name, its slug, its policy. An old slug redirects to the new one for good.",
            )
            .body::<AccountPatch>()
            .returns::<Account>(200)
            .with_etag()
            .errors(&["slug_taken"])
        })
        .delete(path, delete)
        .doc(|call| {
            call.summary(
                "Delete the account",
                "For good, with its teams, members, keys, resources and invitations. Its members get a mail; nobody can take its slug \
                 again. This key stops working.",
            )
            .query::<DeleteAccountQuery>()
            .no_content()
            .with_etag()
        })
        .post("/api/v1/accounts/{slug}/leave", leave)
        .doc(|call| {
            call.summary("Leave the account", "Ends the membership of the key’s member. Their keys, this one included, stop working at once.")
                .body::<LeaveAccount>()
                .no_content()
                .errors(&["owner", "personal", "not_a_member"])
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
    /// Its name in URLs.
    #[schema(example = "acme")]
    slug: String,
    /// Its name.
    #[schema(example = "Acme")]
    name: String,
    /// Its kind.
    kind: Kind,
    /// For a team: the account that it belongs to, and that pays for it.
    parent: Option<AccountRef>,
    /// Its plan; for a team, that of its parent.
    #[schema(example = "developer")]
    plan: String,
    /// When it was created.
    created_at: Time,
    /// The number of members.
    member_count: i64,
    #[serde(skip)]
    version: Time,
}

impl Versioned for Account {
    const VOLATILE: &[&str] = &["member_count"];
    fn hidden_version(&self) -> String {
        self.version.to_string()
    }
}

impl From<accounts::Account> for Account {
    fn from(account: accounts::Account) -> Account {
        let (parent, version) = (account.parent(), account.updated_at);
        let accounts::Account { id, slug, name, kind, plan, created_at, member_count, .. } = account;
        Account { id, slug, name, kind, parent, plan, created_at, member_count, version }
    }
}

async fn show(key: Key<ViewAccount>) -> Result<WithEtag<Account>> {
    Ok(WithEtag(accounts::get(&mut key.read()).await?.into()))
}

/// What to change; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountPatch {
    /// A new name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Name>, nullable = false)]
    name: Option<String>,
    /// A new name in URLs.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Slug>, nullable = false)]
    slug: Option<String>,
    /// Whether admins may delete the account; only the owner may change it.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    admins_may_delete: Option<bool>,
    /// Whether members must sign in with a second factor. Keys are not affected.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    requires_second_factor: Option<bool>,
}

async fn update(
    key: Key<UpdateAccount>,
    if_match: IfMatch,
    form::Json(patch): form::Json<AccountPatch>,
) -> Result<WithEtag<Account>> {
    let update = accounts::AccountUpdate {
        name: patch.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?,
        slug: patch.slug.as_deref().map(Slug::parse).transpose().map_err(Error::at("slug"))?,
        admins_may_delete: patch.admins_may_delete,
    };
    let recent_auth = key.reauthenticate("").await?;
    key.change(async |change| {
        if_match.check(&Account::from(accounts::get(change).await?))?;
        accounts::update(change, update).await?;
        if let Some(on) = patch.requires_second_factor {
            accounts::require_second_factor(change, &recent_auth, on).await?;
        }
        Ok(WithEtag(accounts::get(change).await?.into()))
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeleteAccountQuery {
    /// The account's slug, to confirm.
    #[schema(example = "acme")]
    confirm: String,
}

async fn delete(
    key: Key<DeleteAccount>,
    if_match: IfMatch,
    Params(query): Params<DeleteAccountQuery>,
) -> Result<StatusCode> {
    let recent_auth = key.reauthenticate("").await?;
    key.change(async |change| {
        if_match.check(&Account::from(accounts::get(change).await?))?;
        accounts::delete(change, &recent_auth, &query.confirm).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Confirms that the member leaves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Leaving)]
struct LeaveAccount {
    /// The account's slug, to confirm.
    #[schema(example = "acme")]
    confirm: String,
}

async fn leave(key: Key<AnyMember>, form::Json(body): form::Json<LeaveAccount>) -> Result<StatusCode> {
    key.change(async |change| {
        let slug = &change.access().account.slug;
        if body.confirm.trim() != slug {
            return Err(Error::invalid("confirm", "mismatch", format!("Send {slug} to leave it.")));
        }
        members::leave(change).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
