//! Ports on Open vSwitch: what the `openvswitch` mechanism of the agent can wire.

use serde_json::{Map, Value, json};

use super::qos::LIMITS_AND_MARKS;
use super::{HostAgent, MechanismDriver, NetworkType, Segment};

/// What the server knows of it.
pub(super) const DRIVER: MechanismDriver = MechanismDriver {
    name: "openvswitch",
    agent_type: "Open vSwitch agent",
    binary: "neutron-openvswitch-agent",
    vif_type: "ovs",
    vnic_types: &["normal"],
    carries_trunks: true,
    qos: LIMITS_AND_MARKS,
    details,
};

fn details(agent: &HostAgent, segment: &Segment) -> Option<Map<String, Value>> {
    let said: Value = serde_json::from_str(&agent.configurations).unwrap_or_default();
    let tunnels = |kind: NetworkType| {
        let types = said["tunnel_types"].as_array();
        types.is_some_and(|types| types.iter().any(|known| known == kind.as_str()))
    };
    let wirable = match segment.network_type {
        // A host without tunnels is a cloud of its own: its ports meet in its bridge.
        kind @ (NetworkType::Vxlan | NetworkType::Gre | NetworkType::Geneve) => {
            tunnels(kind) || said["tunneling_ip"].as_str().is_none_or(str::is_empty)
        }
        NetworkType::Local | NetworkType::Vlan | NetworkType::Flat => agent.is_on(segment),
    };
    wirable.then(|| vif_details(&said))
}

/// What Nova needs (reference/agents-and-dataplane §10).
fn vif_details(said: &Value) -> Map<String, Value> {
    let mut details = Map::new();
    let text = |key: &str, default: &str| Value::from(said[key].as_str().unwrap_or(default));
    details.insert("port_filter".to_owned(), Value::Bool(true));
    details.insert("connectivity".to_owned(), Value::from("l2"));
    details.insert("bridge_name".to_owned(), text("integration_bridge", "br-int"));
    details.insert("datapath_type".to_owned(), text("datapath_type", "system"));
    let is_hybrid = said["ovs_hybrid_plug"].as_bool().unwrap_or(false);
    details.insert("ovs_hybrid_plug".to_owned(), Value::Bool(is_hybrid));
    details.insert("bound_drivers".to_owned(), json!({"0": DRIVER.name}));
    details
}
