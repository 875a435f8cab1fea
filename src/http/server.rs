//! The whole program as a service.
use super::middleware::Middleware;
use axum::{
    extract::{Request, connect_info::IntoMakeServiceWithConnectInfo},
    response::Response,
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::Service;

/// The router behind its middleware. Clones share both.
#[derive(Clone)]
pub struct Server(Arc<Middleware>);

impl Server {
    pub(super) fn new(middleware: Middleware) -> Server {
        Server(Arc::new(middleware))
    }
    /// For `axum::serve`: requests know the address at the other end of their connection.
    pub fn into_make_service(self) -> IntoMakeServiceWithConnectInfo<Server, SocketAddr> {
        axum::ServiceExt::<Request>::into_make_service_with_connect_info(self)
    }
}

impl Service<Request> for Server {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: Request) -> Self::Future {
        let middleware = self.0.clone();
        Box::pin(async move { Ok(middleware.handle(request).await) })
    }
}
