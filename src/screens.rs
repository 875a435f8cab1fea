//! The pages. One file a screen: its routes, its forms, its templates, its handlers in the order of the routes.
pub mod audit;
pub mod forgot_password;
pub mod invitations;
pub mod keys;
pub mod mailbox;
pub mod members;
pub mod operator;
pub mod role_picker;
pub mod settings;
pub mod sign_in;
pub mod sign_up;

use crate::app::routes::Routes;

/// All pages.
pub fn routes() -> Routes {
    let all = [
        audit::routes(),
        forgot_password::routes(),
        invitations::routes(),
        keys::routes(),
        mailbox::routes(),
        members::routes(),
        operator::routes(),
        settings::routes(),
        sign_in::routes(),
        sign_up::routes(),
    ];
    all.into_iter().fold(Routes::default(), Routes::merge)
}
