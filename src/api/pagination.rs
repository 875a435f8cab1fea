//! Lists: the query parameters `limit` and `after`, and the page that answers them.
use crate::{
    error::{Error, Result},
    http::{App, form},
};
use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::str::FromStr;
use url::form_urlencoded::{Serializer, parse};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// The query of a list: `limit`, `after`, and its own filters.
pub struct ListQuery<F> {
    pub filter: F,
    limit: usize,
    after: Option<String>,
    /// The URL of this page, without `after`.
    url: String,
}

/// For a list without filters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilters {}

impl<F: DeserializeOwned> FromRequestParts<App> for ListQuery<F> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let (mut limit, mut after) = (None, None);
        let mut filters = Serializer::new(String::new());
        for (name, value) in parse(query.as_bytes()) {
            match &*name {
                "limit" => limit = Some(value.into_owned()),
                "after" => after = Some(value.into_owned()),
                _ => {
                    filters.append_pair(&name, &value);
                }
            }
        }
        let filters = filters.finish();
        let filter = form::params(&filters)?;
        let limit = limit.map_or(Some(DEFAULT_LIMIT), |text| text.parse().ok());
        let detail = format!("A page holds 1 to {MAX_LIMIT} items.");
        let limit = limit
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| Error::invalid("limit", "out_of_range", detail))?;
        let filters = if filters.is_empty() { filters } else { format!("&{filters}") };
        let url = app.context().url(&format!("{}?limit={limit}{filters}", parts.uri.path()));
        Ok(ListQuery { filter, limit, after, url })
    }
}

impl<F> ListQuery<F> {
    pub fn limit(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }
    /// The extra row tells whether there is a next page.
    pub fn limit_plus_one(&self) -> i64 {
        self.limit() + 1
    }
    /// The cursor; `None` for the first page.
    pub fn after<T: FromStr>(&self) -> Result<Option<T>> {
        self.after_with(|text| text.parse().ok())
    }
    pub fn after_with<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = &self.after else { return Ok(None) };
        let detail = "This is not a cursor of this list. Use the value of “next”.";
        let cursor = if text.is_empty() { None } else { parse(text) };
        cursor.map(Some).ok_or_else(|| Error::invalid("after", "invalid_cursor", detail))
    }
    /// A page of rows that were read with `limit_plus_one`.
    pub fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        cursor: impl Fn(&R) -> String,
        shape: impl FnMut(R) -> T,
    ) -> List<T> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = if has_more { rows.last().map(cursor) } else { None };
        self.page_with_next(rows.into_iter().map(shape).collect(), next)
    }
    /// A page whose next cursor the store has returned.
    pub fn page_with_next<T>(&self, items: Vec<T>, next: Option<String>) -> List<T> {
        let link = next.as_ref().map(|next| {
            let after = Serializer::new(String::new()).append_pair("after", next).finish();
            format!("<{}&{after}>; rel=\"next\"", self.url)
        });
        List { items, next, link }
    }
}

/// One page; its `next` is also sent as a `Link` field (RFC 8288).
#[derive(Serialize)]
pub struct List<T> {
    items: Vec<T>,
    /// The cursor for `after`.
    next: Option<String>,
    #[serde(skip)]
    link: Option<String>,
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        let link = self.link.as_deref().and_then(|link| HeaderValue::from_str(link).ok());
        let mut response = Json(self).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}
