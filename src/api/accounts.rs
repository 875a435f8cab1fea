//! The account itself.
use super::{given, hex, matches};
use crate::{
    app::{form, gate::Key, routes::Routes},
    error::{Error, Result},
    kit::secret::hash,
    model::{
        account::{AccountRef, Kind},
        id::AccountId,
        permission::{UpdateAccount, ViewAccount},
        text::{Name, Slug},
        time::Time,
    },
    store::accounts,
};
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// The calls.
pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}";
    Routes::default().get(path, show).patch(path, update)
}

#[derive(Serialize)]
struct Account {
    id: AccountId,
    slug: String,
    name: String,
    kind: Kind,
    parent: Option<AccountRef>,
    plan: String,
    created_at: Time,
    member_count: i64,
}

/// An account and its version.
struct Tagged {
    account: Account,
    tag: String,
}

impl From<accounts::Account> for Tagged {
    fn from(it: accounts::Account) -> Tagged {
        let parent = it.parent();
        let accounts::Account { id, slug, name, kind, plan, created_at, member_count, .. } = it;
        let account = Account { id, slug, name, kind, parent, plan, created_at, member_count };
        let json = serde_json::to_string(&account).expect("words and numbers are JSON");
        let tag = hex(&hash(&format!("{} {json}", it.updated_at))[..16]);
        Tagged { account, tag }
    }
}

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let mut response = Json(self.account).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.tag)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

async fn show(key: Key<ViewAccount>) -> Result<Tagged> {
    Ok(accounts::here(&mut key.read().await?).await?.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "given")]
    admins_may_delete: Option<bool>,
    /// Whether members must have signed in with a second factor. Keys work all the same.
    #[serde(default, deserialize_with = "given")]
    requires_second_factor: Option<bool>,
}

async fn update(
    key: Key<UpdateAccount>,
    fields: HeaderMap,
    form::Json(asked): form::Json<Patch>,
) -> Result<Tagged> {
    let update = accounts::Update {
        name: asked.name.as_deref().map(Name::parse).transpose().map_err(Error::at("name"))?,
        slug: asked.slug.as_deref().map(Slug::parse).transpose().map_err(Error::at("slug"))?,
        admins_may_delete: asked.admins_may_delete,
    };
    let fresh = key.prove("").await?;
    key.change(async |change| {
        let before = Tagged::from(accounts::here(change).await?);
        if !matches(&fields, &before.tag) {
            return Err(Error::Changed);
        }
        accounts::update(change, update).await?;
        if let Some(on) = asked.requires_second_factor {
            accounts::require_second_factor(change, &fresh, on).await?;
        }
        Ok(accounts::here(change).await?.into())
    })
    .await
}
