//! The pages. One file a screen: its routes, its forms, its templates, its handlers in the order of the routes.
pub mod forgot_password;
pub mod me;
pub mod new_organization;
pub mod new_team;
pub mod overview;
pub mod sign_in;
pub mod sign_up;
pub mod teams;

use crate::app::routes::Routes;

/// All pages.
pub fn routes() -> Routes {
    [
        forgot_password::routes(),
        me::routes(),
        new_organization::routes(),
        new_team::routes(),
        overview::routes(),
        sign_in::routes(),
        sign_up::routes(),
        teams::routes(),
    ]
    .into_iter()
    .fold(Routes::default(), Routes::merge)
}
