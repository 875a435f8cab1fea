//! Registering a resource by hand.
use crate::{
    error::{Error, FieldError, Result},
    http::{
        form::{Form, Query},
        gate::Can,
    },
    model::{
        access::Access,
        catalog::{Catalog, Product, ResourceKind},
        permission::CreateResources,
        resource::{ExternalId, Visibility},
        text::{Name, ValidationError},
    },
    store::resources::{self, Credentials, NewResource},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RegisterForm {
    /// `video/index`: a product and one of its kinds.
    kind: String,
    name: String,
    external_id: String,
    visibility: String,
    access_key_id: String,
    secret_access_key: String,
}

struct KindGroup {
    product: String,
    /// `(value, label)`.
    kinds: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "resources/new.html")]
struct RegisterPage {
    base: String,
    account: String,
    form: RegisterForm,
    groups: Vec<KindGroup>,
    /// The kinds that come with credentials, in words; empty if none can be registered.
    with_credentials: String,
    errors: FormErrors,
}

pub(super) async fn show(
    can: Can<CreateResources>,
    page: Page,
    Query(form): Query<RegisterForm>,
) -> Result<Response> {
    let form = RegisterForm { access_key_id: String::new(), secret_access_key: String::new(), ..form };
    ask(&can, &page, form, FormErrors::default()).await
}

async fn ask(
    can: &Can<CreateResources>,
    page: &Page,
    mut form: RegisterForm,
    errors: FormErrors,
) -> Result<Response> {
    form.secret_access_key.clear();
    let groups = groups(can.access(), &can.context().catalog);
    let catalog = &can.context().catalog;
    let secret = catalog.kinds.iter().filter(|kind| kind.has_credentials);
    let with_credentials: Vec<&str> = secret.map(|kind| kind.name.as_str()).collect();
    let body = RegisterPage {
        base: can.path("resources"),
        account: can.access().account.name.clone(),
        with_credentials: with_credentials.join(", "),
        form,
        groups,
        errors,
    };
    page.show(&mut can.read(), "Register resource", body).await
}

/// The products in which the user may register something, with their kinds.
fn groups(access: &Access, catalog: &Catalog) -> Vec<KindGroup> {
    let products = catalog.products.iter().filter(|product| access.may_create_in(&product.id));
    let kinds_of = |product: &Product| {
        let kinds = catalog.kinds.iter().filter(|kind| kind.products.contains(&product.id));
        // A closed select shows no group, so a kind of several products names its product.
        let label = |kind: &ResourceKind| match kind.products.len() {
            1 => kind.name.clone(),
            _ => format!("{}, {}", kind.name, product.name.to_lowercase()),
        };
        kinds.map(|kind| (format!("{}/{}", product.id, kind.id), label(kind))).collect()
    };
    products.map(|product| KindGroup { product: product.name.clone(), kinds: kinds_of(product) }).collect()
}

pub(super) async fn create(
    can: Can<CreateResources>,
    page: Page,
    Form(form): Form<RegisterForm>,
) -> Result<Response> {
    match register(&can, &form).await {
        Ok((path, name)) => Ok(page.done(&path, format!("{name} is registered."))),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(&can, &page.with(status), form, errors).await
        }
    }
}

async fn register(can: &Can<CreateResources>, form: &RegisterForm) -> Result<(String, Name)> {
    let mut errors = vec![];
    let mut report =
        |field: &str, error: ValidationError| errors.push(FieldError::new(field, error.code, error.detail));
    let name = Name::parse(&form.name).map_err(|error| report("name", error)).ok();
    let external_id = ExternalId::parse(&form.external_id).map_err(|error| report("external_id", error)).ok();
    let Some((product, kind)) = form.kind.split_once('/') else {
        errors.push(FieldError::new("kind", "required", "Choose what it is."));
        return Err(Error::Validation(errors));
    };
    let (Some(name), Some(external_id)) = (name, external_id) else { return Err(Error::Validation(errors)) };
    let new = NewResource {
        product: product.to_owned(),
        kind: kind.to_owned(),
        name,
        external_id,
        visibility: Visibility::parse(&form.visibility).unwrap_or_default(),
        credentials: credentials(&form.access_key_id, &form.secret_access_key),
    };
    let id =
        can.change(async |change| resources::create(change, &new).await).await.map_err(to_form_fields)?;
    Ok((can.path(&format!("resources/{id}")), new.name))
}

/// `None` if neither field was filled.
pub(super) fn credentials(id: &str, secret: &str) -> Option<Credentials> {
    let (access_key_id, secret_access_key) = (id.trim().to_owned(), secret.trim().to_owned());
    let typed = !access_key_id.is_empty() || !secret_access_key.is_empty();
    typed.then_some(Credentials { access_key_id, secret_access_key })
}

/// Puts errors of the API's fields beside the fields of the form, which have other names.
pub(super) fn to_form_fields(error: Error) -> Error {
    let field = |error: FieldError| {
        let field = match error.field.as_str() {
            "product" => "kind",
            "credentials" => "access_key_id",
            other => other.strip_prefix("credentials/").unwrap_or(other),
        };
        FieldError { field: field.to_owned(), ..error }
    };
    match error {
        Error::Validation(all) => Error::Validation(all.into_iter().map(field).collect()),
        other => other,
    }
}
