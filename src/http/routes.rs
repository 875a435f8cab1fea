//! A router that only takes handlers whose first argument is a gate, and remembers which.
use super::{App, gate::Gate, openapi::call::Call};
use crate::model::permission::Permission;
use axum::{
    Router,
    handler::Handler,
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
    /// The permission that the caller must hold, if any.
    pub needs: Option<Permission>,
    /// Any of these is enough instead.
    pub alternatives: &'static [Permission],
    /// The group of the API that it belongs to.
    pub tag: Option<Tag>,
    /// Describes it for the API's document.
    pub doc: Option<Describe>,
}

impl Route {
    /// Whether its gate reads the browser's session, and not a credential in `Authorization` alone.
    pub fn uses_session(&self) -> bool {
        !matches!(self.gate, "key" | "service")
    }
}

/// A function, so that nothing is described before somebody reads it.
pub type Describe = fn(Call) -> Call;

/// A group of calls: a chapter of the documentation, and a `tag` of the OpenAPI document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Such as "Members".
    pub name: &'static str,
    /// A sentence or two.
    pub description: &'static str,
}

/// Routes, and the table of them.
#[derive(Default)]
pub struct Routes {
    router: Router<App>,
    table: Vec<Route>,
}

/// A handler's arguments, the first of which is a gate.
pub trait Gated {
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
    ($($name:ident $method:literal)*) => { $(
        #[doc = concat!("Answers ", $method, " at a path.")]
        #[must_use]
        pub fn $name<H: Handler<T, App>, T: Gated + 'static>(self, path: &'static str, handler: H) -> Routes {
            self.add::<T::Gate>($method, path, $name(handler))
        }
    )* };
}

impl Routes {
    methods! { get "GET" post "POST" put "PUT" patch "PATCH" delete "DELETE" }

    /// Describes the call that was added last.
    #[must_use]
    pub fn doc(mut self, describe: Describe) -> Routes {
        if let Some(last) = self.table.last_mut() {
            last.doc = Some(describe);
        }
        self
    }
    /// Says which group all these calls belong to.
    #[must_use]
    pub fn about(mut self, name: &'static str, description: &'static str) -> Routes {
        for route in &mut self.table {
            route.tag.get_or_insert(Tag { name, description });
        }
        self
    }
    pub fn table(&self) -> &[Route] {
        &self.table
    }
    #[must_use]
    pub fn merge(mut self, other: Routes) -> Routes {
        self.table.extend(other.table);
        Routes { router: self.router.merge(other.router), ..self }
    }
    pub(super) fn into_parts(self) -> (Router<App>, Vec<Route>) {
        (self.router, self.table)
    }
    fn add<G: Gate>(
        mut self,
        method: &'static str,
        path: &'static str,
        handler: MethodRouter<App>,
    ) -> Routes {
        assert!(path.starts_with(G::ROOT), "{path} is not under {}", G::ROOT);
        self.table.push(Route {
            method,
            path,
            gate: G::NAME,
            needs: G::NEEDS,
            alternatives: G::ALTERNATIVES,
            tag: None,
            doc: None,
        });
        Routes { router: self.router.route(path, handler), ..self }
    }
}
