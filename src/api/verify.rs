//! What gateways ask, for each request that they let pass or do not: answered from memory.
use crate::{
    app::{
        App, form,
        gate::Service,
        limits::{Report, whole},
        routes::Routes,
    },
    error::Result,
    kit::secret::{KeyKind, hash, is_machine_key},
    model::{
        account::Kind,
        id::{AccountId, KeyId, UserId},
        permission::Permission,
        token::VerifyKeys,
        verdict::{Asked, Known, Named, Seat, Verdict},
    },
};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// The call.
pub fn routes() -> Routes {
    Routes::default().post("/api/v1/keys/verify", verify)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    key: String,
    #[serde(default)]
    permission: Option<Permission>,
    #[serde(default)]
    resource: Option<Named>,
    #[serde(default)]
    product: Option<String>,
    #[serde(default = "one")]
    cost: u32,
}

fn one() -> u32 {
    1
}

#[derive(Serialize)]
struct Answer<'a> {
    valid: bool,
    code: Verdict,
    key_id: Option<KeyId>,
    account: Option<Account<'a>>,
    user: Option<User<'a>>,
    roles: Vec<String>,
    ratelimit: Option<RateLimit>,
}

#[derive(Serialize)]
struct Account<'a> {
    id: AccountId,
    slug: &'a str,
    kind: Kind,
    plan: &'a str,
}

#[derive(Serialize)]
struct User<'a> {
    id: UserId,
    email: &'a str,
}

/// How the tightest dimension stands. `reset`: in so many seconds there is more, or enough for what was refused.
#[derive(Serialize)]
struct RateLimit {
    limit: u32,
    remaining: u64,
    reset: u64,
}

async fn verify(service: Service<VerifyKeys>, form::Json(it): form::Json<Question>) -> Result<Response> {
    let app = service.app();
    let known = match is_machine_key(KeyKind::Key, &it.key) {
        true => app.known(&hash(&it.key)).await?,
        false => None,
    };
    let Some(known) = known else { return Ok(Json(nobody()).into_response()) };
    let (code, report) = judge(app, &known, it).await?;
    if code == Verdict::Valid {
        app.use_key(known.id);
    }
    Ok(Json(answer(app, &known, code, report)).into_response())
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
async fn judge(app: &App, known: &Known, it: Question) -> Result<(Verdict, Option<Report>)> {
    let (now, seat) = (app.kit().now(), &*known.seat);
    let refused = match known.fault(now) {
        Some(fault) => Some(fault),
        None => refusal(app, seat, it.permission, it.product, it.resource).await?,
    };
    if let Some(code) = refused {
        return Ok((code, app.peek(seat.payer, &seat.plan).await?));
    }
    let report = app.take(seat.payer, &seat.plan, u64::from(it.cost)).await?;
    let is_limited = report.as_ref().is_some_and(|it| !it.admitted);
    Ok((if is_limited { Verdict::RateLimited } else { Verdict::Valid }, report))
}

async fn refusal(
    app: &App,
    seat: &Seat,
    permission: Option<Permission>,
    product: Option<String>,
    resource: Option<Named>,
) -> Result<Option<Verdict>> {
    let spot = match resource {
        Some(named) => Some(app.spot(seat.account, named).await?),
        None => None,
    };
    let now = app.kit().now();
    let asked = Asked { permission, product };
    if !seat.allows(&asked, spot.as_ref().map(Option::as_ref), now) {
        return Ok(Some(Verdict::Forbidden));
    }
    let product = spot.as_ref().and_then(Option::as_ref).map(|it| it.product.as_str());
    let is_spent = seat.is_spent(product.or(asked.product.as_deref()), now);
    Ok(is_spent.then_some(Verdict::QuotaExceeded))
}

fn answer<'a>(app: &App, known: &'a Known, code: Verdict, report: Option<Report>) -> Answer<'a> {
    let seat = &*known.seat;
    let is_in = !matches!(code, Verdict::Revoked | Verdict::Expired | Verdict::Suspended);
    Answer {
        valid: code == Verdict::Valid,
        code,
        key_id: Some(known.id),
        account: Some(Account { id: seat.account, slug: &seat.slug, kind: seat.kind, plan: &seat.plan }),
        user: seat.user.as_ref().map(|(id, email)| User { id: *id, email }),
        roles: if is_in { seat.roles(app.kit().now()) } else { vec![] },
        ratelimit: report.map(|it| RateLimit {
            limit: it.tightest.limit,
            remaining: it.tightest.remaining,
            reset: whole(it.tightest.reset),
        }),
    }
}
