//! `isospin agent`: the host agent, real or simulated.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use isospin_agent::config::{AgentConfig, PhysicalNetwork, Role};
use isospin_agent::converge::Mechanism;
use isospin_agent::dhcp::Dhcp;
use isospin_agent::host_notices::{self, HostNotices};
use isospin_agent::l3::L3;
use isospin_agent::metadata::Metadata;
use isospin_agent::session::{Beside, FeedSource};
use isospin_agent::simulated;
use isospin_agent::status::AgentStatus;
use isospin_feed::client::join;
use isospin_feed::pki::{HostIdentity, KeyRequest};
use isospin_host_io::{Links, Nft, Place, Tools};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::config::{self, Config};
use crate::logging;
use crate::memory;
use crate::metrics;
use crate::state_dir::{StateDir, authority, read_json};
use crate::supervise::ServerFile;

pub async fn run(arguments: cli::Agent) -> Result<()> {
    let config = Config::load(arguments.config.as_deref(), std::env::vars())?;
    logging::start(&config.log)?;
    metrics::start(config.metrics.agent_listen.as_ref()).await?;
    let state = StateDir::new(arguments.place.state_dir.clone())?;
    state.create()?;
    if !arguments.simulated {
        if !nix::unistd::geteuid().is_root() {
            bail!("the agent needs root to build networks on this host");
        }
        Tools::require(&["nft"])?;
    }
    let agent = agent_config(&config, &arguments, &state)?;
    let feed = feed(&arguments, &state, &agent.host).await?;
    let shutdown = CancellationToken::new();
    let notices = HostNotices::new();
    let mechanisms = if arguments.simulated {
        simulated::mechanisms(&agent.host, &agent.roles)
    } else {
        real(&agent, &notices, shutdown.clone()).await?
    };
    stop_on_signal(shutdown.clone())?;
    let (status, newest) = watch::channel(AgentStatus::default());
    tokio::spawn(give_back_start(newest));
    tracing::info!(host = agent.host, simulated = arguments.simulated, "agent starts");
    isospin_agent::run(agent, feed, mechanisms, notices, status, shutdown)
        .await
        .context("the agent cannot run")
}

/// Once the host is what the server wants, the pages that only the way there needed are too many.
async fn give_back_start(mut status: watch::Receiver<AgentStatus>) {
    if status.wait_for(|status| status.ready).await.is_ok()
        && let Err(error) = memory::give_back_start()
    {
        tracing::debug!(%error, "cannot give back the pages of the start");
    }
}

fn agent_config(config: &Config, arguments: &cli::Agent, state: &StateDir) -> Result<AgentConfig> {
    let names = if arguments.roles.is_empty() { &config.agent.roles } else { &arguments.roles };
    let host = if config.agent.host.is_empty() { host_name()? } else { config.agent.host.clone() };
    let physical_networks = config
        .agent
        .physical_networks
        .iter()
        .map(|(name, network)| {
            let network = PhysicalNetwork {
                bridge: network.bridge.clone(),
                interface: network.interface.clone(),
                addresses: network.addresses.clone(),
                masquerade: network.masquerade,
            };
            (name.clone(), network)
        })
        .collect();
    let agent = AgentConfig {
        host,
        roles: names.iter().map(|name| role(name)).collect::<Result<BTreeSet<Role>>>()?,
        state_dir: state.agent(),
        tunnel_ip: config.agent.tunnel_ip,
        vxlan_port: config.agent.vxlan_port,
        vxlan_group: vxlan_group(&config.agent)?,
        physical_networks,
        availability_zone: config.agent.availability_zone.clone(),
        dhcp_lease_duration: config.agent.dhcp_lease_duration,
        dns_domain: config.network.dns_domain.trim_end_matches('.').to_owned(),
        wiring: config.agent.wiring(),
    };
    agent.wiring.check(&agent).map_err(anyhow::Error::msg)?;
    Ok(agent)
}

/// The group tunnels flood to; `None` with l2population.
fn vxlan_group(agent: &config::Agent) -> Result<Option<IpAddr>> {
    let group = agent.vxlan_group;
    if agent.l2_population || agent.tunnel_ip.is_none() {
        return Ok(None);
    }
    if !group.is_multicast() || agent.tunnel_ip.is_some_and(|local| local.is_ipv4() != group.is_ipv4()) {
        bail!("[agent] vxlan_group: '{group}' is not a multicast address of the IP version of tunnel_ip");
    }
    Ok(Some(group))
}

fn role(name: &str) -> Result<Role> {
    [Role::L2, Role::L3, Role::Dhcp, Role::Metadata]
        .into_iter()
        .find(|role| role.name() == name)
        .with_context(|| format!("'{name}' is not a role of an agent: l2, l3, dhcp, metadata"))
}

fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname().context("cannot read this host's name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Which server to follow, and as whom.
async fn feed(arguments: &cli::Agent, state: &StateDir, host: &str) -> Result<FeedSource> {
    let known = HostIdentity::load(&state.agent()).context("the agent's certificate is damaged")?;
    let known = known.filter(|identity| identity.host() == host);
    match (&arguments.join, known) {
        (Some(url), Some(identity)) => Ok(FeedSource::Servers { servers: vec![url.clone()], identity }),
        (Some(url), None) => {
            let token = arguments
                .token
                .as_deref()
                .context("--token is needed to join: `isospin token HOST` makes one")?;
            let token = token.parse().map_err(|error| anyhow::anyhow!("--token: {error}"))?;
            let identity = join(url, host, &token, &state.agent()).await.context("cannot join")?;
            Ok(FeedSource::Servers { servers: vec![url.clone()], identity })
        }
        (None, known) => beside_server(state, host, known),
    }
}

/// The agent of `up`: the server is on this host and shares the state directory, so
/// the authority there signs its certificate without a token.
fn beside_server(state: &StateDir, host: &str, known: Option<HostIdentity>) -> Result<FeedSource> {
    let identity = match known {
        Some(identity) => identity,
        None => {
            let authority = authority(state)?;
            let request = KeyRequest::generate(host)?;
            let certificate = authority.sign_request(request.csr_der(), host)?;
            let identity = request.complete(&certificate, authority.certificate_pem())?;
            identity.save(&state.agent())?;
            identity
        }
    };
    let file = state.server_file();
    let server = move || {
        let server: Option<ServerFile> = read_json(&file).ok().flatten();
        server.map(|server| server.endpoints.feed).into_iter().filter(|feed| !feed.is_empty()).collect()
    };
    Ok(FeedSource::Beside { server: Beside(Box::new(server)), identity })
}

/// The mechanisms of a real host, and the watches that wake them.
async fn real(
    agent: &AgentConfig,
    notices: &HostNotices,
    shutdown: CancellationToken,
) -> Result<Vec<Box<dyn Mechanism>>> {
    let mut mechanisms: Vec<Box<dyn Mechanism>> = Vec::new();
    let nft = Nft::open(Place::Host);
    let links = Links::open(&Place::Host).await.context("cannot talk to the kernel about devices")?;
    if agent.roles.contains(&Role::L3) {
        mechanisms.push(Box::new(L3::new(agent)));
    }
    if agent.roles.contains(&Role::Dhcp) {
        mechanisms.push(Box::new(Dhcp::new(agent)));
    }
    if agent.roles.contains(&Role::L2) {
        mechanisms.push(agent.wiring.driver(agent, Place::Host, notices));
    }
    if agent.roles.contains(&Role::Metadata) {
        mechanisms.push(Box::new(Metadata::new(agent)));
    }
    host_notices::watch(notices.clone(), links, nft, shutdown).await.context("cannot watch this host")?;
    Ok(mechanisms)
}

fn stop_on_signal(shutdown: CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}
