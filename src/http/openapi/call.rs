//! The description of an API call, beside its route. The OpenAPI document is made from it and from the route's gate.
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a call does, takes and returns. What its gate says is not repeated.
#[derive(Default)]
pub struct Call {
    /// Such as "List members".
    pub title: &'static str,
    pub description: &'static str,
    /// The query string: each property of the shape is a parameter.
    pub query: Option<Shape>,
    /// The JSON body.
    pub body: Option<Shape>,
    /// The body in other formats, by content type.
    pub other_bodies: Vec<(&'static str, Shape)>,
    /// The successful responses.
    pub responses: Vec<CallResponse>,
    /// Codes of problems besides those that every call with its gate can have.
    pub problems: Vec<&'static str>,
    /// The pattern of `{id}`, if that is no UUID.
    pub id_pattern: Option<&'static str>,
    /// Whether it answers with an `ETag`, or honours `If-Match`.
    pub has_etag: bool,
    /// Whether it answers page by page.
    pub is_paged: bool,
}

/// A successful response.
pub struct CallResponse {
    pub status: u16,
    /// `None` for an empty body.
    pub shape: Option<Shape>,
    pub content_type: &'static str,
}

/// A table as CSV (RFC 4180).
#[derive(ToSchema)]
#[schema(value_type = String, example = "meter,quantity\r\ncredits,12.5\r\n")]
pub struct Csv(pub String);

/// A document as PDF.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, example = "%PDF-1.7 …")]
pub struct Pdf(pub String);

/// A schema, and those that it refers to.
pub struct Shape {
    /// Its name in the document.
    pub name: String,
    /// All of them, by name.
    pub schemas: BTreeMap<String, Value>,
}

impl Shape {
    pub fn of<T: ToSchema>() -> Shape {
        let mut schemas = vec![];
        T::schemas(&mut schemas);
        schemas.push((T::name().into_owned(), T::schema()));
        let to_json = |schema| serde_json::to_value(schema).unwrap_or_default();
        let schemas = schemas.into_iter().map(|(name, schema)| (name, to_json(schema))).collect();
        Shape { name: T::name().into_owned(), schemas }
    }
}

impl Call {
    #[must_use]
    pub fn summary(self, title: &'static str, description: &'static str) -> Call {
        Call { title, description, ..self }
    }
    #[must_use]
    pub fn query<T: ToSchema>(self) -> Call {
        Call { query: Some(Shape::of::<T>()), ..self }
    }
    /// Takes a JSON body.
    #[must_use]
    pub fn body<T: ToSchema>(self) -> Call {
        Call { body: Some(Shape::of::<T>()), ..self }
    }
    /// Takes the body in another format too.
    #[must_use]
    pub fn body_as<T: ToSchema>(mut self, content_type: &'static str) -> Call {
        self.other_bodies.push((content_type, Shape::of::<T>()));
        self
    }
    /// Returns JSON.
    #[must_use]
    pub fn returns<T: ToSchema>(self, status: u16) -> Call {
        self.response(status, Some(Shape::of::<T>()), "application/json")
    }
    /// Returns another format.
    #[must_use]
    pub fn returns_as<T: ToSchema>(self, status: u16, content_type: &'static str) -> Call {
        self.response(status, Some(Shape::of::<T>()), content_type)
    }
    /// Returns 204.
    #[must_use]
    pub fn no_content(self) -> Call {
        self.response(204, None, "")
    }
    /// Returns 202 without a body: it is done soon.
    #[must_use]
    pub fn accepted(self) -> Call {
        self.response(202, None, "")
    }
    /// Returns a list page by page: takes `limit` and `after`, returns `next` and `Link`.
    #[must_use]
    pub fn returns_list<T: ToSchema>(mut self) -> Call {
        self.is_paged = true;
        self.response(200, Some(Shape::of::<T>()), "application/json")
    }
    /// Has an `ETag`; a change honours `If-Match`.
    #[must_use]
    pub fn with_etag(self) -> Call {
        Call { has_etag: true, ..self }
    }
    /// Adds codes of problems to those that every call with its gate can have. `http::problems` describes them.
    #[must_use]
    pub fn errors(mut self, codes: &[&'static str]) -> Call {
        self.problems.extend_from_slice(codes);
        self
    }
    /// For an `{id}` that is no UUID.
    #[must_use]
    pub fn id_pattern(self, pattern: &'static str) -> Call {
        Call { id_pattern: Some(pattern), ..self }
    }
    fn response(mut self, status: u16, shape: Option<Shape>, content_type: &'static str) -> Call {
        self.responses.push(CallResponse { status, shape, content_type });
        self
    }
}
