//! What gateways ask before they let a request through. Answered from memory: see `gateway`.
use crate::{
    crypto::secrets::{KeyKind, digest, is_machine_key},
    error::Result,
    gateway::{
        self, Verification,
        rate_limit::{Report, whole_seconds},
    },
    http::{form, gate::Service, routes::Routes},
    model::{
        account::Kind,
        id::{AccountId, KeyId, UserId},
        permission::Permission,
        token::VerifyKeys,
        verdict::{PermissionCheck, ResourceRef, Verdict},
    },
};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub fn routes() -> Routes {
    Routes::default()
        .post("/api/v1/keys/verify", verify)
        .doc(|call| {
            call.summary(
                "Verify an API key",
                "For gateways: whether to let a request pass, whose it is, and the state of the rate limit. Answered from memory that is \
                 never more than a second old. The answer is always 200; `code` is the first that applies, in the order of \
                 its list. Only `VALID` takes from the rate limit.",
            )
            .body::<KeyQuestion>()
            .returns::<KeyVerdict>(200)
        })
        .about("Gateway", "What the platform's own back end asks and reports, with a service token.")
}

/// What a gateway wants to know about a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyQuestion {
    /// The key that was presented, whatever it looks like.
    #[schema(example = "gh_key_6kZ0…")]
    key: String,
    /// What the request does. Without it, any key in force is valid.
    #[serde(default)]
    permission: Option<Permission>,
    /// The resource that the request is about, by our id or by the platform's own. One that does not exist is `FORBIDDEN`.
    #[serde(default)]
    resource: Option<ResourceRef>,
    /// The product, if no resource is named.
    #[serde(default)]
    #[schema(example = json!(null))]
    product: Option<String>,
    /// How much it takes from the rate limits, if it is valid.
    #[serde(default = "one")]
    #[schema(value_type = u64, maximum = 4_294_967_295_u64, default = 1)]
    cost: u32,
}

fn one() -> u32 {
    1
}

impl From<KeyQuestion> for gateway::Question {
    fn from(KeyQuestion { permission, resource, product, cost, .. }: KeyQuestion) -> gateway::Question {
        gateway::Question { check: PermissionCheck { permission, product }, resource, cost: cost.into() }
    }
}

/// The verdict on a key.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyVerdict)]
struct KeyVerdict<'a> {
    /// Whether to let it pass: `code` is `VALID`.
    valid: bool,
    /// The first that applies.
    code: Verdict,
    /// `null` if the key does not exist.
    key_id: Option<KeyId>,
    /// The account that the key belongs to.
    account: Option<KeyAccount<'a>>,
    /// The owner of the key; `null` if the user was deleted.
    user: Option<KeyUser<'a>>,
    /// The roles of the member; empty if the key is revoked, expired or suspended.
    #[schema(example = json!(["video-developer"]))]
    roles: Vec<String>,
    /// The state of the account's rate limit: of several dimensions, the one with the fewest remaining. `null` if there is none.
    ratelimit: Option<RateLimit>,
}

/// The account of a key.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyAccount)]
struct KeyAccount<'a> {
    /// Its id.
    id: AccountId,
    /// Its name in addresses.
    #[schema(example = "acme")]
    slug: &'a str,
    /// What kind it is.
    kind: Kind,
    /// Its plan; for a team, the plan of the account that pays.
    #[schema(example = "developer")]
    plan: &'a str,
}

/// The owner of a key.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyUser)]
struct KeyUser<'a> {
    /// Their id.
    id: UserId,
    /// Their email address.
    #[schema(example = "ada@acme.test")]
    email: &'a str,
}

/// The state of a rate limit.
#[derive(Serialize, ToSchema)]
struct RateLimit {
    /// The most that is admitted within the window.
    #[schema(example = 600)]
    limit: u32,
    /// How much is left.
    #[schema(example = 595)]
    remaining: u64,
    /// In how many seconds there is more, or enough for what was refused.
    #[schema(example = 12)]
    reset: u64,
}

impl From<&Report> for RateLimit {
    fn from(Report { tightest, .. }: &Report) -> RateLimit {
        RateLimit {
            limit: tightest.limit,
            remaining: tightest.remaining,
            reset: whole_seconds(tightest.reset),
        }
    }
}

async fn verify(
    service: Service<VerifyKeys>,
    form::Json(question): form::Json<KeyQuestion>,
) -> Result<Response> {
    let app = service.app();
    let verification = if is_machine_key(KeyKind::Key, &question.key) {
        app.gateway().verify(&digest(&question.key), question.into()).await?
    } else {
        None
    };
    let answer = match &verification {
        Some(verification) => KeyVerdict::of(verification),
        None => KeyVerdict::not_found(),
    };
    app.metrics().verdict(answer.code);
    Ok(axum::Json(answer).into_response())
}

impl KeyVerdict<'_> {
    fn not_found() -> KeyVerdict<'static> {
        KeyVerdict {
            valid: false,
            code: Verdict::NotFound,
            key_id: None,
            account: None,
            user: None,
            roles: vec![],
            ratelimit: None,
        }
    }
    fn of(Verification { key, verdict, rate_limit, at }: &Verification) -> KeyVerdict<'_> {
        let (member, account) = (&key.member, &key.member.account);
        let lets_in = !matches!(verdict, Verdict::Revoked | Verdict::Expired | Verdict::Suspended);
        KeyVerdict {
            valid: *verdict == Verdict::Valid,
            code: *verdict,
            key_id: Some(key.id),
            account: Some(KeyAccount {
                id: account.id,
                slug: &account.slug,
                kind: account.kind,
                plan: &account.plan,
            }),
            user: member.user.as_ref().map(|(id, email)| KeyUser { id: *id, email }),
            roles: if lets_in { member.roles(*at) } else { vec![] },
            ratelimit: rate_limit.as_ref().map(RateLimit::from),
        }
    }
}
