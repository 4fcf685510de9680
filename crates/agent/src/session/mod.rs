//! Where the facts come from, and how this host introduces itself.

use std::collections::HashMap;

use isospin_feed::client::{self, ClientConfig, FeedEvent};
use isospin_feed::pki::HostIdentity;
use isospin_feed::proto::Hello;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{AgentConfig, Role};

/// Version of the meaning of `feed.proto` this release speaks.
const FEED_VERSION: u32 = 1;
/// Steps that may wait while a pass runs; then the server waits.
const QUEUE: usize = 64;

/// Where an agent gets its facts.
#[derive(Debug)]
pub enum FeedSource {
    /// From feed servers, tried in turn. With none the agent lives on its disk alone.
    Servers {
        /// `https://host:port` of each.
        servers: Vec<String>,
        /// This host's certificate.
        identity: HostIdentity,
    },
    /// From a server on this host, wherever it is at the time.
    Beside {
        /// Looks it up.
        server: Beside,
        /// This host's certificate.
        identity: HostIdentity,
    },
    /// From whoever holds the other end: agents stepped by hand.
    Steps(mpsc::Receiver<FeedEvent>),
}

/// Finds the server beside this agent.
pub struct Beside(pub client::Lookup);

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Beside").field(&(self.0)()).finish()
    }
}

impl FeedSource {
    /// Begins to receive. `applied` goes into heartbeats.
    pub(crate) fn open(
        self,
        config: &AgentConfig,
        started_at: i64,
        applied: watch::Receiver<u64>,
        shutdown: CancellationToken,
    ) -> mpsc::Receiver<FeedEvent> {
        match self {
            Self::Steps(events) => events,
            Self::Servers { servers, identity } => {
                let (sender, events) = mpsc::channel(QUEUE);
                let config = ClientConfig { servers, identity, hello: hello(config, started_at) };
                tokio::spawn(client::run(config, applied, sender, shutdown));
                events
            }
            Self::Beside { server, identity } => {
                let (sender, events) = mpsc::channel(QUEUE);
                let hello = hello(config, started_at);
                let config = ClientConfig { servers: Vec::new(), identity, hello };
                tokio::spawn(client::run_where(server.0, config, applied, sender, shutdown));
                events
            }
        }
    }
}

/// What this host says of itself at the start of a session. `started_at` is in
/// seconds since the epoch.
#[must_use]
pub fn hello(config: &AgentConfig, started_at: i64) -> Hello {
    let bridges = config.physical_networks.iter().map(|(name, it)| (name.clone(), it.bridge.clone()));
    Hello {
        feed_version: FEED_VERSION,
        host: config.host.clone(),
        roles: config.roles.iter().map(|role| role.name().to_owned()).collect(),
        started_at,
        configurations: configurations(config),
        availability_zone: config.availability_zone.clone(),
        mechanism: config.wiring.mechanism().to_owned(),
        tunnel_ip: config.tunnel_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        bridge_mappings: bridges.collect(),
        software: concat!("isospin ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// The `configurations` column of `network agent show`, with the keys operators know
/// (reference/agents-and-dataplane §9). Counts are the server's to add.
fn configurations(config: &AgentConfig) -> HashMap<String, String> {
    let of_role = |role: Role| match role {
        Role::L2 => config.wiring.configurations(config),
        Role::L3 => json!({
            "agent_mode": "legacy",
            "handle_internal_only_routers": true,
            "interface_driver": config.wiring.mechanism(),
            "extensions": [],
            "log_agent_heartbeats": false,
        }),
        Role::Dhcp => json!({
            "dhcp_driver": "native",
            "dhcp_lease_duration": config.dhcp_lease_duration,
            "log_agent_heartbeats": false,
        }),
        Role::Metadata => json!({ "log_agent_heartbeats": false }),
    };
    config.roles.iter().map(|role| (role.name().to_owned(), of_role(*role).to_string())).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::config::PhysicalNetwork;
    use crate::l2::linuxbridge::LinuxBridgeConfig;

    #[test]
    fn hello_says_what_operators_look_for() {
        let physical =
            PhysicalNetwork { bridge: "brext".into(), interface: Some("eth1".into()), ..Default::default() };
        let config = AgentConfig {
            host: "h1".to_owned(),
            roles: [Role::L2, Role::Dhcp].into(),
            state_dir: Path::new("/nowhere").to_owned(),
            tunnel_ip: Some([192, 0, 2, 1].into()),
            vxlan_port: 4789,
            vxlan_group: None,
            wiring: Arc::new(LinuxBridgeConfig),
            physical_networks: [("external".to_owned(), physical)].into(),
            availability_zone: "az1".to_owned(),
            dhcp_lease_duration: 600,
            dns_domain: "openstacklocal".to_owned(),
        };
        let hello = hello(&config, 1_700_000_000);
        assert_eq!((hello.host.as_str(), hello.roles.join(",").as_str()), ("h1", "l2,dhcp"));
        assert_eq!((hello.tunnel_ip.as_str(), hello.availability_zone.as_str()), ("192.0.2.1", "az1"));
        assert_eq!(hello.bridge_mappings["external"], "brext");
        assert_eq!(hello.configurations.len(), 2, "only the roles this host has");
        let of_role = |role: &str| -> Value {
            serde_json::from_str(&hello.configurations[role]).expect("a JSON object")
        };
        assert_eq!(of_role("l2")["interface_mappings"]["external"], "eth1");
        assert_eq!(of_role("l2")["tunnel_types"], json!(["vxlan"]));
        assert_eq!(of_role("dhcp")["dhcp_lease_duration"], 600);
    }
}
