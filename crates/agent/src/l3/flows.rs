//! Which followed connections of a router contradict its rules. Pure.
//!
//! Rules judge the first packet of a connection; the rest follows it. After a
//! floating IP or the gateway changed, connections translated the old way must
//! go. They are found by looking at all connections, not by remembering what
//! changed: so it works also for an agent that was killed between the two.

use std::net::{IpAddr, Ipv4Addr};

use isospin_host_io::Flow;

use super::intent::Nat;
use super::render::METADATA_ADDRESS;

/// Addresses of one connection, in both directions.
#[derive(Debug, Clone, Copy)]
struct Way {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    reply_source: Ipv4Addr,
    reply_destination: Ipv4Addr,
    protocol: u8,
    /// Port it goes to, and port answers come from.
    port: Option<u16>,
    reply_port: Option<u16>,
}

/// Whether the connection is translated in a way the rules of `nat` would not.
pub(super) fn contradicts(nat: &Nat, flow: &Flow) -> bool {
    let all = [flow.original.source, flow.original.destination, flow.reply.source, flow.reply.destination];
    let [
        IpAddr::V4(source),
        IpAddr::V4(destination),
        IpAddr::V4(reply_source),
        IpAddr::V4(reply_destination),
    ] = all
    else {
        return false;
    };
    let way = Way {
        source,
        destination,
        reply_source,
        reply_destination,
        protocol: flow.protocol,
        port: flow.original.destination_port,
        reply_port: flow.reply.source_port,
    };
    wrong(nat, way)
}

fn wrong(nat: &Nat, way: Way) -> bool {
    wrong_destination(nat, way) || wrong_source(nat, way)
}

fn wrong_destination(nat: &Nat, way: Way) -> bool {
    match nat.floating.get(&way.destination) {
        // Also when it was let through to the router itself before.
        Some(fixed) => *fixed != way.reply_source,
        None if way.destination == METADATA_ADDRESS => false,
        None => match nat.forward(way.destination, way.protocol, way.port) {
            Some((inner, port)) => inner != way.reply_source || (port.is_some() && port != way.reply_port),
            None => way.reply_source != way.destination,
        },
    }
}

fn wrong_source(nat: &Nat, way: Way) -> bool {
    let gateway = nat.gateway.as_ref().and_then(|gateway| gateway.snat);
    way.reply_destination != way.source
        && gateway != Some(way.reply_destination)
        && nat.floating.get(&way.reply_destination) != Some(&way.source)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use isospin_feed::facts::ForwardedPorts;

    use super::super::intent::{Forward, Gateway};
    use super::*;

    #[test]
    fn only_connections_the_rules_would_make_are_right() {
        let ip = |text: &str| -> Ipv4Addr { text.parse().expect("ip") };
        let snat = Some(ip("172.24.2.252"));
        let nat = Nat {
            gateway: Some(Gateway { device: "qg-x".to_owned(), snat, direct: BTreeSet::new() }),
            floating: BTreeMap::from([(ip("172.24.0.76"), ip("10.20.0.146"))]),
            forwarded: BTreeMap::new(),
        };
        // Source, destination, source and destination of replies; whether it is wrong.
        let table = [
            ("10.20.0.5", "10.30.0.5", "10.30.0.5", "10.20.0.5", false, "between internal networks"),
            ("10.20.0.5", "9.9.9.9", "9.9.9.9", "172.24.2.252", false, "SNAT"),
            ("10.20.0.146", "9.9.9.9", "9.9.9.9", "172.24.0.76", false, "floating outwards"),
            ("9.9.9.9", "172.24.0.76", "10.20.0.146", "9.9.9.9", false, "floating inwards"),
            ("10.20.0.5", "172.24.0.76", "10.20.0.146", "172.24.2.252", false, "hairpin"),
            ("10.20.0.5", "169.254.169.254", "10.20.0.1", "10.20.0.5", false, "metadata"),
            ("10.20.0.5", "9.9.9.9", "9.9.9.9", "172.24.2.200", true, "an old gateway"),
            ("10.20.0.5", "9.9.9.9", "9.9.9.9", "172.24.0.76", true, "another's floating IP"),
            ("9.9.9.9", "172.24.0.76", "10.20.0.5", "9.9.9.9", true, "to whom it belonged before"),
            ("9.9.9.9", "172.24.0.77", "10.20.0.146", "9.9.9.9", true, "a floating IP that is gone"),
            ("9.9.9.9", "172.24.0.76", "172.24.0.76", "9.9.9.9", true, "from before it was one"),
        ];
        for (source, destination, reply_source, reply_destination, expected, what) in table {
            let way = Way {
                source: ip(source),
                destination: ip(destination),
                reply_source: ip(reply_source),
                reply_destination: ip(reply_destination),
                protocol: 6,
                port: Some(80),
                reply_port: Some(80),
            };
            assert_eq!(wrong(&nat, way), expected, "{what}");
        }
        let way = Way {
            source: ip("10.20.0.5"),
            destination: ip("9.9.9.9"),
            reply_source: ip("9.9.9.9"),
            reply_destination: ip("172.24.2.252"),
            protocol: 6,
            port: Some(80),
            reply_port: Some(80),
        };
        assert!(wrong(&Nat::default(), way), "SNAT that was switched off");
    }

    #[test]
    fn forwarded_ports_are_judged_with_their_ports() {
        let ip = |text: &str| -> Ipv4Addr { text.parse().expect("ip") };
        let forward = |protocol, ports: Option<((u16, u16), (u16, u16))>| Forward {
            protocol,
            ports: ports.map(|(external, internal)| ForwardedPorts { external, internal }),
            inner: ip("10.20.0.5"),
        };
        let forwards = [
            forward(6, Some(((2222, 2222), (22, 22)))),
            forward(6, Some(((100, 200), (300, 400)))),
            forward(17, Some(((100, 200), (53, 53)))),
            forward(1, None),
        ];
        let forwarded = BTreeMap::from([(ip("172.24.0.80"), BTreeSet::from(forwards))]);
        let nat = Nat { forwarded, ..Nat::default() };
        // Protocol, port, where it led to, which port there; whether that is wrong.
        let table = [
            (6, Some(2222), "10.20.0.5", Some(22), false, "one port"),
            (6, Some(2222), "10.20.0.5", Some(23), true, "to another port than now"),
            (6, Some(2222), "10.20.0.6", Some(22), true, "to another address than now"),
            (6, Some(2223), "172.24.0.80", Some(2223), false, "not forwarded"),
            (6, Some(2223), "10.20.0.5", Some(22), true, "not forwarded any more"),
            (6, Some(2222), "172.24.0.80", Some(2222), true, "from before it was forwarded"),
            (6, Some(150), "10.20.0.5", Some(350), false, "in the middle of a range"),
            (6, Some(150), "10.20.0.5", Some(300), true, "in the middle of a range, to its first"),
            (17, Some(150), "10.20.0.5", Some(53), false, "many to one"),
            (1, None, "10.20.0.5", None, false, "a protocol without ports"),
        ];
        for (protocol, port, reply_source, reply_port, expected, what) in table {
            let (source, reply_destination) = (ip("9.9.9.9"), ip("9.9.9.9"));
            let (destination, reply_source) = (ip("172.24.0.80"), ip(reply_source));
            let way =
                Way { source, destination, reply_source, reply_destination, protocol, port, reply_port };
            assert_eq!(wrong(&nat, way), expected, "{what}");
        }
    }
}
