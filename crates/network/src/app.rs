//! What handlers get, and the router around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use isospin_api_kit::auth::Authenticator;
use isospin_api_kit::http;
use isospin_api_kit::policy::{Policy, PolicyError};
use isospin_store_kit::{Store, StoreError};

use crate::{Settings, drivers, resources};

/// The parts a handler needs.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    pub policy: Arc<Policy>,
    pub settings: Arc<Settings>,
}

impl App {
    /// Compiles the default policy.
    ///
    /// # Errors
    /// A declared rule does not parse or refers to nothing.
    pub fn new(store: Store, settings: Settings) -> Result<Self, PolicyError> {
        let policy = Policy::new(resources::policy_rules())?;
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
                    resources::network::store::sync_mtus(tx, &settings).await
                })
            })
            .await
    }
}

/// The whole Network API as one router.
pub fn router(app: App, authenticator: Arc<dyn Authenticator>) -> Router {
    let authenticated = resources::routes()
        .fallback(http::not_found)
        .method_not_allowed_fallback(http::method_not_allowed)
        .layer(middleware::from_fn_with_state(authenticator, http::authenticate))
        .layer(DefaultBodyLimit::max(http::MAX_BODY))
        .with_state(app);
    let open = resources::open_routes().merge(authenticated);
    http::lenient(open.layer(middleware::from_fn(http::identify)))
}
