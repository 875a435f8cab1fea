//! A handler that takes too long or panics fails alone.
use crate::error::Error;
use axum::response::{IntoResponse as _, Response};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{self, Poll},
    time::Duration,
};

/// The longest that a request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A handler at work.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Runs a handler for at most [`REQUEST_TIMEOUT`]: 503 after that, 500 if it panics.
pub async fn run(mut handler: ResponseFuture) -> Response {
    let mut poll = move |context: &mut task::Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Error::Internal("a handler panicked".into()).into_response()))
    };
    // Many handlers are ready at the first poll: only those that wait need a timer.
    if let Poll::Ready(response) = poll_fn(|context| Poll::Ready(poll(context))).await {
        return response;
    }
    let timed_out = |_| Error::Unavailable("a request took too long".into()).into_response();
    tokio::time::timeout(REQUEST_TIMEOUT, poll_fn(poll)).await.unwrap_or_else(timed_out)
}
