//! The routes, kept in a list as they are added, so that the description of the API can be held
//! against them.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodRouter, delete, get, post, put},
};

use super::routes::Shared;

/// A router under construction, and what was added to it.
pub(super) struct Table {
    router: Router<Shared>,
    routes: Vec<(&'static str, &'static str)>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), routes: Vec::new() }
    }

    pub(super) fn get<T: 'static>(
        self,
        path: &'static str,
        answer: impl Handler<T, Shared>,
    ) -> Self {
        self.add("GET", path, get(answer))
    }

    pub(super) fn post<T: 'static>(
        self,
        path: &'static str,
        answer: impl Handler<T, Shared>,
    ) -> Self {
        self.add("POST", path, post(answer))
    }

    pub(super) fn put<T: 'static>(
        self,
        path: &'static str,
        answer: impl Handler<T, Shared>,
    ) -> Self {
        self.add("PUT", path, put(answer))
    }

    pub(super) fn delete<T: 'static>(
        self,
        path: &'static str,
        answer: impl Handler<T, Shared>,
    ) -> Self {
        self.add("DELETE", path, delete(answer))
    }

    fn add(mut self, method: &'static str, path: &'static str, one: MethodRouter<Shared>) -> Self {
        self.routes.push((method, path));
        Self { router: self.router.route(path, one), routes: self.routes }
    }

    pub(super) fn into_router(self) -> Router<Shared> {
        self.router
    }

    /// Method and path of each, in the order they were added.
    pub(super) fn into_routes(self) -> Vec<(&'static str, &'static str)> {
        self.routes
    }
}
