//! A page or its partial: decided here, from the request, and nowhere else. Handlers never look at `HX-Request`.
use super::{
    nav,
    shell::{self, Frame, Theme, Toast, Undo},
};
use crate::http::{App, client::cookie};
use crate::{
    error::{Error, Result},
    model::{
        access::{Entry, Person},
        account::Kind,
        time::{self, Time},
    },
    store::{
        Me, Scope, Who,
        shell::{Seat, seats},
    },
};
use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::tz::TimeZone;
use std::cell::RefCell;
use uuid::Uuid;

/// What a request says about how it wants to be answered.
#[derive(Clone, Debug)]
pub struct Page {
    uri: Uri,
    bare: bool,
    by_htmx: bool,
    theme: Theme,
    zone: Option<String>,
    toast: Option<Toast>,
    mailbox: bool,
    https: bool,
    limit: u32,
    catalog: std::sync::Arc<crate::model::catalog::Catalog>,
    status: StatusCode,
}

/// Who a page can be framed for.
pub trait Framed: Who {
    /// Who is signed in.
    fn person(&self) -> &Person;
    /// In which account.
    fn entry(&self) -> Option<&Entry>;
}
impl Framed for Entry {
    fn person(&self) -> &Person {
        &self.person
    }
    fn entry(&self) -> Option<&Entry> {
        Some(self)
    }
}
impl Framed for Me {
    fn person(&self) -> &Person {
        &self.person
    }
    fn entry(&self) -> Option<&Entry> {
        None
    }
}

const TOAST: &str = "toast";

thread_local! {
    /// Where the inside of a page is written before it is put into its frame: each time in the same room.
    static INSIDE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl FromRequestParts<App> for Page {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Page::of(&parts.headers, &parts.uri, app))
    }
}

impl Page {
    /// From a request's head.
    pub fn of(headers: &HeaderMap, uri: &Uri, app: &App) -> Page {
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|it| it == value);
        let by_htmx = is("hx-request", "true");
        let toast = cookie(headers, TOAST)
            .and_then(|it| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(it).ok()?).ok());
        Page {
            uri: uri.clone(),
            bare: by_htmx && !is("hx-request-type", "full") && !is("hx-history-restore-request", "true"),
            by_htmx,
            theme: Theme::from_cookie(cookie(headers, "theme").unwrap_or_default()),
            zone: cookie(headers, "tz").map(|it| it.replace("%2F", "/")),
            toast,
            mailbox: app.has_mailbox(),
            https: app.kit().rules.is_https(),
            limit: app.kit().rules.max_organizations_per_user,
            catalog: app.kit().catalog.clone(),
            status: StatusCode::OK,
        }
    }
    /// Whether htmx asked.
    pub fn by_htmx(&self) -> bool {
        self.by_htmx
    }
    /// The path and query that were asked for.
    pub fn address(&self) -> &str {
        self.uri.path_and_query().map_or("/", |it| it.as_str())
    }
    /// The zone in which the viewer's times are shown: their own choice, else the browser's, else UTC.
    pub fn zone(&self, chosen: Option<&str>) -> TimeZone {
        time::zone(self.zone_name(chosen))
    }
    fn zone_name<'a>(&'a self, chosen: Option<&'a str>) -> &'a str {
        chosen.or(self.zone.as_deref()).unwrap_or("UTC")
    }
    /// The same page with another status: a form that was refused is shown again with what was typed.
    #[must_use]
    pub fn with(mut self, status: u16) -> Page {
        self.status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self
    }
    fn frame(&self, title: &str) -> Frame {
        Frame { title: title.to_owned(), theme: self.theme, toast: self.toast.clone(), mailbox: self.mailbox }
    }
    /// In the frame of the signed-in user.
    pub async fn show<W: Framed>(
        &self,
        scope: &mut Scope<W>,
        title: &str,
        partial: impl Template,
    ) -> Result<Response> {
        if self.bare {
            return Ok(self.answer(shell::partial(&self.frame(title), &render(&partial)?)));
        }
        let user = scope.who().person().id;
        let seats = seats(scope, user).await?;
        self.show_among(scope, &seats, title, partial)
    }
    /// The same, where the seats of the signed-in user were read already.
    pub fn show_among<W: Framed>(
        &self,
        scope: &Scope<W>,
        seats: &[Seat],
        title: &str,
        partial: impl Template,
    ) -> Result<Response> {
        if self.bare {
            return Ok(self.answer(shell::partial(&self.frame(title), &render(&partial)?)));
        }
        INSIDE.with_borrow_mut(|inside| {
            inside.clear();
            partial.render_into(inside).map_err(|it| Error::Internal(it.to_string()))?;
            Ok(self.framed(scope, seats, title, inside))
        })
    }
    /// The same for a page that many ask for at the same time: its inside is drawn once for all who see the same at this
    /// address. `draw` tells of whom it tells, besides the account and who asks.
    pub async fn show_drawn(
        &self,
        scope: &mut Scope,
        title: &str,
        draw: impl AsyncFnOnce(&mut Scope) -> Result<(String, Vec<Uuid>)>,
    ) -> Result<Response> {
        let zone = scope.who().time_zone.clone();
        let words = [self.address().as_bytes(), self.zone_name(zone.as_deref()).as_bytes()];
        let inside = scope.drawn(&words, draw).await?;
        if self.bare {
            return Ok(self.answer(shell::partial(&self.frame(title), &inside)));
        }
        let user = scope.who().person.id;
        let seats = seats(scope, user).await?;
        Ok(self.framed(scope, &seats, title, &inside))
    }
    fn framed<W: Framed>(&self, scope: &Scope<W>, seats: &[Seat], title: &str, inside: &str) -> Response {
        let who = scope.who();
        // A provider vouches for one organization: what else the person has is not shown.
        let within = who.entry().and_then(Entry::only_within);
        let is_shown = |it: &&Seat| {
            within.is_none_or(|top| it.id == top || it.parent_id == Some(top) || it.kind == Kind::Personal)
        };
        let seats: Vec<&Seat> = seats.iter().filter(is_shown).collect();
        let shell = nav::shell(who.person(), who.entry(), &seats, self.uri.path(), &self.catalog, self.limit);
        self.answer(shell::page(&self.frame(title), &shell, inside))
    }
    /// Signed out: a form beside the picture of the street.
    pub fn plain(&self, title: &str, partial: impl Template) -> Result<Response> {
        let body = render(&partial)?;
        let frame = self.frame(title);
        let html = if self.bare { shell::partial(&frame, &body) } else { shell::plain(&frame, &body) };
        Ok(self.answer(html))
    }
    /// One card, for one question, to somebody who may be signed in.
    pub fn solo(&self, title: &str, person: Option<&Person>, partial: impl Template) -> Result<Response> {
        let body = render(&partial)?;
        let frame = self.frame(title);
        let person = person.map(|it| shell::Person { name: it.name.clone(), email: it.email.clone() });
        let html = if self.bare {
            shell::partial(&frame, &body)
        } else {
            shell::solo(&frame, person.as_ref(), &body)
        };
        Ok(self.answer(html))
    }
    /// A page that is whole already: the pages of errors.
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
    /// On to another page.
    pub fn to(&self, path: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(to) = HeaderValue::from_str(path) {
            response.headers_mut().insert(header::LOCATION, to);
        }
        response
    }
    /// On to another page, which says once what was done.
    pub fn done(&self, path: &str, text: impl Into<String>) -> Response {
        self.toasted(path, &Toast { text: text.into(), ..Toast::default() })
    }
    /// The same, with a way back.
    pub fn undoable(&self, path: &str, text: impl Into<String>, undo: Undo) -> Response {
        self.toasted(path, &Toast { text: text.into(), undo: Some(undo), ..Toast::default() })
    }
    /// On to another page, which says once what was not done.
    pub fn failed(&self, path: &str, text: impl Into<String>) -> Response {
        self.toasted(path, &Toast { text: text.into(), bad: true, ..Toast::default() })
    }
    /// The same answer, and the page to which it leads says this once.
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
    /// A cookie of this site alone, which scripts cannot read.
    pub fn set_cookie(&self, headers: &mut HeaderMap, name: &str, value: &str, seconds: u32) {
        self.append_cookie(headers, name, value, seconds, "; HttpOnly");
    }
    /// The viewer's colours, for a year. The script changes them too: it can read this one.
    pub fn set_theme(&self, headers: &mut HeaderMap, theme: Theme) {
        self.append_cookie(headers, "theme", theme.word(), 365 * 86_400, "");
    }
    fn append_cookie(&self, headers: &mut HeaderMap, name: &str, value: &str, seconds: u32, rest: &str) {
        let secure = if self.https { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}{rest}; SameSite=Lax{secure}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// The inside of a page.
pub fn render(partial: &impl Template) -> Result<String> {
    let mut text = String::with_capacity(shell::ROOM);
    partial.render_into(&mut text).map_err(|it| Error::Internal(it.to_string()))?;
    Ok(text)
}

/// A file to be saved under a name of letters, digits, dots and hyphens.
pub fn attachment(name: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, disposition.as_str()),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    (headers, bytes).into_response()
}

/// An instant as a template shows it: `{{ ui::time(at.iso, at.text) }}`.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// For machines.
    pub iso: String,
    /// For people.
    pub text: String,
}

impl When {
    /// `Nov 21, 2026`.
    pub fn day(at: Time, zone: &TimeZone) -> When {
        let [iso, text] = at.date_and_day(zone);
        When { iso, text }
    }
    /// `Nov 21, 2026, 14:32`.
    pub fn minute(at: Time, zone: &TimeZone) -> When {
        When { iso: at.iso(), text: at.minute(zone) }
    }
    /// `Nov 21, 2026, 14:32:08`.
    pub fn second(at: Time, zone: &TimeZone) -> When {
        When { iso: at.iso(), text: at.second(zone) }
    }
}

/// What is wrong with a form's fields, as its template asks: `faults.of("name")`.
#[derive(Clone, Debug, Default)]
pub struct Faults(pub Vec<crate::error::Fault>);

impl Faults {
    /// What is wrong with this field; empty if nothing is.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|it| it.field == field).map_or("", |it| &it.detail)
    }
    /// What is wrong with fields that have no place of their own in the form.
    pub fn beside(&self, shown: &[&str]) -> String {
        let rest = self.0.iter().filter(|it| !shown.contains(&it.field.as_str()));
        rest.map(|it| it.detail.as_str()).collect::<Vec<_>>().join(" ")
    }
    /// Splits what a form can show beside its fields, and with which status, from what it cannot.
    pub fn catch(error: Error) -> Result<(u16, Faults)> {
        match error {
            Error::Invalid(faults) => Ok((422, Faults(faults))),
            Error::Conflict { code, detail } => {
                Ok((409, Faults(vec![crate::error::Fault::new("", code, detail)])))
            }
            other => Err(other),
        }
    }
}
