//! Usage: events from the platform's back end, and sums of them.
mod events;
mod read;

use crate::http::routes::Routes;

pub fn routes() -> Routes {
    events::routes().merge(read::routes())
}
