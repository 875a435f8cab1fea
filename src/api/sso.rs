//! The organization's identity provider.
use super::{given, grants::Grant, hex, matches};
use crate::{
    app::{form, gate::Key, routes::Routes},
    error::{Error, Result},
    kit::secret::hash,
    model::permission::ManageSso,
    store::{
        Change, Scope, domains,
        grants::Wanted,
        sso::{self, Test, Wish, enforce},
    },
};
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The calls.
pub fn routes() -> Routes {
    let path = "/api/v1/accounts/{slug}/sso";
    Routes::default().get(path, show).put(path, save).delete(path, remove)
}

#[derive(Serialize)]
struct Sso {
    issuer: String,
    client_id: String,
    groups_claim: String,
    default_grants: Vec<Grant>,
    group_grants: BTreeMap<String, Vec<Grant>>,
    domains: Vec<Claimed>,
    enforced: bool,
    redirect_url: String,
    last_test: Option<Test>,
}

#[derive(Serialize)]
struct Claimed {
    domain: String,
    verified: bool,
}

impl Sso {
    async fn read(scope: &mut Scope) -> Result<Sso> {
        let it = sso::here(scope).await?.ok_or(Error::NotFound)?;
        let claimed =
            |it: domains::Claimed| Claimed { verified: it.verified_at.is_some(), domain: it.domain };
        let domains = domains::list(scope).await?.into_iter().map(claimed).collect();
        let grants = |all: &Vec<crate::model::grant::Grant>| all.iter().map(Grant::from).collect::<Vec<_>>();
        Ok(Sso {
            enforced: it.is_enforced(scope.now()),
            default_grants: grants(&it.default_grants),
            group_grants: it.group_grants.iter().map(|(group, all)| (group.clone(), grants(all))).collect(),
            issuer: it.issuer,
            client_id: it.client_id,
            groups_claim: it.groups_claim,
            domains,
            redirect_url: scope.kit().url(crate::store::sso::CALLBACK),
            last_test: it.last_test,
        })
    }
    fn tag(&self) -> String {
        let json = serde_json::to_string(self).expect("words and numbers are JSON");
        hex(&hash(&json)[..16])
    }
}

impl IntoResponse for Sso {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.tag()));
        let mut response = Json(self).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// What a change is made to is what its caller read.
async fn as_read(change: &mut Change, fields: &HeaderMap) -> Result<()> {
    let tag = match Sso::read(change).await {
        Ok(it) => it.tag(),
        Err(Error::NotFound) => String::new(),
        Err(other) => return Err(other),
    };
    if matches(fields, &tag) { Ok(()) } else { Err(Error::Changed) }
}

async fn show(key: Key<ManageSso>) -> Result<Sso> {
    Sso::read(&mut key.read().await?).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    issuer: String,
    client_id: String,
    #[serde(default, deserialize_with = "given")]
    client_secret: Option<String>,
    #[serde(default = "groups")]
    groups_claim: String,
    #[serde(default = "member")]
    default_grants: Vec<Wanted>,
    #[serde(default)]
    group_grants: BTreeMap<String, Vec<Wanted>>,
    #[serde(default, deserialize_with = "given")]
    enforced: Option<bool>,
}

fn groups() -> String {
    "groups".into()
}

fn member() -> Vec<Wanted> {
    vec![Wanted { role: "member".into(), scope: None, expires_at: None }]
}

async fn save(key: Key<ManageSso>, fields: HeaderMap, form::Json(it): form::Json<Put>) -> Result<Sso> {
    let fresh = key.prove("").await?;
    let Put { issuer, client_id, client_secret, groups_claim, default_grants, group_grants, enforced } = it;
    let wish = Wish { issuer, client_id, client_secret, groups_claim, default_grants, group_grants };
    key.change(async |change| {
        as_read(change, &fields).await?;
        sso::save(change, &fresh, wish).await?;
        match enforced {
            Some(true) => enforce::begin(change, &fresh).await?,
            Some(false) => enforce::end(change, &fresh).await?,
            None => {}
        }
        Sso::read(change).await
    })
    .await
}

async fn remove(key: Key<ManageSso>, fields: HeaderMap) -> Result<StatusCode> {
    let fresh = key.prove("").await?;
    key.change(async |change| {
        as_read(change, &fields).await?;
        sso::remove(change, &fresh).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
