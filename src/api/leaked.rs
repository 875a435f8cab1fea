//! Reports of leaked keys, by anybody.
use crate::{
    error::Result,
    http::{form, gate::Anyone, leaked_keys, routes::Routes},
};
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    Routes::default()
        .post("/api/v1/keys/leaked", report)
        .doc(|call| {
            call.summary(
                "Report a leaked key",
                "For whoever found it, without signing in. A working key of any kind is revoked at once, and its owner and the \
                 administrators get a mail. The answer is the same whether or not the key exists.",
            )
            .body::<LeakedKey>()
            .returns::<LeakedKeyResult>(200)
            .errors(&["too_many_requests"])
        })
        .about("Leaked keys", "For those who find a key in public.")
}

/// A key that was found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeakedKey {
    /// The whole key.
    #[schema(example = "gh_key_6kZ0…")]
    key: String,
}

/// The same for every key.
#[derive(Serialize, ToSchema)]
#[schema(as = LeakedKeyThanks)]
struct LeakedKeyResult {
    /// What happens next.
    #[schema(
        example = "If this key works, it is revoked now, and its owner and the administrators are notified."
    )]
    detail: &'static str,
}

async fn report(anyone: Anyone, form::Json(body): form::Json<LeakedKey>) -> Result<Json<LeakedKeyResult>> {
    leaked_keys::report(&anyone, &body.key).await?;
    Ok(Json(LeakedKeyResult {
        detail: "If this key works, it is revoked now, and its owner and the administrators are notified.",
    }))
}
