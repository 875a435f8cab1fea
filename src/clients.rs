//! The servers that we call: identity providers, GitHub, the mail server, the payment provider.
pub mod github;
pub mod oidc;
pub mod outgoing;
pub mod payments;
pub mod smtp;
pub mod social;
