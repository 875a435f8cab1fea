//! A call of the API in words and shapes, told where its route is. From that and from its gate comes the OpenAPI document.
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a call is for, what it takes, what it gives. What its gate says is not said again.
#[derive(Default)]
pub struct Call {
    /// Such as "List members".
    pub title: &'static str,
    /// What it does, and what is worth knowing before.
    pub says: &'static str,
    /// The query string: each property of the shape is a parameter.
    pub query: Option<Shape>,
    /// The JSON body.
    pub body: Option<Shape>,
    /// The body in other forms, by content type.
    pub bodies: Vec<(&'static str, Shape)>,
    /// What it gives when it goes well.
    pub answers: Vec<Answer>,
    /// Problems besides those that every call with its gate can have, by code.
    pub problems: Vec<&'static str>,
    /// What `{id}` is, if it is no UUID: a pattern.
    pub word: Option<&'static str>,
    /// It answers with an `ETag`, or honours `If-Match`.
    pub tagged: bool,
    /// It answers page by page.
    pub paged: bool,
}

/// What a call gives when it goes well.
pub struct Answer {
    /// HTTP's number.
    pub status: u16,
    /// Its shape; none for nothing.
    pub shape: Option<Shape>,
    /// Its content type.
    pub media: &'static str,
}

/// A table as CSV (RFC 4180).
#[derive(ToSchema)]
#[schema(value_type = String, example = "meter,quantity\r\ncredits,12.5\r\n")]
pub struct Csv(pub String);

/// A document as PDF.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, example = "%PDF-1.7 …")]
pub struct Pdf(pub String);

/// A shape, and those that it is made of.
pub struct Shape {
    /// Its name, under which the document holds it.
    pub name: String,
    /// It and those it names.
    pub parts: BTreeMap<String, Value>,
}

impl Shape {
    /// Of a type.
    pub fn of<T: ToSchema>() -> Shape {
        let mut found = vec![];
        T::schemas(&mut found);
        found.push((T::name().into_owned(), T::schema()));
        let json = |it| serde_json::to_value(it).unwrap_or_default();
        let parts = found.into_iter().map(|(name, it)| (name, json(it))).collect();
        Shape { name: T::name().into_owned(), parts }
    }
}

impl Call {
    /// Its title, and what it does.
    #[must_use]
    pub fn says(self, title: &'static str, says: &'static str) -> Call {
        Call { title, says, ..self }
    }
    /// Takes these in the query string.
    #[must_use]
    pub fn asks<T: ToSchema>(self) -> Call {
        Call { query: Some(Shape::of::<T>()), ..self }
    }
    /// Takes this as its JSON body.
    #[must_use]
    pub fn takes<T: ToSchema>(self) -> Call {
        Call { body: Some(Shape::of::<T>()), ..self }
    }
    /// Or takes this, in another form.
    #[must_use]
    pub fn takes_as<T: ToSchema>(mut self, media: &'static str) -> Call {
        self.bodies.push((media, Shape::of::<T>()));
        self
    }
    /// Gives this as JSON.
    #[must_use]
    pub fn gives<T: ToSchema>(self, status: u16) -> Call {
        self.answer(status, Some(Shape::of::<T>()), "application/json")
    }
    /// Gives this in another form.
    #[must_use]
    pub fn gives_as<T: ToSchema>(self, status: u16, media: &'static str) -> Call {
        self.answer(status, Some(Shape::of::<T>()), media)
    }
    /// Gives nothing: 204.
    #[must_use]
    pub fn gives_nothing(self) -> Call {
        self.answer(204, None, "")
    }
    /// Will do it soon, and gives nothing: 202.
    #[must_use]
    pub fn gives_later(self) -> Call {
        self.answer(202, None, "")
    }
    /// Gives a list, page by page: takes `limit` and `after`, tells `next` and `Link`.
    #[must_use]
    pub fn lists<T: ToSchema>(mut self) -> Call {
        self.paged = true;
        self.answer(200, Some(Shape::of::<T>()), "application/json")
    }
    /// Two people may edit it: it has an `ETag`, and a change honours `If-Match`.
    #[must_use]
    pub fn tagged(self) -> Call {
        Call { tagged: true, ..self }
    }
    /// Can fail with these problems, by code, besides those of every call. `app::problems` says what they are.
    #[must_use]
    pub fn fails(mut self, codes: &[&'static str]) -> Call {
        self.problems.extend_from_slice(codes);
        self
    }
    /// Its `{id}` is no UUID, but what this pattern describes.
    #[must_use]
    pub fn named(self, pattern: &'static str) -> Call {
        Call { word: Some(pattern), ..self }
    }
    fn answer(mut self, status: u16, shape: Option<Shape>, media: &'static str) -> Call {
        self.answers.push(Answer { status, shape, media });
        self
    }
}
