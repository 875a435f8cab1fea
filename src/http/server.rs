//! The whole program as a service. What programs ask before each request of theirs goes down a lane of its own, straight to its
//! handler: what is done for it on the way is done here. All else goes through the hall (`layers`) to the router.
use super::{
    App, error_response,
    metrics::Times,
    middleware::{self, Hall},
    routes::Quick,
};
use axum::{
    extract::{ConnectInfo, Request},
    http::{StatusCode, header},
    response::Response,
    serve::IncomingStream,
};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};
use tokio::net::TcpListener;
use tower::Service;

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// The whole program as a service, for one connection.
#[derive(Clone)]
pub struct Front {
    ways: Arc<Ways>,
    peer: Option<SocketAddr>,
}

/// What is copied for each request is no more than where these are.
struct Ways {
    lanes: Vec<Arc<Lane>>,
    hall: Hall,
}

/// The way to one handler, which is not told from where it is asked.
struct Lane {
    app: App,
    quick: Quick,
    /// How long it took to answer 200, as it nearly always does.
    times: Arc<Times>,
}

impl Front {
    /// Puts the lanes beside the hall.
    pub(super) fn new(app: &App, quick: Vec<Quick>, hall: Hall) -> Front {
        let lane = |quick: Quick| {
            let times = app.metrics().times(quick.path, quick.method.as_str(), StatusCode::OK);
            Arc::new(Lane { app: app.clone(), quick, times })
        };
        let lanes = quick.into_iter().map(lane).collect();
        Front { ways: Arc::new(Ways { lanes, hall }), peer: None }
    }
    /// One for each connection, which knows who is at its other end.
    pub fn for_each_connection(self) -> Fronts {
        Fronts(self)
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, mut request: Request) -> Answer {
        let is_for =
            |it: &&Arc<Lane>| it.quick.method == *request.method() && it.quick.path == request.uri().path();
        match self.ways.lanes.iter().find(is_for) {
            Some(lane) => {
                let lane = lane.clone();
                Box::pin(async move { Ok(lane.answer(request).await) })
            }
            None => {
                if let Some(peer) = self.peer {
                    request.extensions_mut().insert(ConnectInfo(peer));
                }
                let hall = self.ways.hall.clone();
                Box::pin(async move { Ok(hall.pass(request).await) })
            }
        }
    }
}

impl Lane {
    async fn answer(&self, request: Request) -> Response {
        let began = Instant::now();
        // An answer has an id if the caller gave it one, or if it is to be found in the log.
        let mut id = request.headers().get(middleware::REQUEST_ID).cloned();
        let mut response = middleware::in_time((self.quick.call)(request, self.app.clone())).await;
        if let Some(error) = error_response::untold(&mut response) {
            let id = id.get_or_insert_with(|| middleware::new_id(self.app.kit()));
            response = error_response::to_program(&error, &self.quick.method, self.quick.path, id);
        }
        middleware::seal(response.headers_mut(), self.app.kit().rules.is_https());
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(middleware::NO_STORE);
        if let Some(id) = id {
            response.headers_mut().insert(middleware::REQUEST_ID, id);
        }
        match response.status() {
            StatusCode::OK => self.times.add(began.elapsed()),
            status => {
                let times = self.app.metrics().times(self.quick.path, self.quick.method.as_str(), status);
                times.add(began.elapsed());
            }
        }
        response
    }
}

/// Makes a service for each connection.
pub struct Fronts(Front);
impl Service<IncomingStream<'_, TcpListener>> for Fronts {
    type Response = Front;
    type Error = Infallible;
    type Future = Ready<Result<Front, Infallible>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, stream: IncomingStream<'_, TcpListener>) -> Self::Future {
        ready(Ok(Front { peer: Some(*stream.remote_addr()), ..self.0.clone() }))
    }
}
