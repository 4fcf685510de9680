//! Flows of one port.

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_host_io::openflow::{Action, CtState, Field, FlowTable, ethertype};
use isospin_types::MacAddr;

use super::base::{icmp6, track};
use super::register::{PORT, PROFILE, SENDER, UNTRACKED};
use super::rules::prefixes;
use super::{STATELESS, add, table, tag};
use crate::firewall::policy::{FilteredPort, Policy};

/// Where a port is on the integration bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// What registers call it: its number on the bridge.
    pub number: u32,
    /// Of its network.
    pub vlan: u16,
}

/// What the policy says of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Without filters.
    Open,
    Filtered {
        port: FilteredPort,
        /// What the profile register holds.
        profile: u32,
    },
}

impl Judged {
    /// Of the port with this device; `None` when the policy does not know it: it stays closed.
    #[must_use]
    pub fn of(policy: &Policy, device: &str) -> Option<Self> {
        if policy.open.contains(device) {
            return Some(Self::Open);
        }
        let port = policy.ports.get(device)?;
        let profile = tag(port.profile, policy.profiles.get(&port.profile)?);
        Some(Self::Filtered { port: port.clone(), profile })
    }

    /// What the profile register holds; `None` without filters.
    #[must_use]
    pub const fn profile(&self) -> Option<u32> {
        match self {
            Self::Open => None,
            Self::Filtered { profile, .. } => Some(*profile),
        }
    }

    /// Adds the port's flows. Gives the actions that its frames begin with.
    pub fn add(&self, flows: &mut FlowTable, placed: Placed) -> Vec<Action> {
        let receiver = Field::Register(PORT, placed.number);
        // A flood comes back to its sender.
        add(flows, table::BASE_INGRESS, 130, [Field::Register(SENDER, placed.number), receiver], []);
        match self {
            Self::Open => {
                // Its answers must find the connection.
                let accept = [Action::Resubmit(table::ACCEPTED_INGRESS)];
                add(flows, table::BASE_INGRESS, 120, [receiver], accept);
                vec![Action::Resubmit(table::ACCEPT_OR_INGRESS)]
            }
            Self::Filtered { port, profile } => {
                senders(flows, port, placed.number);
                receives(flows, receiver, *profile);
                vec![Action::Load(PROFILE, *profile), Action::Resubmit(table::BASE_EGRESS)]
            }
        }
    }
}

/// The addresses it may send from (N13, N19, N20).
fn senders(flows: &mut FlowTable, port: &FilteredPort, number: u32) {
    let from = Field::Register(SENDER, number);
    let next = || [Action::Resubmit(table::KINDS_EGRESS)];
    let accept = || [Action::Resubmit(table::ACCEPT_OR_INGRESS)];
    for mac in &port.macs {
        add(flows, table::MAC_SPOOF, 2, [from, Field::EthSrc(*mac)], next());
        let probe = [Field::ArpOp(1), Field::ArpSenderMac(*mac), Field::ArpSender([0, 0, 0, 0].into(), 32)];
        let arp = [from, Field::EthType(ethertype::ARP)];
        add(flows, table::ARP_SPOOF, 2, arp.into_iter().chain(probe), accept());
    }
    for link_layer in port.macs.iter().copied().chain([MacAddr::ZERO]) {
        let asks = icmp6(135).into_iter().chain([from, Field::NdSourceMac(link_layer)]);
        add(flows, table::ARP_SPOOF, 2, asks, accept());
    }
    for (mac, net) in pairs(port) {
        let source = [from, Field::EthSrc(mac), Field::EthType(family(&net)), Field::Source(net)];
        add(flows, table::BASE_EGRESS, 65, source, next());
        match net {
            IpNet::V4(net) => {
                let says = [
                    from,
                    Field::EthType(ethertype::ARP),
                    Field::ArpSenderMac(mac),
                    Field::ArpSender(net.network(), net.prefix_len()),
                ];
                add(flows, table::ARP_SPOOF, 2, says, accept());
            }
            IpNet::V6(_) => {
                for link_layer in port.macs.iter().copied().chain([MacAddr::ZERO]) {
                    let says = [from, Field::NdTarget(net), Field::NdTargetMac(link_layer)];
                    add(flows, table::ARP_SPOOF, 2, icmp6(136).into_iter().chain(says), accept());
                }
            }
        }
    }
}

/// To the rules of its groups.
fn receives(flows: &mut FlowTable, receiver: Field, profile: u32) {
    let load = || Action::Load(PROFILE, profile);
    let rules = || Action::Resubmit(table::RULES_INGRESS);
    let untracked = [receiver, Field::Register(UNTRACKED, 1)];
    let as_packet = [Action::Load(PROFILE, profile | STATELESS), Action::Untrack, rules()];
    add(flows, table::BASE_INGRESS, 93, untracked, as_packet);
    for family in [Field::EthType(ethertype::IPV4), Field::EthType(ethertype::IPV6)] {
        if profile & STATELESS != 0 {
            add(flows, table::BASE_INGRESS, 90, [receiver, family], [load(), Action::Untrack, rules()]);
            continue;
        }
        let tracked = |on, off| Field::CtState(CtState { on, off });
        let fresh = [receiver, family, tracked(0, CtState::TRK)];
        let track = track(false, Some(table::RULES_INGRESS));
        add(flows, table::BASE_INGRESS, 90, fresh, [load(), track]);
        // Tracked when it was sent, on this host and network.
        let sent_here = [receiver, family, tracked(CtState::TRK, 0)];
        add(flows, table::BASE_INGRESS, 80, sent_here, [load(), rules()]);
    }
}

fn pairs(port: &FilteredPort) -> impl Iterator<Item = (MacAddr, IpNet)> {
    let single = port.sources.single.iter().map(|(mac, ip)| (*mac, IpNet::from(*ip)));
    let spans = port.sources.spans.iter();
    single.chain(spans.flat_map(|(mac, span)| prefixes(*span).into_iter().map(move |net| (*mac, net))))
}

fn family(net: &IpNet) -> u16 {
    match net.addr() {
        IpAddr::V4(_) => ethertype::IPV4,
        IpAddr::V6(_) => ethertype::IPV6,
    }
}
