//! Ports on kernel bridges: what the `linuxbridge` mechanism of the agent can wire.

use serde_json::{Map, Value, json};

use super::qos::{LIMITS_AND_MARKS, QosDriver};
use super::{HostAgent, NetworkType, Segment, Vif};

/// Name of the mechanism, as agents state it.
pub const MECHANISM: &str = "linuxbridge";

/// What the agent can do for the quality of service of a port.
pub const QOS: QosDriver =
    QosDriver { name: MECHANISM, vif_types: &["bridge"], vnic_types: &["normal"], rules: LIMITS_AND_MARKS };

/// How the agent will plug a port on the segment in; `None` when it cannot.
#[must_use]
pub fn bind(agent: &HostAgent, segment: &Segment, vnic_type: &str) -> Option<Vif> {
    if agent.mechanism != MECHANISM || vnic_type != "normal" {
        return None;
    }
    let wirable = match segment.network_type {
        // Kernel bridges have no other tunnels.
        NetworkType::Gre | NetworkType::Geneve => false,
        // A VLAN is one of a NIC.
        NetworkType::Vlan => {
            segment.physical_network.as_deref().is_some_and(|name| agent.has_interface(name))
        }
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
