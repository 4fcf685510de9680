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
    wrong(nat, Way { source, destination, reply_source, reply_destination })
}

fn wrong(nat: &Nat, way: Way) -> bool {
    wrong_destination(nat, way) || wrong_source(nat, way)
}

fn wrong_destination(nat: &Nat, way: Way) -> bool {
    match nat.floating.get(&way.destination) {
        // Also when it was let through to the router itself before.
        Some(fixed) => *fixed != way.reply_source,
        None => way.reply_source != way.destination && way.destination != METADATA_ADDRESS,
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
    use std::collections::BTreeMap;

    use super::super::intent::Gateway;
    use super::*;

    #[test]
    fn only_connections_the_rules_would_make_are_right() {
        let ip = |text: &str| -> Ipv4Addr { text.parse().expect("ip") };
        let snat = Some(ip("172.24.2.252"));
        let nat = Nat {
            gateway: Some(Gateway { device: "qg-x".to_owned(), snat }),
            floating: BTreeMap::from([(ip("172.24.0.76"), ip("10.20.0.146"))]),
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
            };
            assert_eq!(wrong(&nat, way), expected, "{what}");
        }
        let way = Way {
            source: ip("10.20.0.5"),
            destination: ip("9.9.9.9"),
            reply_source: ip("9.9.9.9"),
            reply_destination: ip("172.24.2.252"),
        };
        assert!(wrong(&Nat::default(), way), "SNAT that was switched off");
    }
}
