//! Registering a resource by hand.
use crate::{
    error::{Error, Fault, Result},
    http::{
        form::{Form, Query},
        gate::Can,
    },
    model::{
        access::Entry,
        catalog::{Catalog, Product, ResourceKind},
        permission::CreateResources,
        resource::{ExternalId, Visibility},
        text::{Name, Refusal},
    },
    store::resources::{self, Credentials, New},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    /// `video/index`: a product and one of its kinds.
    kind: String,
    name: String,
    external_id: String,
    visibility: String,
    access_key_id: String,
    secret_access_key: String,
}

struct Group {
    product: String,
    /// `(value, label)`.
    kinds: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "resources/new.html")]
struct Ask {
    base: String,
    account: String,
    it: Typed,
    groups: Vec<Group>,
    /// The kinds that come with credentials, in words; empty if none can be registered.
    with_credentials: String,
    faults: Faults,
}

pub(super) async fn show(can: Can<CreateResources>, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    let it = Typed { access_key_id: String::new(), secret_access_key: String::new(), ..it };
    ask(&can, &page, it, Faults::default()).await
}

async fn ask(can: &Can<CreateResources>, page: &Page, mut it: Typed, faults: Faults) -> Result<Response> {
    it.secret_access_key.clear();
    let groups = groups(can.me(), &can.kit().catalog);
    let catalog = &can.kit().catalog;
    let secret = catalog.kinds.iter().filter(|it| it.has_credentials);
    let with_credentials: Vec<&str> = secret.map(|it| it.name.as_str()).collect();
    let asked = Ask {
        base: can.path("resources"),
        account: can.me().here.name.clone(),
        with_credentials: with_credentials.join(", "),
        it,
        groups,
        faults,
    };
    page.show(&mut can.read(), "Register resource", asked).await
}

/// The products in which they may register something, with their kinds.
fn groups(me: &Entry, catalog: &Catalog) -> Vec<Group> {
    let products = catalog.products.iter().filter(|it| me.may_create_in(&it.id));
    let kinds_of = |of: &Product| {
        let kinds = catalog.kinds.iter().filter(|it| it.products.contains(&of.id));
        // The closed list shows no product: it is said where the kind alone does not say it.
        let label = |it: &ResourceKind| match it.products.len() {
            1 => it.name.clone(),
            _ => format!("{}, {}", it.name, of.name.to_lowercase()),
        };
        kinds.map(|it| (format!("{}/{}", of.id, it.id), label(it))).collect()
    };
    products.map(|it| Group { product: it.name.clone(), kinds: kinds_of(it) }).collect()
}

pub(super) async fn create(can: Can<CreateResources>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match register(&can, &it).await {
        Ok((path, name)) => Ok(page.done(&path, format!("{name} is registered."))),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), it, faults).await
        }
    }
}

async fn register(can: &Can<CreateResources>, it: &Typed) -> Result<(String, Name)> {
    let mut faults = vec![];
    let mut fault = |field: &str, it: Refusal| faults.push(Fault::new(field, it.code, it.detail));
    let name = Name::parse(&it.name).map_err(|it| fault("name", it)).ok();
    let external_id = ExternalId::parse(&it.external_id).map_err(|it| fault("external_id", it)).ok();
    let Some((product, kind)) = it.kind.split_once('/') else {
        faults.push(Fault::new("kind", "required", "Choose what it is."));
        return Err(Error::Invalid(faults));
    };
    let (Some(name), Some(external_id)) = (name, external_id) else { return Err(Error::Invalid(faults)) };
    let new = New {
        product: product.to_owned(),
        kind: kind.to_owned(),
        name,
        external_id,
        visibility: Visibility::parse(&it.visibility).unwrap_or_default(),
        credentials: credentials(&it.access_key_id, &it.secret_access_key),
    };
    let id = can.change(async |change| resources::create(change, &new).await).await.map_err(shown)?;
    Ok((can.path(&format!("resources/{id}")), new.name))
}

/// What was typed as credentials, if anything was.
pub(super) fn credentials(id: &str, secret: &str) -> Option<Credentials> {
    let (access_key_id, secret_access_key) = (id.trim().to_owned(), secret.trim().to_owned());
    let typed = !access_key_id.is_empty() || !secret_access_key.is_empty();
    typed.then_some(Credentials { access_key_id, secret_access_key })
}

/// The fields of the form are called otherwise than those of the API.
pub(super) fn shown(error: Error) -> Error {
    let field = |it: Fault| {
        let field = match it.field.as_str() {
            "product" => "kind",
            "credentials" => "access_key_id",
            other => other.strip_prefix("credentials/").unwrap_or(other),
        };
        Fault { field: field.to_owned(), ..it }
    };
    match error {
        Error::Invalid(all) => Error::Invalid(all.into_iter().map(field).collect()),
        other => other,
    }
}
