//! The pages. One file a screen: its routes, its forms, its templates, its handlers in the order of the routes.
pub mod audit;
pub mod auth;
pub mod billing;
pub mod docs;
pub mod forgot_password;
pub mod health;
pub mod invitations;
pub mod invoices;
pub mod join;
pub mod keys;
pub mod leaked_key;
pub mod mailbox;
pub mod matrix;
pub mod me;
pub mod members;
pub mod metrics;
pub mod new_organization;
pub mod new_team;
pub mod operator;
pub mod overview;
pub mod requests;
pub mod resources;
pub mod role_picker;
pub mod roles;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod single_sign_on;
pub mod sso;
pub mod sso_domains;
pub mod teams;
pub mod usage;
pub mod webhooks;
pub mod why;

use crate::app::routes::Routes;

/// All pages.
pub fn routes() -> Routes {
    let all = [
        audit::routes(),
        billing::routes(),
        docs::routes(),
        auth::routes(),
        forgot_password::routes(),
        health::routes(),
        invitations::routes(),
        invoices::routes(),
        join::routes(),
        keys::routes(),
        leaked_key::routes(),
        mailbox::routes(),
        me::routes(),
        members::routes(),
        metrics::routes(),
        new_organization::routes(),
        new_team::routes(),
        operator::routes(),
        overview::routes(),
        requests::routes(),
        resources::routes(),
        roles::routes(),
        settings::routes(),
        sign_in::routes(),
        sign_up::routes(),
        single_sign_on::routes(),
        sso::routes(),
        sso_domains::routes(),
        teams::routes(),
        webhooks::routes(),
        usage::routes(),
        why::routes(),
    ];
    all.into_iter().fold(Routes::default(), Routes::merge)
}
