//! What handlers get, and the router around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use isospin_api_kit::auth::Authenticator;
use isospin_api_kit::http::{self, Context};
use isospin_api_kit::policy::{Policy, PolicyError, Target};
use isospin_store_kit::{Store, StoreError};

use crate::routes::{self, Unruled};
use crate::under_way::UnderWay;
use crate::{Settings, drivers, resources};

/// The parts a handler needs.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    pub policy: Arc<Policy>,
    pub settings: Arc<Settings>,
    pub under_way: UnderWay,
}

/// A policy the API cannot run under.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Route(#[from] Unruled),
}

impl App {
    /// Compiles the default policy and holds the routes against it.
    ///
    /// # Errors
    /// A declared rule does not parse or refers to nothing; a route has no rule.
    pub fn new(store: Store, settings: Settings) -> Result<Self, StartError> {
        Self::with_policy(store, settings, resources::policy(None)?)
    }

    /// As [`App::new`], under another policy than the built-in one.
    ///
    /// # Errors
    /// A route has no rule.
    pub fn with_policy(store: Store, settings: Settings, policy: Policy) -> Result<Self, StartError> {
        routes::check(&resources::route_table(), &policy)?;
        let under_way = UnderWay::default();
        Ok(Self { store, policy: Arc::new(policy), settings: Arc::new(settings), under_way })
    }

    /// Brings what the database keeps of the settings (free segmentation ids, MTUs
    /// nobody chose) in line with them; once at start, before requests.
    ///
    /// # Errors
    /// The store's.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        let settings = Arc::clone(&self.settings);
        self.store
            .write("", move |tx| {
                Box::pin(async move {
                    drivers::sync_ranges(tx, &settings).await?;
                    resources::network::store::follow_segments(tx, &settings, None).await
                })
            })
            .await
    }
}

/// The whole Network API as one router.
pub fn router(app: App, authenticator: Arc<dyn Authenticator>) -> Router {
    let mut routes = resources::routes().into_router();
    if app.policy.overrides(ADMINISTRATOR) {
        routes = routes.layer(middleware::from_fn_with_state(Arc::clone(&app.policy), administrators));
    }
    let authenticated = routes
        .fallback(http::not_found)
        .method_not_allowed_fallback(http::method_not_allowed)
        .layer(middleware::from_fn_with_state(authenticator, http::authenticate))
        .layer(DefaultBodyLimit::max(http::MAX_BODY))
        .with_state(app);
    let open = resources::open_routes()
        .into_router()
        .method_not_allowed_fallback(http::method_not_allowed)
        .merge(authenticated);
    http::lenient(open.layer(middleware::from_fn(http::identify)))
}

/// The rule that says who is an administrator; [`isospin_api_kit::Caller::is_admin`]
/// is its default.
const ADMINISTRATOR: &str = "context_is_admin";

/// Middleware: whoever the policy file calls an administrator is one for all that
/// asks [`isospin_api_kit::Caller::is_admin`].
async fn administrators(State(policy): State<Arc<Policy>>, mut request: Request, next: Next) -> Response {
    if let Some(context) = request.extensions_mut().get_mut::<Context>() {
        let admin = policy.allows(ADMINISTRATOR, &context.caller, &Target::new());
        if admin != context.caller.is_admin() {
            Arc::make_mut(&mut context.caller).admin = Some(admin);
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests;
