//! Whole pages and partials. Only this module looks at `HX-Request`; handlers do not.
use super::{
    cookie::{self, Visibility},
    nav,
    shell::{self, Frame, Theme, Toast, Undo},
};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        account::Kind,
        actor::{Actor, UserSummary},
        catalog::Catalog,
        time,
    },
    store::{
        Scope, SignedInUser,
        shell::{SwitcherRow, switcher},
    },
};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// The settings of the installation that pages need.
#[derive(Clone, Debug)]
pub struct PageConfig {
    /// Whether mails are kept in the database and shown at `/dev/mail`.
    pub has_mailbox: bool,
    /// Whether the base URL is https, so that cookies are `Secure`.
    pub is_https: bool,
    pub max_organizations_per_user: u32,
    pub catalog: Arc<Catalog>,
}

/// How a request wants to be answered.
#[derive(Clone, Debug)]
pub struct Page {
    uri: Uri,
    /// Only the content of `#page`, without the frame around it.
    is_partial: bool,
    is_htmx: bool,
    theme: Theme,
    zone: Option<String>,
    toast: Option<Toast>,
    config: Arc<PageConfig>,
    status: StatusCode,
}

/// Scopes whose pages have the frame of a signed-in user, with or without an account.
pub trait Framed: Send + Sync {
    fn access(&self) -> Option<&Access>;
}
impl Framed for Access {
    fn access(&self) -> Option<&Access> {
        Some(self)
    }
}
impl Framed for SignedInUser {
    fn access(&self) -> Option<&Access> {
        None
    }
}

const TOAST: &str = "toast";

impl Page {
    pub fn of(headers: &HeaderMap, uri: &Uri, config: &Arc<PageConfig>) -> Page {
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        let is_htmx = is("hx-request", "true");
        let toast = cookie::get(headers, TOAST)
            .and_then(|text| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok());
        Page {
            uri: uri.clone(),
            is_partial: is_htmx
                && !is("hx-request-type", "full")
                && !is("hx-history-restore-request", "true"),
            is_htmx,
            theme: Theme::from_cookie(&cookie::get(headers, "theme").unwrap_or_default()),
            zone: cookie::get(headers, "tz").map(|zone| zone.replace("%2F", "/")),
            toast,
            config: config.clone(),
            status: StatusCode::OK,
        }
    }
    pub fn is_htmx(&self) -> bool {
        self.is_htmx
    }
    /// The path and query of the request.
    pub fn address(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }
    /// The zone for times: the one that the user chose, else the browser's, else UTC.
    pub fn zone(&self, chosen: Option<&str>) -> TimeZone {
        time::zone(self.zone_name(chosen))
    }
    fn zone_name<'a>(&'a self, chosen: Option<&'a str>) -> &'a str {
        chosen.or(self.zone.as_deref()).unwrap_or("UTC")
    }
    /// With another status than 200, such as for a form that is shown again with its errors.
    #[must_use]
    pub fn with(mut self, status: u16) -> Page {
        self.status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self
    }
    fn frame(&self, title: &str) -> Frame {
        let mailbox = self.config.has_mailbox;
        Frame { title: title.to_owned(), theme: self.theme, toast: self.toast.clone(), mailbox }
    }
    /// In the frame of a signed-in user.
    pub async fn show<A: Framed>(
        &self,
        scope: &mut Scope<A>,
        title: &str,
        partial: impl Template,
    ) -> Result<Response> {
        let body = render(&partial)?;
        if self.is_partial {
            return Ok(self.answer(shell::partial(&self.frame(title), &body)));
        }
        let accounts = match scope.actor().user_id() {
            Some(user) => switcher(scope, user).await?,
            None => vec![],
        };
        Ok(self.framed(scope.actor(), scope.access().access(), &accounts, title, &body))
    }
    /// As `show`, for handlers that read the accounts of the switcher already.
    pub fn show_with_accounts<A: Framed>(
        &self,
        scope: &Scope<A>,
        accounts: &[SwitcherRow],
        title: &str,
        partial: impl Template,
    ) -> Result<Response> {
        let body = render(&partial)?;
        if self.is_partial {
            return Ok(self.answer(shell::partial(&self.frame(title), &body)));
        }
        Ok(self.framed(scope.actor(), scope.access().access(), accounts, title, &body))
    }
    fn framed(
        &self,
        actor: &Actor,
        access: Option<&Access>,
        accounts: &[SwitcherRow],
        title: &str,
        body: &str,
    ) -> Response {
        // A session of single sign-on is for one organization: the user's other accounts are hidden.
        let within = access.filter(|_| actor.is_by_provider()).map(|access| access.account.top());
        let is_shown = |row: &&SwitcherRow| {
            within.is_none_or(|top| row.id == top || row.parent_id == Some(top) || row.kind == Kind::Personal)
        };
        let accounts: Vec<&SwitcherRow> = accounts.iter().filter(is_shown).collect();
        let limit = self.config.max_organizations_per_user;
        let shell = nav::shell(actor.user(), access, &accounts, self.uri.path(), &self.config.catalog, limit);
        self.answer(shell::page(&self.frame(title), &shell, body))
    }
    /// For signed-out visitors: a form beside the picture of the street.
    pub fn plain(&self, title: &str, partial: impl Template) -> Result<Response> {
        let body = render(&partial)?;
        let frame = self.frame(title);
        let html = if self.is_partial { shell::partial(&frame, &body) } else { shell::plain(&frame, &body) };
        Ok(self.answer(html))
    }
    /// A single card with one question, for visitors who may or may not be signed in.
    pub fn solo(&self, title: &str, user: Option<&UserSummary>, partial: impl Template) -> Result<Response> {
        let body = render(&partial)?;
        let frame = self.frame(title);
        let shell_user =
            user.map(|user| shell::ShellUser { name: user.name.clone(), email: user.email.clone() });
        let html = if self.is_partial {
            shell::partial(&frame, &body)
        } else {
            shell::solo(&frame, shell_user.as_ref(), &body)
        };
        Ok(self.answer(html))
    }
    /// A page that draws its own frame, such as an error page.
    pub fn whole(&self, title: &str, draw: impl FnOnce(&Frame) -> String) -> Response {
        self.answer(draw(&self.frame(title)))
    }
    fn answer(&self, html: String) -> Response {
        let mut response = (self.status, Html(html)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("HX-Request, HX-Request-Type, Cookie"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        if self.toast.is_some() {
            self.set_cookie(headers, TOAST, "", 0);
        }
        response
    }
    /// Redirects to a page.
    pub fn to(&self, path: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(to) = HeaderValue::from_str(path) {
            response.headers_mut().insert(header::LOCATION, to);
        }
        response
    }
    /// Redirects to a page that shows once what was done.
    pub fn done(&self, path: &str, text: impl Into<String>) -> Response {
        self.toasted(path, &Toast { text: text.into(), ..Toast::default() })
    }
    /// As `done`, with a button to undo it.
    pub fn undoable(&self, path: &str, text: impl Into<String>, undo: Undo) -> Response {
        self.toasted(path, &Toast { text: text.into(), undo: Some(undo), ..Toast::default() })
    }
    /// Redirects to a page that shows once what failed.
    pub fn failed(&self, path: &str, text: impl Into<String>) -> Response {
        self.toasted(path, &Toast { text: text.into(), bad: true, ..Toast::default() })
    }
    /// The page to which this response redirects shows the text once.
    pub fn saying(&self, response: Response, text: impl Into<String>) -> Response {
        self.with_toast(response, &Toast { text: text.into(), ..Toast::default() })
    }
    fn toasted(&self, path: &str, toast: &Toast) -> Response {
        self.with_toast(self.to(path), toast)
    }
    fn with_toast(&self, mut response: Response, toast: &Toast) -> Response {
        let text = crate::model::text::shorten(&toast.text, 600);
        let json = serde_json::to_vec(&Toast { text, ..toast.clone() }).unwrap_or_default();
        self.set_cookie(response.headers_mut(), TOAST, &BASE64_URL_SAFE_NO_PAD.encode(json), 60);
        response
    }
    /// A cookie for this site alone, which scripts cannot read.
    pub fn set_cookie(&self, headers: &mut HeaderMap, name: &str, value: &str, seconds: u32) {
        cookie::set(headers, (name, value), seconds, Visibility::HttpOnly, self.config.is_https);
    }
    /// Kept for a year. Scripts can read this cookie, because they change the theme too.
    pub fn set_theme(&self, headers: &mut HeaderMap, theme: Theme) {
        let year = 365 * 86_400;
        cookie::set(headers, ("theme", theme.as_str()), year, Visibility::Scripts, self.config.is_https);
    }
}

pub fn render(partial: &impl Template) -> Result<String> {
    let mut text = String::with_capacity(shell::PAGE_CAPACITY);
    partial.render_into(&mut text).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(text)
}

/// A download. The name has only letters, digits, dots and hyphens.
pub fn attachment(name: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, disposition.as_str()),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    (headers, bytes).into_response()
}
