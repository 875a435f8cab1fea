//! The errors of a form's fields. Templates ask for them by field: `errors.of("name")`.
use crate::error::{Error, FieldError, Result};

#[derive(Clone, Debug, Default)]
pub struct FormErrors(pub Vec<FieldError>);

impl FormErrors {
    /// The error of this field; empty if it has none.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|error| error.field == field).map_or("", |error| &error.detail)
    }
    /// All errors of other fields than those `shown` beside their inputs, for the top of the form.
    pub fn beside(&self, shown: &[&str]) -> String {
        let rest = self.0.iter().filter(|error| !shown.contains(&error.field.as_str()));
        rest.map(|error| error.detail.as_str()).collect::<Vec<_>>().join(" ")
    }
    /// The status and errors with which a form is shown again. Returns every error that a form cannot show.
    pub fn catch(error: Error) -> Result<(u16, FormErrors)> {
        match error {
            Error::Validation(errors) => Ok((422, FormErrors(errors))),
            Error::Conflict { code, detail } => {
                Ok((409, FormErrors(vec![FieldError::new("", code, detail)])))
            }
            other => Err(other),
        }
    }
}
