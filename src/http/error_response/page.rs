//! Errors as people read them: a page that says what to do next.
use super::{problem::redirect_to_slug, title};
use crate::{
    error::{Error, SignInMethod, SignInReason, SignInRequired},
    http::{App, return_to, sign_in::session_cookie},
    model::{access::Access, grant::Grant, id::ResourceId, permission::Permission},
    store::{
        Client, Scope,
        access::{self, Credential},
        members,
        sessions::secret_hash,
    },
    view::{cookie, error_pages, page::Page},
};
use axum::{
    http::{Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use tower_sessions::session::Id;

/// How many people are named who can give a permission.
const MAX_NAMED: i64 = 5;

/// `reference` finds the error in the log.
pub async fn page(app: &App, error: &Error, asked: &Parts, reference: &str) -> Response {
    let page = Page::of(&asked.headers, &asked.uri, app.page_config()).with(error.status());
    match error {
        Error::Unauthenticated => redirect_to_sign_in(&page, asked),
        Error::SlugChanged(slug) => redirect_to_slug(slug, &asked.uri),
        Error::AccessDenied { code: access::SECOND_FACTOR, detail } => {
            let next = return_to::encoded(&return_to::address(asked, app));
            let step = format!("/sign-in/second?next={next}");
            page.whole("A second factor is needed", |frame| error_pages::second_factor(frame, detail, &step))
        }
        Error::MissingPermission(permission) => missing_permission(app, *permission, asked, &page)
            .await
            .unwrap_or_else(|| plain(&page, error, None)),
        Error::SignInRequired(required) => sign_in_required(&page, required, asked, app),
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
        Error::Internal(_) => plain(&page, error, Some(reference)),
        Error::AccessDenied { .. }
        | Error::Validation(_)
        | Error::Conflict { .. }
        | Error::VersionMismatch
        | Error::IdempotencyKeyReused
        | Error::BadRequest { .. }
        | Error::ReauthRequired => plain(&page, error, None),
    }
}

fn plain(page: &Page, error: &Error, reference: Option<&str>) -> Response {
    let (status, sentence) = (error.status(), error.to_string());
    page.whole(title(error), |frame| error_pages::failed(frame, status, title(error), &sentence, reference))
}

/// Leads to the sign-in that the account asks for, which comes back to this address.
fn sign_in_required(page: &Page, required: &SignInRequired, asked: &Parts, app: &App) -> Response {
    let next = return_to::encoded(&return_to::address(asked, app));
    let (label, href) = match required.way {
        SignInMethod::Own => ("Sign in as yourself".to_owned(), format!("/sign-in?own=1&next={next}")),
        SignInMethod::Password => {
            ("Sign in with your password".to_owned(), format!("/sign-in?own=1&next={next}"))
        }
        SignInMethod::Google => ("Continue with Google".to_owned(), format!("/auth/google?next={next}")),
        SignInMethod::Github => ("Continue with GitHub".to_owned(), format!("/auth/github?next={next}")),
        SignInMethod::Sso => {
            let fresh = if required.why == SignInReason::Stale { "fresh=1&" } else { "" };
            let href = format!("/sso/{}?{fresh}next={next}", required.slug);
            (format!("Continue with {} SSO", required.name), href)
        }
    };
    let body = error_pages::SignInRequired {
        sentence: required.to_string(),
        go: error_pages::Link { label, href },
        own: matches!(required.why, SignInReason::Own),
    };
    page.solo(title(&Error::SignInRequired(Box::new(required.clone()))), None, body)
        .unwrap_or_else(|_| StatusCode::FORBIDDEN.into_response())
}

/// To the sign-in page and back. htmx would follow a redirect and put that page into a fragment: it is told to navigate.
fn redirect_to_sign_in(page: &Page, asked: &Parts) -> Response {
    let location = if asked.method == Method::GET && asked.uri.path() != "/" {
        format!("/sign-in?next={}", return_to::encoded(page.address()))
    } else {
        "/sign-in".to_owned()
    };
    let mut response = page.to(&location);
    if page.is_htmx() {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        if let Some(location) = response.headers_mut().remove(header::LOCATION) {
            response.headers_mut().insert("hx-redirect", location);
        }
    }
    response
}

/// Keeps the frame of the account, and names what is missing, who can give it and why; a member can ask for it. `None` if that
/// cannot be read.
async fn missing_permission(
    app: &App,
    permission: Permission,
    asked: &Parts,
    page: &Page,
) -> Option<Response> {
    let mut segments = asked.uri.path().strip_prefix("/a/")?.split('/');
    let slug = segments.next()?;
    // A grant over this resource would be enough, if the address is that of one.
    let resource = segments.next().filter(|segment| *segment == "resources").and(segments.next());
    let resource = resource.filter(|id| permission.is_of_resources() && id.parse::<ResourceId>().is_ok());
    // The session layer is further inside: the cookie is read here.
    let session: Id = cookie::get(&asked.headers, session_cookie(app))?.parse().ok()?;
    let credential = Credential::Session(secret_hash(session));
    let mut conn = app.0.db.read().await.ok()?;
    let (actor, access) = access::find(&mut conn, &credential, slug, app.context().now()).await.ok()?;
    drop(conn);
    let mut scope = Scope::read(&app.0.db, actor, access, app.context(), &Client::default());
    let can_be_granted = permission != Permission::TransferAccount;
    let account = scope.access().account.id;
    let leaders =
        if can_be_granted { members::leaders(&mut scope, account, MAX_NAMED).await.ok()? } else { vec![] };
    let givers = leaders.into_iter().map(|leader| leader.name).collect();
    let body = forbidden(scope.access(), permission, resource, givers);
    page.show(&mut scope, "Not allowed", body).await.ok()
}

fn forbidden(
    access: &Access,
    permission: Permission,
    resource: Option<&str>,
    givers: Vec<String>,
) -> error_pages::Forbidden {
    let description = permission.description();
    let act = description[..1].to_lowercase() + &description[1..];
    let base = format!("/a/{}", access.account.slug);
    let query = resource.map(|id| format!("&resource={id}")).unwrap_or_default();
    let may_ask = access.membership.is_some() && permission != Permission::TransferAccount;
    error_pages::Forbidden {
        act,
        account: access.account.name.clone(),
        permission: permission.key().into(),
        roles: access.rights.grants.iter().map(Grant::title).collect(),
        givers,
        why: Some(format!("{base}/why?permission={}{query}", permission.key())),
        ask: may_ask.then(|| format!("{base}/requests")),
        resource: resource.unwrap_or_default().to_owned(),
    }
}
