//! A key that somebody found: reported without signing in.
use crate::{
    error::Result,
    http::{form, gate::Anyone, leaked_keys, routes::Routes},
};
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The call.
pub fn routes() -> Routes {
    Routes::default()
        .post("/api/v1/keys/leaked", report)
        .told(|it| {
            it.says(
                "Report a leaked key",
                "By whoever found it, without signing in. A key of any kind that works is revoked at once, and its owner and the \
                 administrators are told. The answer is the same for any key.",
            )
            .takes::<Report>()
            .gives::<Thanks>(200)
            .fails(&["too_many_requests"])
        })
        .about("Leaked keys", "For who finds a key where it should not be.")
}

/// What was found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeakedKey)]
struct Report {
    /// The whole secret.
    #[schema(example = "gh_key_6kZ0…")]
    key: String,
}

/// The same for any key.
#[derive(Serialize, ToSchema)]
#[schema(as = LeakedKeyThanks)]
struct Thanks {
    /// What happens now.
    #[schema(
        example = "If this is a key of ours that works, it is revoked now, and those whom it concerns are told."
    )]
    detail: &'static str,
}

async fn report(anyone: Anyone, form::Json(it): form::Json<Report>) -> Result<Json<Thanks>> {
    leaked_keys::report(&anyone, &it.key).await?;
    Ok(Json(Thanks {
        detail: "If this is a key of ours that works, it is revoked now, and those whom it concerns are told.",
    }))
}
