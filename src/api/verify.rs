//! What gateways ask, for each request that they let pass or do not: answered from memory.
use crate::{
    crypto::secrets::{KeyKind, digest, is_machine_key},
    error::Result,
    gateway::rate_limit::{Report, whole},
    http::{App, form, gate::Service, routes::Routes},
    model::{
        account::Kind,
        id::{AccountId, KeyId, UserId},
        permission::Permission,
        time::Time,
        token::VerifyKeys,
        verdict::{Asked, Known, Named, Verdict},
    },
};
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The call.
pub fn routes() -> Routes {
    Routes::default()
        .quick_post("/api/v1/keys/verify", verify)
        .told(|it| {
            it.says(
                "Verify an API key",
                "For gateways: whether to let a request pass, whose it is, and how the rate limit stands. Answered from memory that \
                 is never more than a second old. The answer is always 200; `code` is the first that applies, in the order of \
                 its list. Only `VALID` takes from the rate limit.",
            )
            .takes::<Question>()
            .gives::<Answer>(200)
        })
        .about("Gateway", "What the platform's own back end asks and reports, with a service token.")
}

/// What a gateway wants to know of a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyQuestion)]
struct Question {
    /// The key that was presented, whatever it looks like.
    #[schema(example = "gh_key_6kZ0…")]
    key: String,
    /// What the request does. None: any key in force will do.
    #[serde(default)]
    permission: Option<Permission>,
    /// With what: our id, or the platform's own. What is not there is `FORBIDDEN`.
    #[serde(default)]
    resource: Option<Named>,
    /// In which product, where no resource is named.
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

/// The verdict on a key.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyVerdict)]
struct Answer<'a> {
    /// Whether to let it pass: `code` is `VALID`.
    valid: bool,
    /// The first that applies.
    code: Verdict,
    /// Which key; `null` for one that nobody made.
    key_id: Option<KeyId>,
    /// The account that it opens.
    account: Option<Account<'a>>,
    /// Whose it is; `null` when they are gone.
    user: Option<User<'a>>,
    /// What the member is called there; nothing where the key lets nobody in.
    #[schema(example = json!(["video-developer"]))]
    roles: Vec<String>,
    /// How the account's rate limit stands: of several dimensions, the one with the fewest remaining. `null` where there is none.
    ratelimit: Option<RateLimit>,
}

/// An account, as far as a gateway needs to know it.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyAccount)]
struct Account<'a> {
    /// Its id.
    id: AccountId,
    /// Its word in addresses.
    #[schema(example = "acme")]
    slug: &'a str,
    /// What kind it is.
    kind: Kind,
    /// Its plan; a team's is that of who pays for it.
    #[schema(example = "developer")]
    plan: &'a str,
}

/// The member whose key it is.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyUser)]
struct User<'a> {
    /// Their id.
    id: UserId,
    /// Their address.
    #[schema(example = "ada@acme.test")]
    email: &'a str,
}

/// How a rate limit stands.
#[derive(Serialize, ToSchema)]
struct RateLimit {
    /// At most so many.
    #[schema(example = 600)]
    limit: u32,
    /// So many are left.
    #[schema(example = 595)]
    remaining: u64,
    /// In so many seconds there are more, or enough for what was refused.
    #[schema(example = 12)]
    reset: u64,
}

async fn verify(service: Service<VerifyKeys>, form::Json(it): form::Json<Question>) -> Result<Response> {
    let app = service.app();
    let known = match is_machine_key(KeyKind::Key, &it.key) {
        true => app.known(&digest(&it.key)).await?,
        false => None,
    };
    let Some(known) = known else {
        app.metrics().verdict(Verdict::NotFound);
        return Ok(written(&nobody()));
    };
    let now = app.kit().now();
    let (code, report) = judge(app, &known, it, now).await?;
    app.metrics().verdict(code);
    if code == Verdict::Valid {
        app.used(&known, now);
    }
    Ok(written(&answer(&known, code, report, now)))
}

/// As `axum::Json` would, in one piece: most answers have about 400 bytes.
fn written(it: &Answer<'_>) -> Response {
    let mut body = Vec::with_capacity(640);
    serde_json::to_writer(&mut body, it).expect("words and numbers are JSON");
    let mut response = Response::new(Body::from(body));
    // Room for those that are set on the way out.
    response.headers_mut().reserve(8);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn nobody() -> Answer<'static> {
    Answer {
        valid: false,
        code: Verdict::NotFound,
        key_id: None,
        account: None,
        user: None,
        roles: vec![],
        ratelimit: None,
    }
}

/// The first that applies, and how the rate limit stands then. Only what is valid takes from it.
async fn judge(app: &App, known: &Known, it: Question, now: Time) -> Result<(Verdict, Option<Report>)> {
    let home = &known.seat.home;
    let cost = u64::from(it.cost);
    if let Some(code) = refusal(app, known, it, now).await? {
        return Ok((code, app.peek(home.payer, &home.plan).await?));
    }
    let report = app.take(home.payer, &home.plan, cost).await?;
    let is_limited = report.as_ref().is_some_and(|it| !it.admitted);
    Ok((if is_limited { Verdict::RateLimited } else { Verdict::Valid }, report))
}

/// Why it is refused whatever the rate limit says.
async fn refusal(app: &App, known: &Known, it: Question, now: Time) -> Result<Option<Verdict>> {
    if let Some(fault) = known.fault(now) {
        return Ok(Some(fault));
    }
    let spot = match it.resource {
        Some(named) => Some(app.spot(known.seat.home.id, named).await?),
        None => None,
    };
    let asked = Asked { permission: it.permission, product: it.product };
    if !known.seat.allows(&asked, spot.as_ref().map(Option::as_ref), now) {
        return Ok(Some(Verdict::Forbidden));
    }
    Ok(known.is_spent(now).then_some(Verdict::QuotaExceeded))
}

fn answer(known: &Known, code: Verdict, report: Option<Report>, now: Time) -> Answer<'_> {
    let (seat, home) = (&known.seat, &known.seat.home);
    let is_in = !matches!(code, Verdict::Revoked | Verdict::Expired | Verdict::Suspended);
    Answer {
        valid: code == Verdict::Valid,
        code,
        key_id: Some(known.id),
        account: Some(Account { id: home.id, slug: &home.slug, kind: home.kind, plan: &home.plan }),
        user: seat.user.as_ref().map(|(id, email)| User { id: *id, email }),
        roles: if is_in { seat.roles(now) } else { vec![] },
        ratelimit: report.map(|it| RateLimit {
            limit: it.tightest.limit,
            remaining: it.tightest.remaining,
            reset: whole(it.tightest.reset),
        }),
    }
}
