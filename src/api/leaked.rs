//! A key that somebody found: reported without signing in.
use crate::{
    app::{form, gate::Anyone, leaked, routes::Routes},
    error::Result,
};
use axum::Json;
use serde::{Deserialize, Serialize};

/// The call.
pub fn routes() -> Routes {
    Routes::default().post("/api/v1/keys/leaked", report)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    key: String,
}

/// The same for any key.
#[derive(Serialize)]
struct Thanks {
    detail: &'static str,
}

async fn report(anyone: Anyone, form::Json(it): form::Json<Report>) -> Result<Json<Thanks>> {
    leaked::report(&anyone, &it.key).await?;
    Ok(Json(Thanks {
        detail: "If this is a key of ours that works, it is revoked now, and those whom it concerns are told.",
    }))
}
