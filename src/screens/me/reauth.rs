//! A challenge for reauthenticating with a passkey in the form of a dangerous act.
use crate::{
    error::Result,
    http::{gate::SignedIn, passkeys, routes::Routes},
    store,
};
use axum::response::Response;

pub(super) fn routes() -> Routes {
    Routes::default().post("/me/prove/passkey", challenge)
}

async fn challenge(signed: SignedIn) -> Result<Response> {
    let ids = store::passkeys::credential_ids(&mut signed.read(), signed.user().id).await?;
    passkeys::start_authentication(signed.context(), signed.session(), &ids).await
}
