//! The JSON API, `/api/v1`: what a member's key may do, in the shapes of the documentation. Each file is a noun: what comes
//! in, what goes out, and the handlers. Errors are told by `app::answer`.
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

/// Every call.
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

/// A field that takes `null` for a value: `expires_at`, where `null` is for good.
#[derive(Deserialize)]
struct Nullable<T>(Option<T>);

/// For a field of a change, with `default`: none where it is absent. A `null` is a value, which `T` takes or refuses.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, it| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{it:02x}");
        text
    })
}
