//! Lists: what every one of them is asked, and how every one of them is answered.
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
use serde::{Serialize, de::DeserializeOwned};
use std::str::FromStr;
use url::form_urlencoded::{Serializer, parse};

/// How many there are on a page if nothing is said, and at most.
const LIMIT: (usize, usize) = (50, 200);

/// The query of a list: `limit`, `after`, and its own filters.
pub struct Ask<F> {
    /// The filters.
    pub filter: F,
    limit: usize,
    after: Option<String>,
    /// The address of this page, but for `after`.
    address: String,
}

impl<F: DeserializeOwned> FromRequestParts<App> for Ask<F> {
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
        let limit = limit.map_or(Some(LIMIT.0), |it| it.parse().ok().filter(|it| (1..=LIMIT.1).contains(it)));
        let too_many = format!("A page holds 1 to {} items.", LIMIT.1);
        let limit = limit.ok_or_else(|| Error::invalid("limit", "out_of_range", too_many))?;
        let filters = if filters.is_empty() { filters } else { format!("&{filters}") };
        let address = app.kit().url(&format!("{}?limit={limit}{filters}", parts.uri.path()));
        Ok(Ask { filter, limit, after, address })
    }
}

impl<F> Ask<F> {
    /// How many are wanted.
    pub fn limit(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }
    /// One more: whether it is there says whether there is a next page.
    pub fn one_more(&self) -> i64 {
        self.limit() + 1
    }
    /// Where the page begins, if it is not the first.
    pub fn after<T: FromStr>(&self) -> Result<Option<T>> {
        self.after_by(|it| it.parse().ok())
    }
    /// The same, for a cursor that is read in its own way.
    pub fn after_by<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = &self.after else { return Ok(None) };
        let parse = |it: &str| if it.is_empty() { None } else { parse(it) };
        let detail = "This is no cursor of this list: pass on what “next” said.";
        parse(text).map(Some).ok_or_else(|| Error::invalid("after", "invalid_cursor", detail))
    }
    /// A page of what was read with one more than wanted.
    pub fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        cursor: impl Fn(&R) -> String,
        shape: impl FnMut(R) -> T,
    ) -> List<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = if more { rows.last().map(cursor) } else { None };
        self.list(rows.into_iter().map(shape).collect(), next)
    }
    /// A page whose end is known.
    pub fn list<T>(&self, items: Vec<T>, next: Option<String>) -> List<T> {
        let link = next.as_ref().map(|next| {
            let after = Serializer::new(String::new()).append_pair("after", next).finish();
            format!("<{}&{after}>; rel=\"next\"", self.address)
        });
        List { items, next, link }
    }
}

/// A page of a list.
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
        let link = self.link.as_deref().and_then(|it| HeaderValue::from_str(it).ok());
        let mut response = Json(self).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}
