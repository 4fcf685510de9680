//! The route table: every URL and verb the API answers, with the rule that guards
//! it and the kind of resource it speaks of.
//!
//! The table is what the router is built from, so no URL can be served without an
//! entry; [`check`] refuses to start when an entry names a rule nobody declared
//! (N25). The authorisation tests and the OpenAPI document are made from it.

mod collection;

use axum::Router;
use axum::handler::Handler;
use axum::routing::on;
use isospin_api_kit::attribute::{Attribute, Form, ResourceType, Show};
use isospin_api_kit::policy::Policy;
use isospin_api_kit::routes;

use crate::App;

pub use collection::Collection;
pub use isospin_api_kit::routes::{Unruled, Verb};

/// Who gets past the door of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a token.
    Open,
    /// Everybody with a valid token: what is answered is no secret of a project.
    Token,
    /// Whom the rule of this action allows.
    Rule(String),
}

/// What a request on a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All objects of the resource that the caller may see.
    List,
    /// One object, named by the last parameter of the path.
    Show,
    /// New objects, one or several.
    Create,
    /// Changed attributes of one object.
    Update,
    /// The end of one object.
    Delete,
    /// Anything else: an action on an object, or a document of its own form.
    Other,
}

/// One URL and verb.
#[derive(Debug, Clone)]
pub struct Route {
    pub verb: Verb,
    /// With parameters in braces: `/v2.0/networks/{id}`.
    pub path: String,
    pub access: Access,
    pub shape: Shape,
    /// The kind of object it speaks of, where there is one.
    pub resource: Option<ResourceType>,
    /// Body of a request that is not of a plain verb.
    pub takes: Option<Form>,
    /// Body of the answer to it.
    pub gives: Option<Form>,
    /// Whether a POST takes one object only.
    pub alone: bool,
    /// Whether a GET makes what is not there yet.
    pub makes: bool,
    /// Status of success, when it is not the verb's usual one.
    status: Option<u16>,
}

impl Route {
    /// Guarded by the rule of an action.
    #[must_use]
    pub fn ruled(verb: Verb, path: impl Into<String>, action: impl Into<String>) -> Self {
        Self::with(verb, path, Access::Rule(action.into()))
    }

    /// For everybody with a token.
    #[must_use]
    pub fn token(verb: Verb, path: impl Into<String>) -> Self {
        Self::with(verb, path, Access::Token)
    }

    /// For everybody.
    #[must_use]
    pub fn open(path: impl Into<String>) -> Self {
        Self::with(Verb::Get, path, Access::Open)
    }

    fn with(verb: Verb, path: impl Into<String>, access: Access) -> Self {
        Self {
            verb,
            path: path.into(),
            access,
            shape: Shape::Other,
            resource: None,
            takes: None,
            gives: None,
            alone: false,
            makes: false,
            status: None,
        }
    }

    /// With a body of this form.
    #[must_use]
    pub fn takes(mut self, form: Form) -> Self {
        self.takes = Some(form);
        self
    }

    /// With an answer of this form.
    #[must_use]
    pub fn gives(mut self, form: Form) -> Self {
        self.gives = Some(form);
        self
    }

    /// For one object at a time.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Making what is not there yet.
    #[must_use]
    pub fn makes(mut self) -> Self {
        self.makes = true;
        self
    }

    /// With this status for success.
    #[must_use]
    pub fn answers(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The status of success.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.unwrap_or(match self.verb {
            Verb::Get | Verb::Put | Verb::Patch => 200,
            Verb::Post => 201,
            Verb::Delete => 204,
        })
    }

    /// About objects of a resource.
    #[must_use]
    pub fn about(mut self, resource: ResourceType, shape: Shape) -> Self {
        self.resource = Some(resource);
        self.shape = shape;
        self
    }

    /// Whether requests or answers have this attribute, or a key within it.
    fn carries(&self, name: &str) -> bool {
        let has = |attribute: &Attribute| match self.shape {
            Shape::List | Shape::Show => attribute.show != Show::Never,
            Shape::Create => attribute.post,
            Shape::Update => attribute.put,
            Shape::Delete | Shape::Other => false,
        };
        let within = |attribute: &Attribute| {
            let key = name.strip_prefix(attribute.name).and_then(|rest| rest.strip_prefix(':'));
            key.is_some_and(|key| !key.is_empty())
        };
        self.resource.iter().flat_map(ResourceType::attributes).any(|attribute| {
            has(attribute)
                && (attribute.name == name
                    || self.shape != Shape::List && self.shape != Shape::Show && within(attribute))
        })
    }

    /// The action policy is asked for, if it is.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        match &self.access {
            Access::Rule(action) => Some(action),
            Access::Open | Access::Token => None,
        }
    }
}

/// Routes with their handlers, as a resource registers them.
pub struct Routes<S = App> {
    table: Vec<Route>,
    router: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { table: Vec::new(), router: Router::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The routes of a resource; `path` is its collection: `/v2.0/networks`.
    #[must_use]
    pub fn of(resource: ResourceType, path: &'static str) -> Collection<S> {
        Collection::new(resource, path, "")
    }

    /// The routes of a resource that lies under another:
    /// `/v2.0/floatingips/{floatingip_id}/port_forwardings` under "floatingip". A
    /// child reached through another parent than its own is 404 (N26).
    #[must_use]
    pub fn under(parent: &'static str, resource: ResourceType, path: &'static str) -> Collection<S> {
        Collection::new(resource, path, parent)
    }

    /// One more route.
    #[must_use]
    pub fn add<H: Handler<T, S>, T: 'static>(mut self, route: Route, handler: H) -> Self {
        self.router = self.router.route(&route.path, on(route.verb.filter(), handler));
        self.table.push(route);
        self
    }

    /// All routes of both.
    #[must_use]
    pub fn merge(mut self, other: impl Into<Self>) -> Self {
        let other = other.into();
        self.table.extend(other.table);
        self.router = self.router.merge(other.router);
        self
    }

    /// What is served.
    #[must_use]
    pub fn table(&self) -> &[Route] {
        &self.table
    }

    /// The router that serves it.
    pub fn into_router(self) -> Router<S> {
        self.router
    }
}

/// Whether every route has the rule it names (N25).
///
/// # Errors
/// The first one that has not.
pub fn check(table: &[Route], policy: &Policy) -> Result<(), Unruled> {
    let asked = table.iter().filter_map(|route| Some((route.verb, route.path.as_str(), route.action()?)));
    routes::check(asked, policy)
}

/// Whether a name is a rule on an attribute some route takes or shows, whether
/// declared or not: `update_port:name`, `create_port:fixed_ips:subnet_id`.
#[must_use]
pub fn guards_attribute(table: &[Route], name: &str) -> bool {
    table.iter().any(|route| {
        let rest = route.action().and_then(|action| name.strip_prefix(action)?.strip_prefix(':'));
        rest.is_some_and(|attribute| route.carries(attribute))
    })
}

#[cfg(test)]
mod tests;
