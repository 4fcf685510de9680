//! Ports on kernel bridges: what the `linuxbridge` mechanism of the agent can wire.

use serde_json::{Map, Value, json};

use super::{HostAgent, NetworkType, Vif};
use crate::resources::network::model::Network;

/// Name of the mechanism, as agents state it.
pub const MECHANISM: &str = "linuxbridge";

/// How the agent will plug a port of the network in; `None` when it cannot.
#[must_use]
pub fn bind(agent: &HostAgent, network: &Network, vnic_type: &str) -> Option<Vif> {
    if agent.mechanism != MECHANISM || vnic_type != "normal" {
        return None;
    }
    let wirable = match network.network_type {
        NetworkType::Local | NetworkType::Vxlan => true,
        NetworkType::Flat => network.physical_network.as_deref().is_some_and(|name| agent.reaches(name)),
        // The agent has no VLAN devices yet.
        NetworkType::Vlan => false,
    };
    wirable.then(|| Vif { vif_type: "bridge", details: details() })
}

fn details() -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("port_filter".to_owned(), Value::Bool(true));
    details.insert("connectivity".to_owned(), Value::from("l2"));
    details.insert("bound_drivers".to_owned(), json!({"0": MECHANISM}));
    details
}
