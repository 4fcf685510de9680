//! The routes of one resource: the verbs every resource has, and its own actions.

use axum::handler::Handler;
use isospin_api_kit::attribute::{Form, ResourceType};

use super::{Route, Routes, Shape, Verb};
use crate::App;

/// Routes that are being listed for a resource. The rule of each is
/// `<verb>_<resource>`, under a parent `<verb>_<parent>_<resource>`.
pub struct Collection<S = App> {
    resource: ResourceType,
    /// `/v2.0/networks`
    path: &'static str,
    /// Name of the resource it lies under, "" for none.
    parent: &'static str,
    routes: Routes<S>,
}

impl<S> From<Collection<S>> for Routes<S> {
    fn from(collection: Collection<S>) -> Self {
        collection.routes
    }
}

impl<S: Clone + Send + Sync + 'static> Collection<S> {
    pub(super) fn new(resource: ResourceType, path: &'static str, parent: &'static str) -> Self {
        Self { resource, path, parent, routes: Routes::new() }
    }

    /// `GET <collection>`: the rule decides for each object.
    #[must_use]
    pub fn list<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
        let path = self.path.to_owned();
        self.standard(Verb::Get, path, "get", Shape::List, handler)
    }

    /// `POST <collection>`
    #[must_use]
    pub fn create<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
        let path = self.path.to_owned();
        self.standard(Verb::Post, path, "create", Shape::Create, handler)
    }

    /// `GET <collection>/{id}`
    #[must_use]
    pub fn show<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
        let path = self.member();
        self.standard(Verb::Get, path, "get", Shape::Show, handler)
    }

    /// `PUT <collection>/{id}`
    #[must_use]
    pub fn update<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
        let path = self.member();
        self.standard(Verb::Put, path, "update", Shape::Update, handler)
    }

    /// `DELETE <collection>/{id}`
    #[must_use]
    pub fn delete<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
        let path = self.member();
        self.standard(Verb::Delete, path, "delete", Shape::Delete, handler)
    }

    /// `<verb> <collection>/{id}/<action>`; the rule has the name of the action.
    #[must_use]
    pub fn action<H: Handler<T, S>, T: 'static>(
        mut self,
        verb: Verb,
        action: &'static str,
        handler: H,
    ) -> Self {
        let path = format!("{}/{action}", self.member());
        let route = Route::ruled(verb, path, action).about(self.resource, Shape::Other);
        self.routes = self.routes.add(route, handler);
        self
    }

    /// The forms of request and answer of the route just listed.
    #[must_use]
    pub fn forms(self, takes: Form, gives: Form) -> Self {
        self.last(|route| route.takes(takes).gives(gives))
    }

    fn last(mut self, change: impl FnOnce(Route) -> Route) -> Self {
        if let Some(route) = self.routes.table.pop() {
            self.routes.table.push(change(route));
        }
        self
    }

    /// The route just listed is for one object at a time.
    #[must_use]
    pub fn alone(self) -> Self {
        self.last(Route::alone)
    }

    /// The route just listed makes what is not there yet.
    #[must_use]
    pub fn makes(self) -> Self {
        self.last(Route::makes)
    }

    /// The form of the answer of the route just listed, which takes no body.
    #[must_use]
    pub fn gives(self, form: Form) -> Self {
        self.last(|route| route.gives(form))
    }

    /// Any other route.
    #[must_use]
    pub fn add<H: Handler<T, S>, T: 'static>(mut self, route: Route, handler: H) -> Self {
        self.routes = self.routes.add(route, handler);
        self
    }

    fn standard<H: Handler<T, S>, T: 'static>(
        mut self,
        verb: Verb,
        path: String,
        word: &str,
        shape: Shape,
        handler: H,
    ) -> Self {
        let name = self.resource.name;
        let action = match self.parent {
            "" => format!("{word}_{name}"),
            parent => format!("{word}_{parent}_{name}"),
        };
        let route = Route::ruled(verb, path, action).about(self.resource, shape);
        self.routes = self.routes.add(route, handler);
        self
    }

    fn member(&self) -> String {
        format!("{}/{{id}}", self.path)
    }
}
