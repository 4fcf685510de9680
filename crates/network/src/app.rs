//! What handlers get, and the router around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use isospin_api_kit::auth::Authenticator;
use isospin_api_kit::http;
use isospin_api_kit::policy::{Policy, PolicyError};
use isospin_store_kit::{Store, StoreError};

use crate::routes::{self, Unruled};
use crate::{Settings, drivers, resources};

/// The parts a handler needs.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    pub policy: Arc<Policy>,
    pub settings: Arc<Settings>,
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
        let policy = Policy::new(resources::policy_rules())?;
        routes::check(&resources::route_table(), &policy)?;
        Ok(Self { store, policy: Arc::new(policy), settings: Arc::new(settings) })
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
    let authenticated = resources::routes()
        .into_router()
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
