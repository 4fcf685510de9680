//! Ports on kernel bridges: what the `linuxbridge` mechanism of the agent can wire.

use serde_json::{Map, Value, json};

use super::qos::LIMITS_AND_MARKS;
use super::{HostAgent, MechanismDriver, NetworkType, Segment};

/// What the server knows of it.
pub(super) const DRIVER: MechanismDriver = MechanismDriver {
    name: "linuxbridge",
    agent_type: "Linux bridge agent",
    binary: "neutron-linuxbridge-agent",
    vif_type: "bridge",
    vnic_types: &["normal"],
    carries_trunks: false,
    qos: LIMITS_AND_MARKS,
    details,
};

fn details(agent: &HostAgent, segment: &Segment) -> Option<Map<String, Value>> {
    let wirable = match segment.network_type {
        // Kernel bridges have no other tunnels.
        NetworkType::Gre | NetworkType::Geneve => false,
        // A VLAN is one of a NIC.
        NetworkType::Vlan => {
            segment.physical_network.as_deref().is_some_and(|name| agent.has_interface(name))
        }
        NetworkType::Local | NetworkType::Vxlan | NetworkType::Flat => agent.is_on(segment),
    };
    wirable.then(vif_details)
}

fn vif_details() -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("port_filter".to_owned(), Value::Bool(true));
    details.insert("connectivity".to_owned(), Value::from("l2"));
    details.insert("bound_drivers".to_owned(), json!({"0": DRIVER.name}));
    details
}
