//! The route table: every URL and verb the API answers, with the rules that guard it.
//!
//! The router is built from the table, so no URL can be served without an entry;
//! [`check`] refuses to start when an entry names a rule nobody declared (N25). The
//! authorisation test is made from it.

use axum::Router;
use axum::extract::{Path, State};
use axum::handler::Handler;
use axum::middleware;
use axum::routing::on;
use isospin_api_kit::policy::Policy;
use isospin_api_kit::routes;

use crate::request::{Context, RawBody};
use crate::resources::record::Kind;
use crate::{IdentityApp, request};

pub use isospin_api_kit::routes::{Unruled, Verb};

/// Who gets past the door of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a token.
    Open,
    /// Everybody with a valid token, about themselves.
    Token,
    /// Whom a rule allows. Of several, what the request says decides which.
    Rules(Vec<String>),
}

/// One URL and verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub verb: Verb,
    /// With parameters in braces: `/v3/projects/{id}`.
    pub path: String,
    pub access: Access,
}

impl Route {
    /// The actions policy is asked for.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        let rules = match &self.access {
            Access::Rules(rules) => rules.as_slice(),
            Access::Open | Access::Token => &[],
        };
        rules.iter().map(String::as_str)
    }
}

/// Routes with their handlers, as a resource registers them.
#[derive(Default)]
pub struct Routes {
    table: Vec<Route>,
    open: Router<IdentityApp>,
    guarded: Router<IdentityApp>,
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// For everybody.
    pub fn open<H: Handler<T, IdentityApp>, T: 'static>(
        mut self,
        verb: Verb,
        path: &str,
        handler: H,
    ) -> Self {
        self.open = served(self.open, verb, path, handler);
        self.note(verb, path, Access::Open)
    }

    /// For everybody with a token.
    pub fn token<H: Handler<T, IdentityApp>, T: 'static>(self, verb: Verb, path: &str, handler: H) -> Self {
        self.add(verb, path, Access::Token, handler)
    }

    /// Guarded by the rule of an action, given without `identity:`; by one of several
    /// when they are separated by blanks.
    pub fn ruled<H: Handler<T, IdentityApp>, T: 'static>(
        self,
        verb: Verb,
        path: &str,
        actions: &str,
        handler: H,
    ) -> Self {
        let rules = actions.split(' ').map(|action| format!("identity:{action}")).collect();
        self.add(verb, path, Access::Rules(rules), handler)
    }

    pub fn get<H: Handler<T, IdentityApp>, T: 'static>(self, path: &str, action: &str, handler: H) -> Self {
        self.ruled(Verb::Get, path, action, handler)
    }

    pub fn post<H: Handler<T, IdentityApp>, T: 'static>(self, path: &str, action: &str, handler: H) -> Self {
        self.ruled(Verb::Post, path, action, handler)
    }

    pub fn put<H: Handler<T, IdentityApp>, T: 'static>(self, path: &str, action: &str, handler: H) -> Self {
        self.ruled(Verb::Put, path, action, handler)
    }

    pub fn patch<H: Handler<T, IdentityApp>, T: 'static>(self, path: &str, action: &str, handler: H) -> Self {
        self.ruled(Verb::Patch, path, action, handler)
    }

    pub fn delete<H: Handler<T, IdentityApp>, T: 'static>(
        self,
        path: &str,
        action: &str,
        handler: H,
    ) -> Self {
        self.ruled(Verb::Delete, path, action, handler)
    }

    fn add<H: Handler<T, IdentityApp>, T: 'static>(
        mut self,
        verb: Verb,
        path: &str,
        access: Access,
        handler: H,
    ) -> Self {
        self.guarded = served(self.guarded, verb, path, handler);
        self.note(verb, path, access)
    }

    /// The five routes of a resource of plain rows.
    pub fn records(self, kind: &'static Kind) -> Self {
        type App = State<IdentityApp>;
        let (one, many) = (kind.schema.key, kind.plural);
        let path = format!("/v3/{}", kind.path);
        let each = format!("{path}/{{id}}");
        self.get(&path, &format!("list_{many}"), move |State(app): App, context: Context| {
            kind.list(app, context)
        })
        .post(
            &path,
            &format!("create_{one}"),
            move |State(app): App, context: Context, RawBody(body): RawBody| kind.create(app, context, body),
        )
        .get(
            &each,
            &format!("get_{one}"),
            move |State(app): App, context: Context, Path(id): Path<String>| kind.show(app, context, id),
        )
        .patch(
            &each,
            &format!("update_{one}"),
            move |State(app): App, context: Context, Path(id): Path<String>, RawBody(body): RawBody| {
                kind.update(app, context, id, body)
            },
        )
        .delete(
            &each,
            &format!("delete_{one}"),
            move |State(app): App, context: Context, Path(id): Path<String>| kind.delete(app, context, id),
        )
    }

    fn note(mut self, verb: Verb, path: &str, access: Access) -> Self {
        self.table.push(Route { verb, path: path.to_owned(), access });
        self
    }

    /// All routes of both.
    pub fn merge(mut self, other: Self) -> Self {
        self.table.extend(other.table);
        self.open = self.open.merge(other.open);
        self.guarded = self.guarded.merge(other.guarded);
        self
    }

    /// What is served.
    pub fn table(self) -> Vec<Route> {
        self.table
    }

    /// The router that serves it; nobody passes a guarded route without a token.
    pub fn into_router(self, app: &IdentityApp) -> Router<IdentityApp> {
        let authenticate = middleware::from_fn_with_state(app.clone(), request::authenticate);
        self.open.merge(self.guarded.layer(authenticate))
    }
}

/// With the route; a slash more at the end is the same.
fn served<H: Handler<T, IdentityApp>, T: 'static>(
    router: Router<IdentityApp>,
    verb: Verb,
    path: &str,
    handler: H,
) -> Router<IdentityApp> {
    let router = router.route(path, on(verb.filter(), handler.clone()));
    if path == "/" { router } else { router.route(&format!("{path}/"), on(verb.filter(), handler)) }
}

/// Whether every route has the rules it names (N25).
///
/// # Errors
/// The first one that has not.
pub fn check(table: &[Route], policy: &Policy) -> Result<(), Unruled> {
    let asked = table.iter().flat_map(|route| {
        let path = route.path.as_str();
        route.actions().map(move |action| (route.verb, path, action))
    });
    routes::check(asked, policy)
}
