//! Ports on Open vSwitch: what the `openvswitch` mechanism of the agent can wire.

use serde_json::{Map, Value, json};

use super::qos::{LIMITS_AND_MARKS, QosDriver};
use super::{HostAgent, NetworkType, Segment, Vif};

/// Name of the mechanism, as agents state it.
pub const MECHANISM: &str = "openvswitch";

/// How its ports are plugged in (reference/agents-and-dataplane §10).
pub const VIF_TYPE: &str = "ovs";

/// What the agent can do for the quality of service of a port.
pub const QOS: QosDriver =
    QosDriver { name: MECHANISM, vif_types: &[VIF_TYPE], vnic_types: &["normal"], rules: LIMITS_AND_MARKS };

/// How the agent will plug a port on the segment in; `None` when it cannot.
#[must_use]
pub fn bind(agent: &HostAgent, segment: &Segment, vnic_type: &str) -> Option<Vif> {
    if agent.mechanism != MECHANISM || vnic_type != "normal" {
        return None;
    }
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
    wirable.then(|| Vif { vif_type: VIF_TYPE, details: details(&said) })
}

/// What Nova needs (reference/agents-and-dataplane §10).
fn details(said: &Value) -> Map<String, Value> {
    let mut details = Map::new();
    let text = |key: &str, default: &str| Value::from(said[key].as_str().unwrap_or(default));
    details.insert("port_filter".to_owned(), Value::Bool(true));
    details.insert("connectivity".to_owned(), Value::from("l2"));
    details.insert("bridge_name".to_owned(), text("integration_bridge", "br-int"));
    details.insert("datapath_type".to_owned(), text("datapath_type", "system"));
    let is_hybrid = said["ovs_hybrid_plug"].as_bool().unwrap_or(false);
    details.insert("ovs_hybrid_plug".to_owned(), Value::Bool(is_hybrid));
    details.insert("bound_drivers".to_owned(), json!({"0": MECHANISM}));
    details
}
