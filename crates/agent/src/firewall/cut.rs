//! Which running connections have lost the rule that allowed them (N29).
//!
//! They are not deleted but marked: after a deletion the next answer would open
//! the connection again the other way round. The kernel drops answers of a
//! marked connection and judges its original direction anew; when a rule allows
//! it again the mark goes, without the agent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use isospin_feed::facts::{Direction, Facts, Port};
use isospin_host_io::Flow;
use isospin_types::PortId;

use crate::firewall::evaluator::{Evaluator, Packet};
use crate::firewall::policy::{Policy, Sources, profile_of};

/// Judges connections of some ports.
#[derive(Debug)]
pub struct Judge {
    evaluator: Evaluator,
    /// By zone and address.
    single: BTreeMap<(u16, IpAddr), Vec<Arc<Port>>>,
    /// Ports that may use ranges, with their zone.
    wide: Vec<(u16, Sources, Arc<Port>)>,
}

impl Judge {
    /// For the ports with these devices; `None` when none of them has connections to judge.
    /// Nearly every pass ends so: only then are all rules read.
    #[must_use]
    pub fn of(facts: &Facts, policy: &Policy, devices: &BTreeSet<String>) -> Option<Self> {
        let mut single: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut wide = Vec::new();
        for filtered in devices.iter().filter_map(|device| policy.ports.get(device)) {
            let Some(port) = facts.ports.get(&filtered.port) else { continue };
            // Without state no connection carries anything.
            if !profile_of(facts, port).stateful {
                continue;
            }
            let zone = policy.zone_of(filtered);
            for ip in filtered.sources.exact() {
                single.entry((zone, ip)).or_default().push(Arc::clone(port));
            }
            if !filtered.sources.spans.is_empty() {
                wide.push((zone, filtered.sources.clone(), Arc::clone(port)));
            }
        }
        let is_idle = single.is_empty() && wide.is_empty();
        (!is_idle).then(|| Self { evaluator: Evaluator::new(facts), single, wide })
    }

    /// Whether one of the ports at its ends does not allow this connection.
    #[must_use]
    pub fn refuses(&self, flow: &Flow) -> bool {
        // The reply's source is where packets really go, address translation done.
        let packet = Packet {
            source: flow.original.source,
            destination: flow.reply.source,
            protocol: flow.protocol,
            source_port: flow.original.source_port,
            destination_port: flow.reply.source_port.or(flow.original.destination_port),
            icmp: flow.original.icmp,
        };
        self.refuses_at(flow.zone, packet.source, Direction::Egress, &packet)
            || self.refuses_at(flow.zone, packet.destination, Direction::Ingress, &packet)
    }

    fn refuses_at(&self, zone: u16, end: IpAddr, direction: Direction, packet: &Packet) -> bool {
        let single = self.single.get(&(zone, end)).into_iter().flatten();
        let wide = self
            .wide
            .iter()
            .filter(|(own, sources, _)| {
                *own == zone && sources.spans.iter().any(|(_, span)| span.contains(end))
            })
            .map(|(_, _, port)| port);
        let mut ports = single.chain(wide).peekable();
        ports.peek().is_some() && ports.all(|port| !self.evaluator.admits(port, direction, packet))
    }
}

/// Addresses, with their zone, that had an owner before which they have no more.
/// The next owner must not inherit its connections.
#[must_use]
pub fn disowned(before: &Policy, after: &Policy) -> BTreeSet<(u16, IpAddr)> {
    let owners = |policy: &Policy| -> BTreeSet<(u16, IpAddr, PortId)> {
        policy
            .ports
            .values()
            .flat_map(|port| {
                let zone = policy.zone_of(port);
                port.sources.exact().map(move |ip| (zone, ip, port.port))
            })
            .collect()
    };
    let after = owners(after);
    owners(before)
        .into_iter()
        .filter(|owner| !after.contains(owner))
        .map(|(zone, ip, _)| (zone, ip))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::policy::Folds;
    use crate::firewall::testing::{add_port, cloud, policy};

    #[test]
    fn n29_rules_are_read_only_for_ports_that_have_connections() {
        let (mut facts, groups) = cloud(1);
        let id = add_port(&mut facts, 1, &groups);
        let device = BTreeSet::from([facts.ports[&id].tap_name()]);
        let judges = |facts: &Facts, devices: &BTreeSet<String>| {
            let policy = policy(facts, &mut Folds::of(facts));
            Judge::of(facts, &policy, devices).is_some()
        };
        assert!(judges(&facts, &device));
        assert!(!judges(&facts, &BTreeSet::new()), "nobody is asked about");
        facts.security_groups.values_mut().map(Arc::make_mut).for_each(|group| group.stateful = false);
        assert!(!judges(&facts, &device), "no state");
    }
}
