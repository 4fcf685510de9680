//! What mechanism drivers decide by, and what they decide.

use serde_json::{Map, Value};

use super::{Segment, mech_linuxbridge, mech_openvswitch};

/// An agent of a host that wires ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAgent {
    /// Which mechanism it drives: "linuxbridge", "openvswitch".
    pub mechanism: String,
    /// What it says of itself, a JSON object.
    pub configurations: String,
}

impl HostAgent {
    /// Whether the host is on the segment: tunnels and local segments are everywhere.
    #[must_use]
    pub fn is_on(&self, segment: &Segment) -> bool {
        segment.physical_network.as_deref().is_none_or(|name| self.reaches(name))
    }

    /// Whether a NIC of the host is on this physical network.
    #[must_use]
    pub fn has_interface(&self, physical_network: &str) -> bool {
        serde_json::from_str::<Value>(&self.configurations)
            .is_ok_and(|said| said["interface_mappings"].get(physical_network).is_some())
    }

    /// Whether the host is on this physical network.
    #[must_use]
    pub fn reaches(&self, physical_network: &str) -> bool {
        serde_json::from_str::<Value>(&self.configurations)
            .is_ok_and(|said| said["bridge_mappings"].get(physical_network).is_some())
    }
}

/// How a port will be plugged in on its host.
#[derive(Debug, Clone, PartialEq)]
pub struct Vif {
    /// `binding:vif_type`.
    pub vif_type: &'static str,
    /// `binding:vif_details`.
    pub details: Map<String, Value>,
}

/// Asks a mechanism driver how an agent plugs a port of a vnic type in on a segment.
type Bind = fn(&HostAgent, &Segment, &str) -> Option<Vif>;

/// The mechanism drivers, in the order they are asked.
const DRIVERS: [Bind; 2] = [mech_openvswitch::bind, mech_linuxbridge::bind];

/// Types of ports that can be part of a trunk.
const TRUNKS: [&str; 1] = [mech_openvswitch::VIF_TYPE];

/// Whether a port that is plugged in so can be part of a trunk.
#[must_use]
pub fn carries_trunks(vif_type: &str) -> bool {
    TRUNKS.contains(&vif_type)
}

/// How the agent will plug a port on the segment in; `None` when no driver can.
#[must_use]
pub fn bind(agent: &HostAgent, segment: &Segment, vnic_type: &str) -> Option<Vif> {
    DRIVERS.iter().find_map(|driver| driver(agent, segment, vnic_type))
}
