//! Metrics for Prometheus.
use crate::{
    error::{Error, Result},
    http::{gate::Anyone, routes::Routes},
    store::outbox,
};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

pub fn routes() -> Routes {
    Routes::default().get("/metrics", show)
}

async fn show(anyone: Anyone, headers: HeaderMap) -> Result<Response> {
    let app = anyone.app();
    let authorization =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = authorization
        .split_once(' ')
        .filter(|parts| parts.0.eq_ignore_ascii_case("bearer"))
        .map(|parts| parts.1.trim());
    match app.shows_metrics(token) {
        Ok(()) => {}
        Err(StatusCode::NOT_FOUND) => return Err(Error::NotFound),
        Err(status) => {
            let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"guildhall\"")];
            return Ok(
                (status, headers, "This page needs the token of GUILDHALL_METRICS_TOKEN.\n").into_response()
            );
        }
    }
    let mails = outbox::waiting(&mut anyone.read(), outbox::DeliveryKind::Mail).await?;
    let page = app.exposition(mails);
    let headers = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, page).into_response())
}
