//! What a switch does with the first packet of a connection, as ovs-fields(7) and
//! ovs-actions(7) say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use isospin_host_io::openflow::{Action, CtState, Field, FlowTable, ethertype};
use isospin_types::MacAddr;

use super::super::{register, table};
use crate::firewall::evaluator::{Frame, Packet};
use crate::firewall::rule::ICMPV6;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Dropped,
    /// Left its port for wherever it goes.
    Sent,
    /// Came out of the port it was for.
    Delivered,
}

/// A frame in the switch.
#[derive(Debug, Clone)]
pub struct Sent {
    registers: BTreeMap<u8, u32>,
    ct_state: u8,
    /// The first packet of the connection this one answers.
    answers: Option<Packet>,
    eth_src: MacAddr,
    ethertype: u16,
    protocol: u8,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    ports: (u16, u16),
    icmp: Option<(u8, u8)>,
    arp: Option<(u16, MacAddr, Ipv4Addr)>,
    target: Ipv6Addr,
    link_layer: MacAddr,
    conjunction: Option<u32>,
}

impl Sent {
    pub fn new(frame: &Frame, eth_src: MacAddr) -> Self {
        let mut sent = Self {
            registers: BTreeMap::from([(register::NET, 1)]),
            ct_state: 0,
            answers: None,
            eth_src,
            ethertype: 0,
            protocol: 0,
            source: None,
            destination: None,
            ports: (0, 0),
            icmp: None,
            arp: None,
            target: Ipv6Addr::UNSPECIFIED,
            link_layer: MacAddr::ZERO,
            conjunction: None,
        };
        let packet = match frame {
            Frame::Other(kind) => {
                sent.ethertype = *kind;
                return sent;
            }
            Frame::Arp(arp) => {
                sent.ethertype = ethertype::ARP;
                sent.arp = Some((if arp.is_request { 1 } else { 2 }, arp.sender_mac, arp.sender_ip));
                return sent;
            }
            Frame::Ip(packet) => packet,
            Frame::NeighbourDiscovery(packet, claims) => {
                sent.target = claims.target.unwrap_or(Ipv6Addr::UNSPECIFIED);
                sent.link_layer = claims.link_layer.unwrap_or(MacAddr::ZERO);
                packet
            }
        };
        sent.ethertype = if packet.source.is_ipv4() { ethertype::IPV4 } else { ethertype::IPV6 };
        sent.protocol = packet.protocol;
        sent.source = Some(packet.source);
        sent.destination = Some(packet.destination);
        sent.ports = (packet.source_port.unwrap_or(0), packet.destination_port.unwrap_or(0));
        sent.icmp = packet.icmp;
        sent
    }

    /// The same as an answer on the connection that began with this packet.
    pub fn answering(mut self, first: Packet) -> Self {
        self.answers = Some(first);
        self
    }

    /// The connection, as its first packet had it.
    fn connection(&self) -> Option<Packet> {
        if self.ct_state & CtState::TRK == 0 {
            return None;
        }
        let own = || {
            Some(Packet {
                source: self.source?,
                destination: self.destination?,
                protocol: self.protocol,
                source_port: Some(self.ports.0),
                destination_port: Some(self.ports.1),
                icmp: self.icmp,
            })
        };
        self.answers.or_else(own)
    }

    pub fn entering_at(mut self, port: u32) -> Self {
        self.registers.insert(register::SENDER, port);
        self
    }

    pub fn leaving_at(mut self, port: u32) -> Self {
        self.registers.insert(register::PORT, port);
        self
    }

    fn register(&self, number: u8) -> u32 {
        self.registers.get(&number).copied().unwrap_or(0)
    }

    fn matches(&self, field: &Field) -> bool {
        let icmp = |pick: fn((u8, u8)) -> u8| self.icmp.map(pick);
        match *field {
            Field::Register(number, value) => self.register(number) == value,
            Field::RegisterBits(number, value, mask) => self.register(number) & mask == value,
            Field::CtState(CtState { on, off }) => self.ct_state & on == on && self.ct_state & off == 0,
            Field::CtProtocol(protocol) => self.connection().is_some_and(|it| it.protocol == protocol),
            Field::CtSource(net) => self.connection().is_some_and(|it| net.contains(&it.source)),
            Field::CtDestination(net) => self.connection().is_some_and(|it| net.contains(&it.destination)),
            Field::CtSourcePort(port) => self.connection().is_some_and(|it| ct_ports(&it).0 == port),
            Field::CtDestinationPort(port, mask) => {
                self.connection().is_some_and(|it| ct_ports(&it).1 & mask == port)
            }
            Field::ConjunctionId(id) => self.conjunction == Some(id),
            Field::EthSrc(mac) => self.eth_src == mac,
            Field::EthType(kind) => self.ethertype == kind,
            Field::Protocol(protocol) => self.protocol == protocol,
            Field::Source(net) => self.source.is_some_and(|ip| net.contains(&ip)),
            Field::Destination(net) => self.destination.is_some_and(|ip| net.contains(&ip)),
            Field::SourcePort(port) => self.ports.0 == port,
            Field::DestinationPort(port, mask) => self.ports.1 & mask == port,
            Field::IcmpType(kind) => icmp(|it| it.0) == Some(kind),
            Field::IcmpCode(code) => icmp(|it| it.1) == Some(code),
            Field::ArpOp(operation) => self.arp.is_some_and(|arp| arp.0 == operation),
            Field::ArpSenderMac(mac) => self.arp.is_some_and(|arp| arp.1 == mac),
            Field::ArpSender(ip, length) => {
                self.arp.is_some_and(|arp| ipnet::Ipv4Net::new(ip, length).expect("prefix").contains(&arp.2))
            }
            Field::NdTarget(net) => net.contains(&IpAddr::V6(self.target)),
            Field::NdSourceMac(mac) | Field::NdTargetMac(mac) => self.link_layer == mac,
            Field::Untagged => true,
            Field::Vlan(_) => false,
            Field::InPort(_)
            | Field::TunnelId(_)
            | Field::EthDst(_)
            | Field::ToGroup(_)
            | Field::ArpTarget(_) => {
                panic!("the firewall does not look at {field:?}")
            }
        }
    }
}

/// What stands for the ports of a connection: type and code for ICMP.
fn ct_ports(first: &Packet) -> (u16, u16) {
    match first.icmp {
        Some((kind, code)) if first.protocol == first.icmp_protocol() => (kind.into(), code.into()),
        _ => (first.source_port.unwrap_or(0), first.destination_port.unwrap_or(0)),
    }
}

/// Carries out these actions and what they lead to.
pub fn run(flows: &FlowTable, mut frame: Sent, actions: &[Action]) -> Fate {
    execute(flows, &mut frame, actions, 0)
}

fn execute(flows: &FlowTable, frame: &mut Sent, actions: &[Action], depth: u8) -> Fate {
    assert!(depth < 20, "a loop");
    for action in actions {
        match action {
            Action::Load(number, value) => {
                frame.registers.insert(*number, *value);
            }
            Action::SetBit(number, bit) => {
                let value = frame.register(*number) | 1 << bit;
                frame.registers.insert(*number, value);
            }
            Action::Resubmit(table::FORWARD) => return Fate::Sent,
            Action::Resubmit(next) => {
                let actions = lookup(flows, frame, *next);
                return execute(flows, frame, &actions, depth + 1);
            }
            Action::Track { table: Some(next), commit: false, .. } => {
                let known = match (frame.answers, frame.protocol, frame.icmp) {
                    (Some(_), ..) => CtState::EST | CtState::RPL,
                    (None, ICMPV6, Some((130..=137 | 143, _))) => CtState::INV,
                    (None, ..) => CtState::NEW,
                };
                frame.ct_state = CtState::TRK | known;
                let actions = lookup(flows, frame, *next);
                return execute(flows, frame, &actions, depth + 1);
            }
            Action::Track { .. } => {}
            Action::Untrack => frame.ct_state = 0,
            Action::OutputRegister(number) => {
                assert_eq!(frame.register(*number), frame.register(register::PORT));
                return Fate::Delivered;
            }
            other => panic!("the firewall does not do {other:?}"),
        }
    }
    Fate::Dropped
}

type Match<'a> = (u16, &'a [Field], &'a [Action]);

fn lookup(flows: &FlowTable, frame: &mut Sent, table: u8) -> Vec<Action> {
    let matching: Vec<(u16, &[Field], &[Action])> =
        flows.of(table).filter(|(_, fields, _)| fields.iter().all(|field| frame.matches(field))).collect();
    let is_clause = |actions: &[Action]| matches!(actions.first(), Some(Action::Conjunction(..)));
    let mut priorities: Vec<u16> = matching.iter().map(|(priority, ..)| *priority).collect();
    priorities.dedup();
    for priority in priorities {
        let here = matching.iter().filter(|(at, ..)| *at == priority);
        let (clauses, plain): (Vec<&Match<'_>>, Vec<&Match<'_>>) = here.partition(|flow| is_clause(flow.2));
        assert!(plain.is_empty() || clauses.is_empty(), "clauses share a priority: {clauses:?} {plain:?}");
        let distinct: BTreeSet<&[Action]> = plain.iter().map(|flow| flow.2).collect();
        assert!(distinct.len() <= 1, "two flows of priority {priority} match: {plain:?}");
        if let Some(flow) = plain.first() {
            return flow.2.to_vec();
        }
        let mut seen: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
        for action in clauses.iter().flat_map(|flow| flow.2) {
            if let Action::Conjunction(id, clause, of) = action {
                let held = seen.entry(*id).or_default();
                held.insert(*clause);
                if held.len() == usize::from(*of) {
                    frame.conjunction = Some(*id);
                    let actions = lookup_plain(flows, frame, table);
                    frame.conjunction = None;
                    return actions;
                }
            }
        }
    }
    Vec::new()
}

/// The flow for a conjunction that holds.
fn lookup_plain(flows: &FlowTable, frame: &Sent, table: u8) -> Vec<Action> {
    let fits = |fields: &[Field]| {
        fields.iter().any(|field| matches!(field, Field::ConjunctionId(_)))
            && fields.iter().all(|field| frame.matches(field))
    };
    let found = flows.of(table).find(|(_, fields, _)| fits(fields));
    found.map(|(.., actions)| actions.to_vec()).expect("a flow for the conjunction")
}
