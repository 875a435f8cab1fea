//! A router that only takes handlers whose first argument is a gate, and remembers which.
use super::{App, gate::Gate, middleware::Answering, openapi::call::Call};
use crate::model::permission::Permission;
use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::Method,
    routing::{MethodRouter, delete, get, patch, post, put},
};

/// One row of the route table.
#[derive(Clone, Debug)]
pub struct Route {
    /// `GET`.
    pub method: &'static str,
    /// `/a/{slug}/members`.
    pub path: &'static str,
    /// Which gate: `member`, `key`, `service`, `signed in`, `anyone`, `operator`.
    pub gate: &'static str,
    /// What must be held, if anything.
    pub needs: Option<Permission>,
    /// What may be held instead: any of these.
    pub or: &'static [Permission],
    /// The noun that a call of the API is about.
    pub noun: Option<Noun>,
    /// What a call of the API is for.
    pub told: Option<Tell>,
}

/// Describes a call. A function, so that nothing is described before somebody reads.
pub type Tell = fn(Call) -> Call;

/// What calls are about: a chapter of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noun {
    /// Such as "Members".
    pub name: &'static str,
    /// What it is, in a sentence or two.
    pub says: &'static str,
}

/// Routes, and the table of them.
#[derive(Default)]
pub struct Routes {
    router: Router<App>,
    quick: Vec<Quick>,
    table: Vec<Route>,
}

/// A handler that programs ask before each request of theirs.
pub(super) struct Quick {
    pub method: Method,
    pub path: &'static str,
    pub call: Box<dyn Fn(Request, App) -> Answering + Send + Sync>,
}

/// A handler's arguments, the first of which is a gate.
pub trait Gated {
    /// The first.
    type Gate: Gate;
}
macro_rules! gated {
    ($($rest:ident)*) => { impl<M, G: Gate, $($rest),*> Gated for (M, G, $($rest,)*) { type Gate = G; } };
}
gated!();
gated!(A);
gated!(A B);
gated!(A B C);
gated!(A B C D);

macro_rules! methods {
    ($($name:ident $word:literal)*) => { $(
        #[doc = concat!("Answers ", $word, " at a path.")]
        #[must_use]
        pub fn $name<H: Handler<T, App>, T: Gated + 'static>(self, path: &'static str, handler: H) -> Routes {
            self.add::<T::Gate>($word, path, $name(handler))
        }
    )* };
}

impl Routes {
    methods! { get "GET" post "POST" put "PUT" patch "PATCH" delete "DELETE" }

    /// Answers `POST` at a path for programs that ask before each request of theirs: it has a lane of its own (`app::front`).
    #[must_use]
    pub fn quick_post<H: Handler<T, App>, T: Gated + 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Routes {
        let mut routes = self.post(path, handler.clone());
        let call =
            move |request: Request, app: App| -> Answering { Box::pin(handler.clone().call(request, app)) };
        routes.quick.push(Quick { method: Method::POST, path, call: Box::new(call) });
        routes
    }

    /// Describes the call that was added last.
    #[must_use]
    pub fn told(mut self, tell: Tell) -> Routes {
        if let Some(last) = self.table.last_mut() {
            last.told = Some(tell);
        }
        self
    }
    /// Says what all these calls are about.
    #[must_use]
    pub fn about(mut self, name: &'static str, says: &'static str) -> Routes {
        for it in &mut self.table {
            it.noun.get_or_insert(Noun { name, says });
        }
        self
    }
    /// All rows.
    pub fn table(&self) -> &[Route] {
        &self.table
    }
    /// These and those.
    #[must_use]
    pub fn merge(mut self, other: Routes) -> Routes {
        self.table.extend(other.table);
        self.quick.extend(other.quick);
        Routes { router: self.router.merge(other.router), ..self }
    }
    /// All of them, and those that have lanes of their own.
    pub(super) fn into_parts(self) -> (Router<App>, Vec<Quick>) {
        (self.router, self.quick)
    }
    fn add<G: Gate>(mut self, method: &'static str, path: &'static str, to: MethodRouter<App>) -> Routes {
        assert!(path.starts_with(G::ROOT), "{path} is not under {}", G::ROOT);
        self.table.push(Route {
            method,
            path,
            gate: G::NAME,
            needs: G::NEEDS,
            or: G::OR,
            noun: None,
            told: None,
        });
        Routes { router: self.router.route(path, to), ..self }
    }
}
