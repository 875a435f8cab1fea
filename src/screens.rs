//! The pages. One file a screen: its routes, its forms, its templates, its handlers in the order of the routes.
pub mod forgot_password;
pub mod invitations;
pub mod sign_in;
pub mod sign_up;

use crate::app::routes::Routes;

/// All pages.
pub fn routes() -> Routes {
    [sign_in::routes(), sign_up::routes(), forgot_password::routes(), invitations::routes()]
        .into_iter()
        .fold(Routes::default(), Routes::merge)
}
