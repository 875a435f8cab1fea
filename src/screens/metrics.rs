//! For Prometheus: what is counted and measured.
use crate::{
    error::{Error, Result},
    http::{gate::Anyone, routes::Routes},
    store::outbox,
};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/metrics", show)
}

async fn show(anyone: Anyone, fields: HeaderMap) -> Result<Response> {
    let app = anyone.app();
    let field = fields.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let given = field.split_once(' ').filter(|it| it.0.eq_ignore_ascii_case("bearer")).map(|it| it.1.trim());
    match app.shows_metrics(given) {
        Ok(()) => {}
        Err(StatusCode::NOT_FOUND) => return Err(Error::NotFound),
        Err(status) => {
            let fields = [(header::WWW_AUTHENTICATE, "Bearer realm=\"guildhall\"")];
            return Ok(
                (status, fields, "This page needs the token of GUILDHALL_METRICS_TOKEN.\n").into_response()
            );
        }
    }
    let mails = outbox::waiting(&mut anyone.read()).await?;
    let page = app.exposition(mails);
    let fields = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((fields, page).into_response())
}
