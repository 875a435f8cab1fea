//! Usage: taken in from the platform's back end, and told to who may see it.
mod events;
mod read;

use crate::http::routes::Routes;

/// The calls.
pub fn routes() -> Routes {
    events::routes().merge(read::routes())
}
