//! Ports on kernel bridges: what the `linuxbridge` mechanism of the agent can wire.

use serde_json::{Map, Value, json};

use super::{HostAgent, NetworkType, Segment, Vif};

/// Name of the mechanism, as agents state it.
pub const MECHANISM: &str = "linuxbridge";

/// How the agent will plug a port on the segment in; `None` when it cannot.
#[must_use]
pub fn bind(agent: &HostAgent, segment: &Segment, vnic_type: &str) -> Option<Vif> {
    if agent.mechanism != MECHANISM || vnic_type != "normal" {
        return None;
    }
    let wirable = match segment.network_type {
        // The agent has no VLAN devices yet.
        NetworkType::Vlan => false,
        NetworkType::Local | NetworkType::Vxlan | NetworkType::Flat => agent.is_on(segment),
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
