//! Ports on kernel bridges: what the `linuxbridge` mechanism of the agent can wire.

use serde_json::{Map, Value, json};

use super::qos::{QosDriver, Supported, Values};
use super::{HostAgent, NetworkType, Segment, Vif};
use crate::resources::qos_rule::kind::{DSCP_MARKS, Kind, MOST};

/// Name of the mechanism, as agents state it.
pub const MECHANISM: &str = "linuxbridge";

const RATE: Values = Values::Range { start: 0, end: MOST };
const BOTH: Values = Values::Texts(&["ingress", "egress"]);

/// What the agent can do for the quality of service of a port.
pub const QOS: QosDriver = QosDriver {
    name: MECHANISM,
    vif_types: &["bridge"],
    vnic_types: &["normal"],
    rules: &[
        Supported {
            kind: Kind::BandwidthLimit,
            parameters: &[("max_kbps", RATE), ("max_burst_kbps", RATE), ("direction", BOTH)],
        },
        Supported { kind: Kind::DscpMarking, parameters: &[("dscp_mark", Values::Numbers(DSCP_MARKS))] },
        Supported {
            kind: Kind::PacketRateLimit,
            parameters: &[("max_kpps", RATE), ("max_burst_kpps", RATE), ("direction", BOTH)],
        },
    ],
};

/// How the agent will plug a port on the segment in; `None` when it cannot.
#[must_use]
pub fn bind(agent: &HostAgent, segment: &Segment, vnic_type: &str) -> Option<Vif> {
    if agent.mechanism != MECHANISM || vnic_type != "normal" {
        return None;
    }
    let wirable = match segment.network_type {
        // The agent has no VLAN devices yet, and kernel bridges no other tunnels.
        NetworkType::Vlan | NetworkType::Gre | NetworkType::Geneve => false,
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
