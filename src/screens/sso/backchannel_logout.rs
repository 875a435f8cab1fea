//! Back-channel logout (`OpenID` Connect Back-Channel Logout 1.0): the provider's server tells ours that a session is over.
use crate::{
    clients::oidc::{Client, Refusal, unproven_names},
    error::Result,
    http::{form::Form, gate::Anyone, routes::Routes},
    store::sso::session_proofs,
};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

pub(super) fn routes() -> Routes {
    Routes::default().post("/sso/backchannel", end)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    logout_token: String,
}

async fn end(anyone: Anyone, Form(it): Form<Told>) -> Result<Response> {
    let mut response = match take(&anyone, &it.logout_token).await? {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => {
            let said = json!({ "error": "invalid_request", "error_description": refusal.detail });
            (StatusCode::BAD_REQUEST, Json(said)).into_response()
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn take(anyone: &Anyone, token: &str) -> Result<Result<(), Refusal>> {
    let unknown = || Ok(Err(Refusal::new("unknown", "This token names no provider that is known here.")));
    let Some((issuer, audiences)) = unproven_names(token) else { return unknown() };
    for id in audiences.into_iter().take(5) {
        let accounts = session_proofs::accounts_of(&mut anyone.read(), &issuer, &id).await?;
        if accounts.is_empty() {
            continue;
        }
        // Whose secret it is matters to nobody here: a token is checked by the provider's keys.
        let client = Client { issuer: issuer.clone(), id, secret: String::new() };
        let logout = match anyone.kit().oidc.logout_token(&client, token, anyone.kit().now()).await {
            Ok(it) => it,
            Err(refusal) => return Ok(Err(refusal)),
        };
        return anyone
            .change(async |change| {
                if !session_proofs::is_new(change, &issuer, &logout).await? {
                    return Ok(Err(Refusal::new("replayed", "This token was taken already.")));
                }
                for account in accounts {
                    session_proofs::take_back(change, account, &logout).await?;
                }
                Ok(Ok(()))
            })
            .await;
    }
    unknown()
}
