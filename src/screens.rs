//! The pages. One file a screen: its routes, its forms, its templates, its handlers in the order of the routes.
pub mod audit;
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
pub mod me;
pub mod members;
pub mod metrics;
pub mod new_organization;
pub mod new_team;
pub mod operator;
pub mod overview;
pub mod requests;
pub mod resources;
pub mod roles;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod social_login;
pub mod sso;
pub mod stripe_webhook;
pub mod teams;
pub mod usage;
pub mod why;

use crate::http::routes::Routes;

/// All pages.
pub fn routes() -> Routes {
    let all = [
        audit::routes(),
        billing::routes(),
        docs::routes(),
        social_login::routes(),
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
        sso::routes(),
        teams::routes(),
        stripe_webhook::routes(),
        usage::routes(),
        why::routes(),
    ];
    all.into_iter().fold(Routes::default(), Routes::merge)
}
