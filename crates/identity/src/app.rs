//! The identity service as one value, and the router around it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use isospin_api_kit::auth::Authenticator;
use isospin_api_kit::policy::{Policy, PolicyError};
use isospin_store_kit::{Store, StoreError, Tx, Work};

use crate::config::IdentityConfig;
use crate::fault::Fault;
use crate::generation::{self, Generation};
use crate::passwords::{Passwords, PasswordsError};
use crate::resources::catalog::Catalog;
use crate::resources::user::{self, Watch};
use crate::routes::Route;
use crate::tokens::Tokens;
use crate::tokens::authenticate::failures::Failures;
use crate::tokens::keys::{KeyError, KeyRepository};
use crate::{discovery, policy, request, resources, routes};

/// Bodies above this are refused with 413 (reference/identity-api.md §2).
const MAX_BODY: usize = 114_688;

/// Wrong passcodes a user may send in a minute: there are but a million.
const MOST_WRONG_PASSCODES: u32 = 10;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the policy of identity cannot be used")]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Unruled(#[from] routes::Unruled),
    #[error("the keys of tokens cannot be used")]
    Keys(#[from] KeyError),
    #[error("the tables of identity cannot be read")]
    Store(#[from] StoreError),
    #[error("password hashing cannot be set up")]
    Passwords(#[from] PasswordsError),
}

/// The identity service. Cheap to clone.
#[derive(Clone)]
pub struct IdentityApp {
    pub store: Store,
    pub config: Arc<IdentityConfig>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) failures: Arc<Failures>,
    pub(crate) wrong_passcodes: Arc<Failures>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) catalog: Arc<Catalog>,
    /// What credentials are sealed with.
    pub(crate) credential_keys: Arc<KeyRepository>,
    generation: Arc<Generation>,
    /// Ends with the last of the clones that were handed out.
    _inactivity: Option<Arc<Watch>>,
}

/// Opens the service on a store that has its tables ([`crate::MIGRATIONS`]). Makes
/// the key folder when there is none.
///
/// # Errors
/// The keys cannot be read or written, the store cannot be read.
pub async fn open(config: IdentityConfig, store: Store) -> Result<IdentityApp, OpenError> {
    open_with(config, store, policy::policy(None)?).await
}

/// As [`open`], with a policy of [`crate::policy`].
///
/// # Errors
/// As [`open`]; a route asks for a rule the policy has not (N25).
pub async fn open_with(
    config: IdentityConfig,
    store: Store,
    policy: Policy,
) -> Result<IdentityApp, OpenError> {
    routes::check(&route_table(), &policy)?;
    let config = Arc::new(config);
    let generation = Generation::follow(&store).await?;
    let tokens = Tokens::open(store.clone(), Arc::clone(&generation), Arc::clone(&config)).await?;
    let mut app = IdentityApp {
        policy: Arc::new(policy),
        passwords: Arc::new(Passwords::new(&config.passwords)?),
        failures: Arc::new(Failures::new(config.passwords.failures_per_minute)),
        wrong_passcodes: Arc::new(Failures::new(
            config.passwords.failures_per_minute.map(|most| most.min(MOST_WRONG_PASSCODES)),
        )),
        tokens: Arc::new(tokens),
        catalog: Arc::new(Catalog::new(Arc::clone(&generation))),
        credential_keys: Arc::new(KeyRepository::of_folder(&config.credential_key_folder)?),
        store,
        config,
        generation,
        _inactivity: None,
    };
    app._inactivity = user::watch(&app);
    Ok(app)
}

impl IdentityApp {
    /// What the network API asks about tokens. A token seen before costs no query.
    #[must_use]
    pub fn authenticator(&self) -> Arc<dyn Authenticator> {
        Arc::clone(&self.tokens) as Arc<dyn Authenticator>
    }

    /// Runs a unit of work that changes identity. What was remembered before is not
    /// used any more when this returns, also when the caller has gone away meanwhile.
    pub(crate) async fn write<T, F>(&self, request_id: &str, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T, Fault> + Send + 'static,
    {
        let (store, generation) = (self.store.clone(), Arc::clone(&self.generation));
        let request_id = request_id.to_owned();
        let task = tokio::spawn(async move {
            let (value, number) = store
                .write(&request_id, move |tx| {
                    Box::pin(async move {
                        let value = work(tx).await?;
                        let number = generation::advance(tx).await?;
                        Ok::<_, Fault>((value, number))
                    })
                })
                .await?;
            generation.raise(number);
            Ok(value)
        });
        task.await.map_err(Fault::internal)?
    }
}

/// Every route of the Identity API.
#[must_use]
pub fn route_table() -> Vec<Route> {
    resources::routes().merge(discovery::routes()).table()
}

/// The Identity API v3, to be served at the root of its listener.
pub fn router(app: IdentityApp) -> Router {
    resources::routes()
        .merge(discovery::routes())
        .into_router(&app)
        .fallback(request::not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(request::identify))
        .with_state(app)
}
