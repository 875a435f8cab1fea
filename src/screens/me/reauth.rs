//! A challenge for the passkey that proves, in the form of a dangerous act, that it is its user.
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
    let ids = store::passkeys::credential_ids(&mut signed.read(), signed.me().person.id).await?;
    passkeys::challenge(signed.kit(), signed.session(), &ids).await
}
