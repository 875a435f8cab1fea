//! The JSON API under `/api/v1`. Each file is a noun of it: the shapes that come in and go out, and the handlers. Errors are rendered
//! by `http::error_response`.
mod accounts;
mod audit;
mod budgets;
mod can;
mod domains;
mod etag;
mod grants;
mod invitations;
mod invoices;
mod keys;
mod leaked;
mod members;
mod openapi;
mod pagination;
mod plan;
mod requests;
mod resources;
mod roles;
mod sso;
mod teams;
mod transfer;
mod usage;
mod verify;

use crate::http::routes::Routes;
use serde::{Deserialize, Deserializer};

pub fn routes() -> Routes {
    [
        accounts::routes(),
        audit::routes(),
        budgets::routes(),
        can::routes(),
        invitations::routes(),
        invoices::routes(),
        keys::routes(),
        leaked::routes(),
        members::routes(),
        plan::routes(),
        requests::routes(),
        openapi::routes(),
        resources::routes(),
        roles::routes(),
        sso::routes(),
        domains::routes(),
        teams::routes(),
        transfer::routes(),
        usage::routes(),
        verify::routes(),
    ]
    .into_iter()
    .fold(Routes::default(), Routes::merge)
}

/// A field in which `null` is a value of its own: `expires_at`, where it means no expiry.
#[derive(Deserialize)]
struct Nullable<T>(Option<T>);

/// For a field of a patch, together with `default`: `None` only if the field is absent. Whether `null` is allowed is up to `T`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}
