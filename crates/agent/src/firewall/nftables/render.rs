//! Policy -> the two tables. Pure.

use std::net::IpAddr;

use isospin_feed::facts::Direction;
use isospin_types::{MacAddr, SecurityGroupId};

use super::base::{self, CUT, EGRESS_BASE, EGRESS_OK, INGRESS_BASE, INGRESS_OK};
use super::values::{Key, Part, Table};
use crate::firewall::policy::{
    FilteredPort, Group, IcmpBox, Members, Policy, PortBox, Profile, Shapes, Span,
};
use crate::firewall::rule::Named;

/// The tables that carry out a policy: the bridge one and the inet one.
#[must_use]
pub fn render(policy: &Policy) -> [Table; 2] {
    let (mut bridge, mut inet) = (base::bridge(), base::inet());
    for name in &policy.open {
        bridge.put("open", vec![Part::Device(name.clone())], None);
    }
    for name in &policy.foreign {
        bridge.put("foreign", vec![Part::Device(name.clone())], None);
    }
    for (device, port) in &policy.ports {
        port_elements(&mut bridge, device, port);
    }
    zones(&mut inet, policy);
    for (named, members) in &policy.members {
        member_sets(&mut inet, *named, members);
    }
    for ((id, direction), group) in &policy.groups {
        group_chains(&mut inet, *id, *direction, group);
    }
    for (&number, profile) in &policy.profiles {
        for direction in [Direction::Egress, Direction::Ingress] {
            profile_chain(&mut inet, number, profile, direction);
        }
    }
    [bridge, inet]
}

fn port_elements(table: &mut Table, device: &str, port: &FilteredPort) {
    let device = || Part::Device(device.to_owned());
    table.put("secured", vec![device()], None);
    table.put("egress", vec![device()], Some(Part::number(EGRESS_BASE + port.profile)));
    table.put("ingress", vec![device()], Some(Part::number(INGRESS_BASE + port.profile)));
    for mac in &port.macs {
        table.put("mac", vec![device(), Part::Mac(*mac)], None);
        table.put("lladdr", vec![device(), Part::number(raw(*mac))], None);
    }
    for (mac, ip) in &port.sources.single {
        let set = if ip.is_ipv4() { "pair4" } else { "pair6" };
        table.put(set, vec![device(), Part::Mac(*mac), Part::ip(*ip)], None);
        if let IpAddr::V6(ip) = ip {
            table.put("nd6", vec![device(), Part::number(u128::from(*ip))], None);
        }
    }
    for (mac, span) in &port.sources.spans {
        let set = if span.first.is_ipv4() { "range4" } else { "range6" };
        table.put(set, vec![device(), Part::Mac(*mac), addresses(*span)], None);
    }
    for (first, last) in targets(port) {
        table.put("ndrange6", vec![device(), Part::Number { first, last }], None);
    }
}

/// IPv6 ranges a port may answer for; its MACs together, hence merged again.
fn targets(port: &FilteredPort) -> Vec<(u128, u128)> {
    let mut spans: Vec<(u128, u128)> = port
        .sources
        .spans
        .iter()
        .filter_map(|(_, span)| match (span.first, span.last) {
            (IpAddr::V6(first), IpAddr::V6(last)) => Some((u128::from(first), u128::from(last))),
            _ => None,
        })
        .collect();
    spans.sort_unstable();
    let mut result: Vec<(u128, u128)> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match result.last_mut() {
            Some(open) if first <= open.1 => open.1 = open.1.max(last),
            _ => result.push((first, last)),
        }
    }
    result
}

fn raw(mac: MacAddr) -> u64 {
    mac.octets().iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

const fn addresses(span: Span) -> Part {
    Part::Address { first: span.first, last: span.last }
}

fn zones(table: &mut Table, policy: &Policy) {
    for (bridge, zone) in &policy.bridges {
        let device = || Part::Device(bridge.clone());
        table.put("bridges", vec![device()], None);
        if let Some(zone) = zone {
            table.put("zones", vec![device()], Some(Part::number(*zone)));
        }
    }
    for port in policy.ports.values().filter(|port| policy.is_beside_host(port)) {
        for ip in port.sources.exact() {
            let set = if ip.is_ipv4() { "host4" } else { "host6" };
            let chain = profile_name(port.profile, Direction::Ingress);
            table.put(set, vec![Part::Device(port.bridge.clone()), Part::ip(ip)], Some(Part::Goto(chain)));
        }
    }
}

/// The sets of a group rules name: single addresses of this version, and ranges.
fn member_names(named: Named, digit: char) -> [String; 2] {
    let kind = match named {
        Named::Members(_) => "rg",
        Named::Addresses(_) => "ag",
    };
    [format!("{kind}{digit}_{named}"), format!("{kind}n{digit}_{named}")]
}

fn member_sets(table: &mut Table, named: Named, members: &Members) {
    for (digit, kind, is_v4) in [('4', "type ipv4_addr;", true), ('6', "type ipv6_addr;", false)] {
        let [single, spans] = member_names(named, digit);
        table.declare(&single, "set", kind);
        for ip in members.single.iter().filter(|ip| ip.is_ipv4() == is_v4) {
            table.put(&single, vec![Part::ip(*ip)], None);
        }
        let kind = if is_v4 { "type ipv4_addr; flags interval;" } else { "type ipv6_addr; flags interval;" };
        table.declare(&spans, "set", kind);
        for span in members.spans.iter().filter(|span| span.first.is_ipv4() == is_v4) {
            table.put(&spans, vec![addresses(*span)], None);
        }
    }
}

const fn suffix(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "in",
        Direction::Egress => "out",
    }
}

const fn pass(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => INGRESS_OK,
        Direction::Egress => EGRESS_OK,
    }
}

/// Field of the packet that holds the other end.
const fn other_end(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "saddr",
        Direction::Egress => "daddr",
    }
}

fn profile_name(number: u32, direction: Direction) -> String {
    format!("p_{number:x}_{}", suffix(direction))
}

fn profile_chain(table: &mut Table, number: u32, profile: &Profile, direction: Direction) {
    let ok = pass(direction);
    let mut rules = Vec::new();
    if direction == Direction::Egress {
        rules.push("jump never_out".to_owned());
    }
    if profile.stateful {
        rules.push(format!(
            "ct state established,related ct mark & {CUT:#x} == 0 meta mark set {ok:#x} accept"
        ));
    }
    rules.push(format!("jump always_{}", suffix(direction)));
    if profile.stateful {
        rules.push("ct state invalid drop".to_owned());
        rules.push("ct state established,related ct direction reply drop".to_owned());
    }
    for group in &profile.groups {
        rules.push(format!("jump g_{group}_{}", suffix(direction)));
    }
    rules.push("drop".to_owned());
    let name = profile_name(number, direction);
    table.chain(&name, None, rules);
    let (map, base) = match direction {
        Direction::Ingress => ("ingress", INGRESS_BASE),
        Direction::Egress => ("egress", EGRESS_BASE),
    };
    table.put(map, vec![Part::number(base + number)], Some(Part::Goto(name)));
}

fn group_chains(table: &mut Table, id: SecurityGroupId, direction: Direction, group: &Group) {
    let name = format!("g_{id}_{}", suffix(direction));
    let mut rules = Vec::new();
    for (family, shapes) in [(Family::V4, &group.v4), (Family::V6, &group.v6)] {
        rules.extend(shape_rules(table, &name, family, direction, shapes, true));
    }
    for (remote, shapes) in &group.remotes {
        let inner = format!("{name}_{remote}");
        let mut inner_rules = Vec::new();
        for (family, shapes) in [Family::V4, Family::V6].into_iter().zip(shapes) {
            if shapes.is_empty() {
                continue;
            }
            let (ip, end) = (family.ip(), other_end(direction));
            for set in member_names(*remote, family.digit()) {
                rules.push(format!("{ip} {end} @{set} jump {inner}"));
            }
            inner_rules.extend(shape_rules(table, &inner, family, direction, shapes, false));
        }
        table.chain(inner, None, inner_rules);
    }
    table.chain(name, None, rules);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const fn digit(self) -> char {
        match self {
            Self::V4 => '4',
            Self::V6 => '6',
        }
    }

    const fn ip(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }

    const fn icmp(self) -> &'static str {
        match self {
            Self::V4 => "icmp",
            Self::V6 => "icmpv6",
        }
    }

    const fn nfproto(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

/// One set and one rule for each kind of shape in use. Where the other end was
/// matched before (`by_address` false), keys leave it out.
fn shape_rules(
    table: &mut Table,
    chain: &str,
    family: Family,
    direction: Direction,
    shapes: &Shapes,
    by_address: bool,
) -> Vec<String> {
    let accept = format!("meta mark set {:#x} accept", pass(direction));
    let is_v4 = family == Family::V4;
    let end = if by_address { format!("{} {} . ", family.ip(), other_end(direction)) } else { String::new() };
    let nfproto = format!("meta nfproto {} ", family.nfproto());
    let set = |kind: &str| format!("{chain}_{kind}{}", family.digit());
    let mut rules = Vec::new();
    if !shapes.any.is_empty() {
        // What a new group allows out. The tool reads sets like these, each of them, before it
        // adds an element to any other.
        let is_everything = shapes.any.iter().all(Span::is_everything);
        if by_address && !is_everything {
            let name = set("any");
            table.declare(&name, "set", declaration(is_v4, Kind::Any, true));
            for span in &shapes.any {
                table.put(&name, vec![addresses(*span)], None);
            }
            rules.push(format!("{} {} @{name} {accept}", family.ip(), other_end(direction)));
        } else {
            rules.push(format!("{nfproto}{accept}"));
        }
    }
    if !shapes.protocols.is_empty() {
        let name = set("proto");
        table.declare(&name, "set", declaration(is_v4, Kind::Protocol, by_address));
        for (span, protocol) in &shapes.protocols {
            table.put(&name, key(by_address, *span, [Part::number(*protocol)]), None);
        }
        rules.push(format!("{nfproto}{end}meta l4proto @{name} {accept}"));
    }
    if !shapes.ports.is_empty() {
        let name = set("port");
        table.declare(&name, "set", declaration(is_v4, Kind::Ports, by_address));
        for part in &shapes.ports {
            table.put(&name, port_key(by_address, part), None);
        }
        // Other protocols have other bytes where these have ports.
        let with_ports = "meta l4proto { 6, 17, 33, 132, 136 }";
        rules.push(format!("{nfproto}{with_ports} {end}meta l4proto . th dport @{name} {accept}"));
    }
    if !shapes.icmp.is_empty() {
        let name = set("icmp");
        table.declare(&name, "set", declaration(is_v4, Kind::Icmp, by_address));
        for part in &shapes.icmp {
            table.put(&name, icmp_key(by_address, part), None);
        }
        let icmp = family.icmp();
        rules.push(format!("{nfproto}{end}{icmp} type . {icmp} code @{name} {accept}"));
    }
    rules
}

fn key<const N: usize>(by_address: bool, span: Span, rest: [Part; N]) -> Key {
    by_address.then(|| addresses(span)).into_iter().chain(rest).collect()
}

fn port_key(by_address: bool, part: &PortBox) -> Key {
    let ports = Part::Number { first: part.first.into(), last: part.last.into() };
    key(by_address, part.span, [Part::number(part.protocol), ports])
}

fn icmp_key(by_address: bool, part: &IcmpBox) -> Key {
    let codes = Part::Number { first: part.first_code.into(), last: part.last_code.into() };
    key(by_address, part.span, [Part::number(part.kind), codes])
}

#[derive(Clone, Copy)]
enum Kind {
    Any,
    Protocol,
    Ports,
    Icmp,
}

const fn declaration(is_v4: bool, kind: Kind, by_address: bool) -> &'static str {
    match (kind, by_address, is_v4) {
        (Kind::Any, _, true) => "type ipv4_addr; flags interval;",
        (Kind::Any, _, false) => "type ipv6_addr; flags interval;",
        (Kind::Protocol, false, _) => "type inet_proto;",
        (Kind::Protocol, true, true) => "type ipv4_addr . inet_proto; flags interval;",
        (Kind::Protocol, true, false) => "type ipv6_addr . inet_proto; flags interval;",
        (Kind::Ports, false, _) => "type inet_proto . inet_service; flags interval;",
        (Kind::Ports, true, true) => "type ipv4_addr . inet_proto . inet_service; flags interval;",
        (Kind::Ports, true, false) => "type ipv6_addr . inet_proto . inet_service; flags interval;",
        (Kind::Icmp, false, true) => "type icmp_type . icmp_code; flags interval;",
        (Kind::Icmp, false, false) => "type icmpv6_type . icmpv6_code; flags interval;",
        (Kind::Icmp, true, true) => "type ipv4_addr . icmp_type . icmp_code; flags interval;",
        (Kind::Icmp, true, false) => "type ipv6_addr . icmpv6_type . icmpv6_code; flags interval;",
    }
}
