//! What mechanism drivers decide by, and what they decide.

use serde_json::{Map, Value};

use super::qos::Supported;
use super::{Segment, mech_linuxbridge, mech_openvswitch};

/// An agent of a host that wires ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAgent {
    /// The name of the [`MechanismDriver`] it belongs to.
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

/// A mechanism driver: how hosts with its agents plug ports in, and what else those
/// agents can do.
#[derive(Debug)]
pub struct MechanismDriver {
    /// As agents state it.
    pub name: &'static str,
    /// How `network agent list` shows its agents (reference/agents-and-dataplane §9).
    pub agent_type: &'static str,
    pub binary: &'static str,
    /// `binding:vif_type` of its ports.
    pub vif_type: &'static str,
    /// `binding:vnic_type` of the ports it can plug in.
    pub vnic_types: &'static [&'static str],
    /// Whether its ports can be part of a trunk.
    pub carries_trunks: bool,
    /// Rules of quality of service that it carries out.
    pub qos: &'static [Supported],
    /// The details of a port on a segment; `None` when the agent cannot be on it.
    pub details: fn(&HostAgent, &Segment) -> Option<Map<String, Value>>,
}

/// The mechanism drivers, in the order they are asked.
pub const DRIVERS: &[&MechanismDriver] = &[&mech_openvswitch::DRIVER, &mech_linuxbridge::DRIVER];

/// Whether a port that is plugged in so can be part of a trunk.
#[must_use]
pub fn carries_trunks(vif_type: &str) -> bool {
    DRIVERS.iter().any(|driver| driver.vif_type == vif_type && driver.carries_trunks)
}

/// How the agent will plug a port on the segment in; `None` when no driver can.
#[must_use]
pub fn bind(agent: &HostAgent, segment: &Segment, vnic_type: &str) -> Option<Vif> {
    DRIVERS
        .iter()
        .filter(|driver| driver.name == agent.mechanism && driver.vnic_types.contains(&vnic_type))
        .find_map(|driver| {
            Some(Vif { vif_type: driver.vif_type, details: (driver.details)(agent, segment)? })
        })
}
