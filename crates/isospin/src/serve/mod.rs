//! `isospin server`: the APIs and the feed on one store.

mod http;
mod listeners;
pub mod settings;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use isospin_api_kit::auth::Authenticator;
use isospin_api_kit::policy::Policy;
use isospin_identity::IdentityApp;
use isospin_identity::bootstrap::{Administrator, BootstrapSpec, ServiceSpec, bootstrap};
use isospin_identity::keystone::Keystone;
use isospin_network::App;
use isospin_network::background::nova::{self, NovaConfig};
use isospin_store_kit::{Store, StoreConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{self, Service};
use crate::config::{Config, IdentityMode, KeyRepository};
use crate::credentials::{Passwords, write_client_files};
use crate::logging;
use crate::metrics;
use crate::state_dir::{StateDir, authority, write_json};
use crate::supervise::{Endpoints, ServerFile};
use listeners::Listeners;

pub async fn run(arguments: cli::Server) -> Result<()> {
    let config = configuration(&arguments.settings)?;
    logging::start(&config.log)?;
    metrics::start(config.metrics.server_listen.as_ref()).await?;
    raise_descriptors();
    let state = StateDir::new(arguments.place.state_dir)?;
    state.create()?;
    let with_network = arguments.services.contains(&Service::Network);
    let with_identity = config.identity.mode == IdentityMode::BuiltIn;
    if with_identity && !arguments.services.contains(&Service::Identity) {
        bail!("--services: the network service needs identity beside it, or [identity] mode = \"keystone\"");
    }
    if !with_identity && !with_network {
        bail!("--services: with [identity] mode = \"keystone\" there is no identity service to run here");
    }
    // What is wrong with the configuration is told before anything is made.
    let mut network_settings = settings::network(&config.network, &config.agent)?;
    let told_nova = settings::nova(&config.nova)?;
    network_settings.nova_events = told_nova.is_some();
    let policies = settings::policies(&config.network, &state)?;
    let keystone = match config.identity.mode {
        IdentityMode::BuiltIn => None,
        IdentityMode::Keystone => Some(Keystone::new(settings::keystone(&config.identity.keystone)?)?),
    };
    let listeners = Listeners::bind(&config, &state, with_identity, with_network).await?;
    let endpoints = listeners.endpoints(&config);
    let store = open_store(&config, &state).await?;

    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    let authenticator: Arc<dyn Authenticator> = match (keystone, listeners.identity) {
        (Some(keystone), _) => Arc::new(keystone),
        (None, Some(listener)) => {
            let identity = open_identity(&config, &state, &store, &endpoints, policies.identity).await?;
            tasks.spawn(http::serve(listener, isospin_identity::router(identity.clone()), stop.clone()));
            identity.authenticator()
        }
        (None, None) => bail!("there is no identity service"),
    };
    if let (Some(network_listener), Some(feed_listener)) = (listeners.network, listeners.feed) {
        let app = open_network(network_settings, policies.network, store).await?;
        let router = isospin_network::router(app.clone(), authenticator);
        match told_nova {
            Some(config) => {
                tasks.spawn(tell_nova(app.store.clone(), config, stop.clone()));
            }
            None => nova::forget(&app.store).await.context("cannot forget events for Nova")?,
        }
        tasks.spawn(http::serve(network_listener, router, stop.clone()));
        tasks.spawn(serve_feed(app, &state, &config, feed_listener, stop.clone())?);
    }
    write_json(&state.server_file(), &ServerFile { pid: std::process::id(), endpoints: endpoints.clone() })?;
    tracing::info!(
        identity = endpoints.identity,
        network = endpoints.network,
        feed = endpoints.feed,
        "serving"
    );

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        Some(ended) = tasks.join_next() => {
            stop.cancel();
            return ended.context("a service panicked")?.context("a service ended");
        }
    }
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Every agent holds a connection: more than the thousand descriptors systems give at first.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot open more files than the system gives at first");
    }
}

/// The configuration with the flags laid over it.
pub fn configuration(settings: &cli::Settings) -> Result<Config> {
    let mut config = Config::load(settings.config.as_deref(), std::env::vars())?;
    if let Some(listen) = &settings.identity_listen {
        config.identity.listen = listen.clone();
    }
    if let Some(listen) = &settings.network_listen {
        config.network.listen = listen.clone();
    }
    if let Some(listen) = &settings.feed_listen {
        config.feed.listen = listen.clone();
    }
    Ok(config)
}

/// Opens the database the configuration names, with the schemas of all services.
pub async fn open_store(config: &Config, state: &StateDir) -> Result<Store> {
    let address = match &config.store.url_file {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("[store] url_file: cannot read {}", path.display()))?
            .trim()
            .to_owned(),
        None => config.store.url.clone(),
    };
    if address.is_empty() && config.identity.key_repository == KeyRepository::Database {
        bail!("[identity] key_repository: \"database\" is for servers on PostgreSQL ([store] url)");
    }
    let store = if address.is_empty() {
        StoreConfig::Sqlite { path: state.database(), durable: true }
    } else {
        StoreConfig::Postgres { address, connections: config.store.connections }
    };
    let migrations = [isospin_identity::MIGRATIONS, isospin_network::MIGRATIONS];
    Store::open(store, &migrations).await.context("cannot open the database")
}

async fn open_identity(
    config: &Config,
    state: &StateDir,
    store: &Store,
    endpoints: &Endpoints,
    policy: Policy,
) -> Result<IdentityApp> {
    let settings = settings::identity(&config.identity, state, &endpoints.identity);
    let passwords = Passwords::load_or_generate(state)?;
    let identity = isospin_identity::open_with(settings, store.clone(), policy);
    let identity = identity.await.context("cannot open identity")?;
    let spec = BootstrapSpec {
        admin: Administrator::usual(&passwords.admin),
        demo_password: Some(passwords.demo.clone()),
        // The generated ones are for the first start only: people change theirs.
        reset_passwords: false,
        region: config.identity.region.clone(),
        services: ServiceSpec::both(&endpoints.identity, &endpoints.network),
    };
    bootstrap(&identity, spec).await.context("cannot set up the first users")?;
    write_client_files(state, &passwords, &endpoints.identity, &config.identity.region)?;
    Ok(identity)
}

async fn open_network(settings: isospin_network::Settings, policy: Policy, store: Store) -> Result<App> {
    let app = App::with_policy(store, settings, policy).context("the built-in policy is broken")?;
    app.prepare().await.context("cannot prepare the network service")?;
    Ok(app)
}

/// Tells Nova of ports until `stop`.
async fn tell_nova(store: Store, config: NovaConfig, stop: CancellationToken) -> Result<()> {
    tokio::select! {
        told = nova::run(store, config) => told.context("[nova]"),
        () = stop.cancelled() => Ok(()),
    }
}

/// The future that serves agents.
fn serve_feed(
    app: App,
    state: &StateDir,
    config: &Config,
    listener: tokio::net::TcpListener,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<()>> + use<>> {
    let authority = Arc::new(authority(state)?);
    let mut names = config.feed.names.clone();
    names.push(config.feed.listen.0.ip().to_string());
    names.push("localhost".to_owned());
    let tls = authority.server_tls(&names).context("cannot make the feed's certificate")?;
    let tokens = state.join_tokens();
    Ok(async move {
        isospin_network::feed::serve(app, authority, tokens, tls, listener, stop.cancelled_owned())
            .await
            .context("the feed ended")
    })
}
