//! The firewall as flows of Open vSwitch, on conntrack.
//!
//! ```text
//! 71 sender's addresses -> 74 what kind of packet -> 72 rules of its groups -> 73 …
//!      (25 MAC, 24 ARP and neighbour discovery)
//! 81 what every port gets -> 82 rules of the receiver's groups -> 92 -> 95 out of the port
//! ```
//!
//! Tables are those operators know from Neutron (reference/agents-and-dataplane §2.1, §2.3).
//! Rules match the number of the profile ([`Policy`]), not the port: a port added to a
//! profile that is there adds no rule, and a change of a rule touches each profile once.
//! Prefixes, ports and members of groups are separate clauses of a conjunction, so flows
//! add up and never multiply. Pure: [`Policy`] in, [`FlowTable`]s out.
//!
//! Rules look at the connection a packet belongs to, as its first packet had it, in both
//! directions: an answer passes while a rule allows the connection it answers, so taking a
//! rule away cuts what it allowed with the next packet (N29), and the later fragments of a
//! packet pass like its first. Only packets of stateless groups are looked at themselves.
//!
//! Fails closed: a frame of a port without flows is dropped in table 0, one for it is
//! output nowhere; a table that finds nothing drops.

mod base;
mod ports;
mod rules;
#[cfg(test)]
mod tests;

use isospin_host_io::openflow::{Action, Field, Flow, FlowTable};

pub use base::{DEAD_VLAN, base};
pub use ports::{Judged, Placed};
pub use rules::{Rules, inexpressible};

use crate::firewall::policy::Profile;

/// Tables of the integration bridge.
pub mod table {
    pub const LOCAL_SWITCHING: u8 = 0;
    pub const CANARY: u8 = 23;
    pub const ARP_SPOOF: u8 = 24;
    pub const MAC_SPOOF: u8 = 25;
    pub const PACKET_RATE_LIMIT: u8 = 58;
    pub const BANDWIDTH_RATE_LIMIT: u8 = 59;
    pub const TRANSIENT: u8 = 60;
    /// Frames for all ports of a network on this host.
    pub const LOCAL_FLOOD: u8 = 61;
    /// The same for what every port gets.
    pub const FLOOD_TO_ALL: u8 = 62;
    /// For all ports of a profile, once its rules have let a frame through.
    pub const FLOOD_TO_ALIKE: u8 = 63;
    pub const BASE_EGRESS: u8 = 71;
    pub const RULES_EGRESS: u8 = 72;
    pub const ACCEPT_OR_INGRESS: u8 = 73;
    /// What kind of packet a port with a right sender address sends.
    pub const KINDS_EGRESS: u8 = 74;
    pub const BASE_INGRESS: u8 = 81;
    pub const RULES_INGRESS: u8 = 82;
    pub const ACCEPTED_EGRESS: u8 = 91;
    pub const ACCEPTED_INGRESS: u8 = 92;
    pub const DROPPED: u8 = 93;
    pub const FORWARD: u8 = 94;
    /// Out of a port of ours.
    pub const DELIVER: u8 = 95;
    pub const DELIVER_BANDWIDTH: u8 = 96;
}

/// Registers of the integration bridge.
pub mod register {
    /// Number of the port that sends, then of the one that receives ([`super::Placed`]), or
    /// [`super::ALIKE`].
    pub const PORT: u8 = 5;
    /// Local VLAN; the conntrack zone too.
    pub const NET: u8 = 6;
    /// Number of the port that sends; 0 for what comes from other bridges.
    pub const SENDER: u8 = 7;
    /// Profile of the sender, then of the receiver.
    pub const PROFILE: u8 = 8;
    /// How much of a flood is done.
    pub const PORTION: u8 = 9;
    /// 1: one of several copies of a frame.
    pub const COPY: u8 = 10;
    /// 1: a frame for many that belongs to no connection.
    pub const UNTRACKED: u8 = 11;
}

/// Bit of the profile register: its packets, or this one, are not tracked.
const STATELESS_BIT: u8 = 22;
/// The same as a value of the register.
pub const STATELESS: u32 = 1 << STATELESS_BIT;
/// In the place of a receiver's number: all ports of the network that have the profile.
pub const ALIKE: u32 = u32::MAX;
/// Types of ICMPv6 that rules decide about and that belong to no connection: listener
/// reports, and router solicitations. The tracker calls them invalid. Where they are for many
/// it is not asked: each receiver would be asked for apart, and each new port sends some.
const UNTRACKABLE: [u8; 4] = [131, 132, 133, 143];

/// What the profile register holds for a profile.
const fn tag(number: u32, profile: &Profile) -> u32 {
    if profile.stateful { number } else { number | STATELESS }
}

/// Adds a flow.
pub fn add(
    flows: &mut FlowTable,
    table: u8,
    priority: u16,
    fields: impl IntoIterator<Item = Field>,
    actions: impl IntoIterator<Item = Action>,
) {
    let (fields, actions) = (fields.into_iter().collect(), actions.into_iter().collect());
    flows.add(Flow { table, priority, fields, actions });
}
