//! Health checks: whether the program is up, and whether its database answers.
use crate::{
    error::Error,
    http::{gate::Anyone, routes::Routes},
    store::users,
};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

pub fn routes() -> Routes {
    Routes::default().get("/healthz", up).get("/readyz", ready)
}

async fn up(_: Anyone) -> Response {
    plain(StatusCode::OK, "up\n")
}

async fn ready(anyone: Anyone) -> Response {
    let check = async { users::has_operator(&mut anyone.read()).await };
    match check.await {
        Ok(_) => plain(StatusCode::OK, "ready\n"),
        Err(cause) => {
            if let Error::Unavailable(cause) | Error::Internal(cause) = cause {
                tracing::warn!(cause, "not ready");
            }
            plain(StatusCode::SERVICE_UNAVAILABLE, "The database does not answer.\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}
