//! Back-channel logout (`OpenID` Connect Back-Channel Logout 1.0): the provider's server tells ours that a session is over.
use crate::{
    clients::oidc::{Client, OidcError, unverified_issuer_and_audiences},
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
struct LogoutForm {
    logout_token: String,
}

async fn end(anyone: Anyone, Form(form): Form<LogoutForm>) -> Result<Response> {
    let mut response = match revoke_sessions(&anyone, &form.logout_token).await? {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => {
            let body = json!({ "error": "invalid_request", "error_description": error.detail });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn revoke_sessions(anyone: &Anyone, token: &str) -> Result<Result<(), OidcError>> {
    let unknown = || Ok(Err(OidcError::new("unknown", "This token names no provider that is known here.")));
    let Some((issuer, audiences)) = unverified_issuer_and_audiences(token) else { return unknown() };
    for id in audiences.into_iter().take(5) {
        let accounts = session_proofs::accounts_of(&mut anyone.read(), &issuer, &id).await?;
        if accounts.is_empty() {
            continue;
        }
        // No secret is needed: the token is checked by the provider's keys.
        let client = Client { issuer: issuer.clone(), id, secret: String::new() };
        let logout = match anyone.context().oidc.logout_token(&client, token, anyone.context().now()).await {
            Ok(logout) => logout,
            Err(error) => return Ok(Err(error)),
        };
        return anyone
            .change(async |change| {
                if !session_proofs::claim_logout_token(change, &issuer, &logout).await? {
                    return Ok(Err(OidcError::new("replayed", "This token was used already.")));
                }
                for account in accounts {
                    session_proofs::log_out(change, account, &logout).await?;
                }
                Ok(Ok(()))
            })
            .await;
    }
    unknown()
}
