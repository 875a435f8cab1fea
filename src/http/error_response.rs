//! How an error is told: a page to a person, a problem document (RFC 9457) to a program. Handlers only return it; the layer
//! here, which knows the request, writes the answer.
use super::{
    App,
    client::cookie,
    middleware::{self, NO_STORE, Next, REQUEST_ID},
    return_to,
    sign_in::session_cookie,
};
use crate::{
    error::{Asked, Detour, Error, Fault, Way},
    model::{access::Entry, id::ResourceId, permission::Permission},
    store::{
        Client, Scope,
        access::{self, Credential},
        members,
        sessions::secret_hash,
    },
};
use crate::{
    gateway::rate_limit::{Policy, Report, fields, whole},
    view::{error_pages, page::Page},
};
use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, Request as Bare, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tower_sessions::session::Id;

#[derive(Clone)]
struct Told(Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Told(Arc::new(self)));
        response
    }
}

/// Where a gate says how the rate limit stands, for the answer.
#[derive(Clone, Default)]
struct Limited(Arc<OnceLock<(Report, Policy)>>);

/// The answer to this request says how the rate limit stands; or that is all that it says.
pub(super) fn limited(parts: &Parts, (report, policy): (Report, Policy)) -> Result<(), Error> {
    let refusal = (!report.admitted).then(|| Error::TooMany(Duration::from_secs(whole(report.retry))));
    if let Some(Limited(place)) = parts.extensions.get() {
        // One request has one key.
        let _ = place.set((report, policy));
    }
    refusal.map_or(Ok(()), Err)
}

/// Writes out the error that a handler or a gate returned, and how the rate limit stands.
pub async fn told(app: &App, request: Request, next: impl Next) -> Response {
    let path = request.uri().path();
    let is_program = ["/api/", "/scim/", "/webhooks/"].iter().any(|it| path.starts_with(it))
        && !path.starts_with("/api/docs");
    let (mut parts, body) = request.into_parts();
    let limited = Limited::default();
    if is_program {
        parts.extensions.insert(limited.clone());
    }
    let asked = parts.clone();
    let response = middleware::guarded(app, Request::from_parts(parts, body), next).await;
    let mut told = tell(app, asked, response, is_program).await;
    if let Some((report, policy)) = limited.0.get() {
        for (name, value) in fields(report, policy) {
            told.headers_mut()
                .extend(HeaderValue::from_str(&value).ok().map(|it| (HeaderName::from_static(name), it)));
        }
    }
    told
}

async fn tell(app: &App, asked: Parts, mut response: Response, is_program: bool) -> Response {
    let Some(error) = untold(&mut response) else {
        if is_program {
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert(NO_STORE);
        }
        return response;
    };
    let reference = asked.headers.get(REQUEST_ID).and_then(|it| it.to_str().ok()).unwrap_or_default();
    log(&error, &asked.method, reference);
    let mut told =
        if is_program { problem(&error, &asked) } else { person(app, &error, &asked, reference).await };
    delay(&error, &mut told);
    // Cookies that were set on the way stay set; a refused method is told with those that are taken.
    for name in [header::SET_COOKIE, header::ALLOW] {
        for value in response.headers().get_all(&name) {
            told.headers_mut().append(&name, value.clone());
        }
    }
    told
}

/// The error that a handler or a gate returned, if it is still to be told.
pub(super) fn untold(response: &mut Response) -> Option<Arc<Error>> {
    response.extensions_mut().remove::<Told>().map(|it| it.0)
}

/// What a program is told of an error, where its address holds no slug and no query.
pub(super) fn to_program(error: &Error, method: &Method, path: &'static str, id: &HeaderValue) -> Response {
    log(error, method, id.to_str().unwrap_or_default());
    let (mut asked, ()) = Bare::new(()).into_parts();
    asked.uri = Uri::from_static(path);
    let mut told = problem(error, &asked);
    delay(error, &mut told);
    told
}

fn log(error: &Error, method: &Method, reference: &str) {
    if let Error::Internal(cause) | Error::Unavailable(cause) = error {
        tracing::error!(cause, reference, %method, "a request failed");
    }
}

fn delay(error: &Error, told: &mut Response) {
    if let Some(seconds) = retry_after(error) {
        told.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn retry_after(error: &Error) -> Option<u64> {
    match error {
        Error::TooMany(after) => Some(after.as_secs().max(1)),
        Error::Unavailable(_) => Some(5),
        _ => None,
    }
}

/// A problem document.
pub fn problem(error: &Error, asked: &Parts) -> Response {
    if let Error::Moved(slug) = error {
        return moved(slug, asked);
    }
    let pointer = |it: &Fault| {
        let pointer = if it.field.is_empty() { String::new() } else { format!("/{}", it.field) };
        json!({ "pointer": pointer, "code": it.code, "detail": it.detail })
    };
    let mut body = json!({
        "type": format!("/api/docs/problems#{}", error.code()),
        "title": title(error),
        "status": error.status(),
        "code": error.code(),
        "detail": error.to_string(),
    });
    if let Error::Invalid(faults) = error {
        body["errors"] = faults.iter().map(pointer).collect();
    }
    if let Error::Forbidden(permission) = error {
        body["permission"] = json!(permission);
    }
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"guildhall\""));
    }
    response
}

fn title(error: &Error) -> &'static str {
    match error {
        Error::SignedOut => "Not signed in",
        Error::Forbidden(_) | Error::Barred { .. } | Error::Stale => "Not allowed",
        Error::Detour(_) => "Another sign-in is needed",
        Error::NotFound | Error::Moved(_) => "Not found",
        Error::Invalid(_) => "Some fields need another look",
        Error::Conflict { .. } => "Not possible as things stand",
        Error::Changed => "Changed meanwhile",
        Error::Reused => "Used for another request",
        Error::TooMany(_) => "Too many tries",
        Error::Malformed { status: 405, .. } => "Method not allowed",
        Error::Malformed { status: 413, .. } => "Too large",
        Error::Malformed { .. } => "The request could not be read",
        Error::Unavailable(_) => "Not available right now",
        Error::Internal(_) => "Something went wrong",
    }
}

/// The same address with the account's slug of today.
fn moved(slug: &str, asked: &Parts) -> Response {
    let path = asked.uri.path_and_query().map_or("/", |it| it.as_str());
    let marker = if path.starts_with("/api/") { "/accounts/" } else { "/a/" };
    let to = path.split_once(marker).map(|(before, rest)| {
        let rest = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
        format!("{before}{marker}{slug}{rest}")
    });
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    if let Some(to) = to.and_then(|it| HeaderValue::from_str(&it).ok()) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

async fn person(app: &App, error: &Error, asked: &Parts, reference: &str) -> Response {
    let page = Page::of(&asked.headers, &asked.uri, app).with(error.status());
    match error {
        Error::SignedOut => sign_in(&page, asked),
        Error::Moved(slug) => moved(slug, asked),
        Error::Barred { code: access::SECOND_FACTOR, detail } => {
            let step =
                format!("/sign-in/second?next={}", return_to::encoded(&return_to::address(asked, app)));
            page.whole("A second factor is needed", |frame| error_pages::second_factor(frame, detail, &step))
        }
        Error::Forbidden(_) | Error::Barred { .. } => match inside(app, error, asked, &page).await {
            Some(response) => response,
            None => failed(&page, error, None),
        },
        Error::Detour(it) => detour(&page, it, asked, app),
        Error::NotFound => {
            let home = error_pages::Link { label: "Go to your account".into(), href: "/".into() };
            page.whole("Not found", |frame| error_pages::not_found(frame, &home))
        }
        Error::TooMany(after) => {
            page.whole("Too many tries", |frame| error_pages::too_many(frame, after.as_secs()))
        }
        Error::Unavailable(_) => {
            page.whole("Not available right now", |frame| error_pages::unavailable(frame, 5))
        }
        Error::Internal(_) => failed(&page, error, Some(reference)),
        Error::Invalid(_)
        | Error::Conflict { .. }
        | Error::Changed
        | Error::Reused
        | Error::Malformed { .. }
        | Error::Stale => failed(&page, error, None),
    }
}

fn failed(page: &Page, error: &Error, reference: Option<&str>) -> Response {
    let (status, sentence) = (error.status(), error.to_string());
    page.whole(title(error), |frame| error_pages::failed(frame, status, title(error), &sentence, reference))
}

/// Offers the sign-in that is asked for, and comes back to where one was.
fn detour(page: &Page, door: &Detour, asked: &Parts, app: &App) -> Response {
    let next = return_to::encoded(&return_to::address(asked, app));
    let (label, href) = match door.way {
        Way::Own => ("Sign in as yourself".to_owned(), format!("/sign-in?own=1&next={next}")),
        Way::Password => ("Sign in with your password".to_owned(), format!("/sign-in?own=1&next={next}")),
        Way::Google => ("Continue with Google".to_owned(), format!("/auth/google?next={next}")),
        Way::Github => ("Continue with GitHub".to_owned(), format!("/auth/github?next={next}")),
        Way::Sso => {
            let fresh = if door.why == Asked::Stale { "fresh=1&" } else { "" };
            (format!("Continue with {} SSO", door.name), format!("/sso/{}?{fresh}next={next}", door.slug))
        }
    };
    let body = error_pages::Detour {
        sentence: door.to_string(),
        go: error_pages::Link { label, href },
        own: matches!(door.why, Asked::Own),
    };
    let status = StatusCode::FORBIDDEN;
    page.solo(title(&Error::Detour(Box::new(door.clone()))), None, body)
        .unwrap_or_else(|_| status.into_response())
}

/// To sign in, and back again. htmx would put the sign-in page into the fragment: it is told to go there.
fn sign_in(page: &Page, asked: &Parts) -> Response {
    let back = if asked.method == Method::GET && asked.uri.path() != "/" {
        let next: String = url::form_urlencoded::byte_serialize(page.address().as_bytes()).collect();
        format!("/sign-in?next={}", next.replace("%2F", "/"))
    } else {
        "/sign-in".to_owned()
    };
    let mut response = page.to(&back);
    if page.by_htmx() {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        if let Some(to) = response.headers_mut().remove(header::LOCATION) {
            response.headers_mut().insert("hx-redirect", to);
        }
    }
    response
}

/// A 403 keeps the frame of the account: it names what is missing, who can give it, why, and lets a member ask for it. None if
/// even that cannot be read.
async fn inside(app: &App, error: &Error, asked: &Parts, page: &Page) -> Option<Response> {
    let Error::Forbidden(permission) = error else { return None };
    let mut words = asked.uri.path().strip_prefix("/a/")?.split('/');
    let slug = words.next()?;
    // What a grant could be over, if the address is that of a resource.
    let resource = words.next().filter(|it| *it == "resources").and(words.next());
    let resource = resource.filter(|it| permission.is_of_resources() && it.parse::<ResourceId>().is_ok());
    // This layer stands outside of that of the sessions: it reads the cookie itself.
    let id: Id = cookie(&asked.headers, session_cookie(app))?.parse().ok()?;
    let by = Credential::Session(secret_hash(id));
    let who: Entry = access::find(&mut app.0.db.read().await.ok()?, &by, slug, app.kit().now()).await.ok()?;
    let mut scope = Scope::read(&app.0.db, who, app.kit(), &Client::default());
    let may_be_given = *permission != Permission::TransferAccount;
    let givers = if may_be_given { members::leaders(&mut scope).await.ok()? } else { vec![] };
    let who = scope.who();
    let says = permission.says();
    let act = says[..1].to_lowercase() + &says[1..];
    let base = format!("/a/{}", who.here.slug);
    let about = resource.map(|it| format!("&resource={it}")).unwrap_or_default();
    let may_ask = who.membership.is_some() && may_be_given;
    let body = error_pages::Forbidden {
        act,
        account: who.here.name.clone(),
        permission: permission.key().into(),
        roles: who.rights.grants.iter().map(crate::model::grant::Grant::title).collect(),
        givers,
        why: Some(format!("{base}/why?permission={}{about}", permission.key())),
        ask: may_ask.then(|| format!("{base}/requests")),
        resource: resource.unwrap_or_default().to_owned(),
    };
    page.show(&mut scope, "Not allowed", body).await.ok()
}
