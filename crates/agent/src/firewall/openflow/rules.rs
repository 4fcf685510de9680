//! Flows of rules: those of a profile's groups, once for all its ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use isospin_feed::facts::{Direction, SecurityGroupRule};
use isospin_host_io::openflow::{Action, CtState, Field, FlowTable, ethertype};
use isospin_types::SecurityGroupId;

use super::register::PROFILE;
use super::{STATELESS, UNTRACKABLE, add, table, tag};
use crate::firewall::policy::{Group, Members, Policy, Profile, Shapes, Span, numbering};
use crate::firewall::rule::{self, ICMP, ICMPV6, Named, SCTP, TCP, Traffic, UDP};

/// Rules that name addresses decide alone.
const BY_ADDRESS: u16 = 74;
/// Rules that name a group: clauses of conjunctions, which must not share their
/// priority with other flows.
const BY_GROUP: u16 = 70;

/// All that the flows of a profile's rules are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Of the profile.
    number: u32,
    profile: Profile,
    groups: BTreeMap<(SecurityGroupId, Direction), Arc<Group>>,
    members: BTreeMap<Named, Arc<Members>>,
}

impl Rules {
    /// Of every profile, by number.
    pub fn of(policy: &Policy) -> impl Iterator<Item = (u32, Self)> {
        policy.profiles.iter().map(|(number, profile)| {
            let ways = |id: &SecurityGroupId| [(*id, Direction::Ingress), (*id, Direction::Egress)];
            let group = |key| policy.groups.get_key_value(&key).map(|(key, group)| (*key, Arc::clone(group)));
            let groups: BTreeMap<_, _> = profile.groups.iter().flat_map(ways).filter_map(group).collect();
            let named = groups.values().flat_map(|group| group.remotes.keys());
            let member = |name| policy.members.get_key_value(name).map(|(name, it)| (*name, Arc::clone(it)));
            let members = named.filter_map(member).collect();
            (*number, Self { number: *number, profile: profile.clone(), groups, members })
        })
    }

    /// Adds the flows.
    pub fn add(&self, flows: &mut FlowTable) {
        let Self { number, profile, .. } = self;
        let mut ids = Ids::default();
        for direction in [Direction::Egress, Direction::Ingress] {
            let groups = || self.groups.iter().filter(|((_, way), _)| *way == direction);
            let mut judge = |who, look, id: &SecurityGroupId, group: &Group| {
                by_address(flows, who, look, group);
                for (named, shapes) in &group.remotes {
                    let Some(members) = self.members.get(named) else { continue };
                    for (family, shapes) in Family::BOTH.into_iter().zip(shapes) {
                        let id = ids.next(&format!("{number} {look:?} {id} {named:?} {family:?}"));
                        by_group(flows, (who, look, family), id, shapes, members);
                    }
                }
            };
            for look in Look::of(profile, direction) {
                let who = Field::Register(PROFILE, tag(*number, profile));
                groups().for_each(|((id, _), group)| judge(who, look, id, group));
            }
            if profile.stateful && direction == Direction::Ingress {
                let who = Field::Register(PROFILE, *number | STATELESS);
                let look = Look { direction, at_answers: false, is_tracked: false };
                groups().for_each(|((id, _), group)| judge(who, look, id, &untrackable(group)));
            }
        }
    }
}

/// What of a group may be about [`UNTRACKABLE`] packets.
fn untrackable(group: &Group) -> Group {
    let reduced = |shapes: &Shapes| Shapes {
        any: shapes.any.clone(),
        protocols: shapes.protocols.iter().filter(|(_, protocol)| *protocol == ICMPV6).copied().collect(),
        icmp: shapes.icmp.iter().filter(|part| UNTRACKABLE.contains(&part.kind)).copied().collect(),
        ..Shapes::default()
    };
    let remotes = group.remotes.iter().map(|(named, [_, v6])| (*named, [Shapes::default(), reduced(v6)]));
    Group { v4: Shapes::default(), v6: reduced(&group.v6), remotes: remotes.collect() }
}

/// What a rule of a direction is compared with, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    direction: Direction,
    /// At answers to the connections the rule allows; those go the other way.
    at_answers: bool,
    /// At the connection; else at the packet itself.
    is_tracked: bool,
}

impl Look {
    fn of(profile: &Profile, direction: Direction) -> Vec<Self> {
        let first = Self { direction, at_answers: false, is_tracked: profile.stateful };
        let answers = profile.stateful.then_some(Self { at_answers: true, ..first });
        std::iter::once(first).chain(answers).collect()
    }

    /// Whether the packets looked at leave the port.
    fn is_egress(self) -> bool {
        (self.direction == Direction::Egress) != self.at_answers
    }

    fn table(self) -> u8 {
        if self.is_egress() { table::RULES_EGRESS } else { table::RULES_INGRESS }
    }

    fn accept(self) -> Action {
        Action::Resubmit(if self.is_egress() { table::ACCEPT_OR_INGRESS } else { table::ACCEPTED_INGRESS })
    }

    fn state(self) -> Option<Field> {
        let (on, off) = if self.at_answers {
            (CtState::RPL | CtState::TRK, CtState::INV)
        } else {
            (CtState::TRK, CtState::RPL | CtState::INV)
        };
        self.is_tracked.then_some(Field::CtState(CtState { on, off }))
    }

    fn other_end(self, net: IpNet) -> Option<Field> {
        let field = match (self.direction, self.is_tracked) {
            (Direction::Egress, false) => Field::Destination(net),
            (Direction::Ingress, false) => Field::Source(net),
            (Direction::Egress, true) => Field::CtDestination(net),
            (Direction::Ingress, true) => Field::CtSource(net),
        };
        (net.prefix_len() > 0).then_some(field)
    }

    fn protocol(self, number: u8) -> Field {
        if self.is_tracked { Field::CtProtocol(number) } else { Field::Protocol(number) }
    }

    fn port(self, value: u16, mask: u16) -> Field {
        if self.is_tracked {
            Field::CtDestinationPort(value, mask)
        } else {
            Field::DestinationPort(value, mask)
        }
    }

    fn icmp_type(self, kind: u8) -> Field {
        if self.is_tracked { Field::CtSourcePort(kind.into()) } else { Field::IcmpType(kind) }
    }

    fn icmp_code(self, code: u8) -> Field {
        if self.is_tracked { Field::CtDestinationPort(code.into(), u16::MAX) } else { Field::IcmpCode(code) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const BOTH: [Self; 2] = [Self::V4, Self::V6];

    const fn ethertype(self) -> Field {
        match self {
            Self::V4 => Field::EthType(ethertype::IPV4),
            Self::V6 => Field::EthType(ethertype::IPV6),
        }
    }

    const fn icmp(self) -> u8 {
        match self {
            Self::V4 => ICMP,
            Self::V6 => ICMPV6,
        }
    }
}

/// Numbers of a profile's conjunctions, made from names, so that one more changes no other.
/// Another profile may have the same: no packet is of both.
#[derive(Default)]
struct Ids(BTreeSet<u32>);

impl Ids {
    fn next(&mut self, name: &str) -> u32 {
        let hash = numbering::hash(name);
        let mut id = (hash ^ hash >> 32) as u32;
        while id == 0 || !self.0.insert(id) {
            id = id.wrapping_add(1);
        }
        id
    }
}

fn by_address(flows: &mut FlowTable, who: Field, look: Look, group: &Group) {
    for (family, shapes) in Family::BOTH.into_iter().zip([&group.v4, &group.v6]) {
        for (span, traffic) in parts(family, look, shapes) {
            for net in prefixes(span) {
                let fields = [who, family.ethertype()].into_iter().chain(look.state());
                let fields = fields.chain(traffic.iter().copied()).chain(look.other_end(net));
                add(flows, look.table(), BY_ADDRESS, fields, [look.accept()]);
            }
        }
    }
}

fn by_group(
    flows: &mut FlowTable,
    (who, look, family): (Field, Look, Family),
    id: u32,
    shapes: &Shapes,
    members: &Members,
) {
    let common = || [who, family.ethertype()].into_iter().chain(look.state());
    let spans = members.single.iter().map(|ip| IpNet::from(*ip));
    let spans = spans.chain(members.spans.iter().flat_map(|span| prefixes(*span)));
    let parts = parts(family, look, shapes);
    if parts.is_empty() {
        return;
    }
    for net in spans.filter(|net| matches!(net, IpNet::V4(_)) == (family == Family::V4)) {
        let fields = common().chain(look.other_end(net));
        add(flows, look.table(), BY_GROUP, fields, [Action::Conjunction(id, 1, 2)]);
    }
    for (_, traffic) in parts {
        add(flows, look.table(), BY_GROUP, common().chain(traffic), [Action::Conjunction(id, 2, 2)]);
    }
    let both = common().chain([Field::ConjunctionId(id)]);
    add(flows, look.table(), BY_GROUP, both, [look.accept()]);
}

/// The other ends and the traffic of each shape, the traffic as fields of flows.
fn parts(family: Family, look: Look, shapes: &Shapes) -> Vec<(Span, Vec<Field>)> {
    let mut parts: Vec<(Span, Vec<Field>)> = shapes.any.iter().map(|span| (*span, Vec::new())).collect();
    parts.extend(shapes.protocols.iter().map(|(span, protocol)| (*span, vec![look.protocol(*protocol)])));
    for part in shapes.ports.iter().filter(|part| has_port_fields(part.protocol)) {
        for (value, mask) in port_masks(part.first, part.last) {
            parts.push((part.span, vec![look.protocol(part.protocol), look.port(value, mask)]));
        }
    }
    for part in &shapes.icmp {
        let kind = [look.protocol(family.icmp()), look.icmp_type(part.kind)];
        if (part.first_code, part.last_code) == (0, u8::MAX) {
            parts.push((part.span, kind.to_vec()));
            continue;
        }
        for code in part.first_code..=part.last_code {
            parts.push((part.span, [kind.as_slice(), &[look.icmp_code(code)]].concat()));
        }
    }
    parts
}

/// Whether flows can match the ports of a protocol.
const fn has_port_fields(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | SCTP)
}

/// Why no flow can say what the rule says, if so. It allows nothing then; the others of
/// its group are not touched (N17).
#[must_use]
pub fn inexpressible(rule: &SecurityGroupRule) -> Option<String> {
    match rule::check(rule).ok()?.traffic {
        Traffic::Ports { protocol, .. } if !has_port_fields(protocol) => {
            Some(format!("Open vSwitch cannot match ports of protocol {protocol}"))
        }
        _ => None,
    }
}

/// The fewest prefixes that hold the addresses of a span.
pub(super) fn prefixes(span: Span) -> Vec<IpNet> {
    match (span.first, span.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect(),
        (IpAddr::V6(first), IpAddr::V6(last)) => Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
    }
}

/// The fewest pairs of value and mask that match exactly the ports `first..=last`.
fn port_masks(first: u16, last: u16) -> Vec<(u16, u16)> {
    let mut masks = Vec::new();
    let (mut next, end) = (u32::from(first), u32::from(last) + 1);
    while next < end {
        let aligned = if next == 0 { 16 } else { next.trailing_zeros() };
        let fitting = (end - next).ilog2();
        let bits = aligned.min(fitting);
        // At most 16 bits: both ends are ports.
        masks.push((next as u16, (u32::from(u16::MAX) << bits) as u16));
        next += 1 << bits;
    }
    masks
}
