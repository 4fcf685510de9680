//! The policy, interpreted, against the reference evaluator.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use isospin_feed::facts::{Direction, FactKey, Facts};
use proptest::prelude::*;

use super::{Folds, Group, Policy, Shapes};
use crate::firewall::evaluator::{
    Evaluator, Frame, Packet, is_always_allowed, is_infrastructure_of_others, may_send,
};
use crate::firewall::rule::has_ports;
use crate::firewall::testing;

/// The policy of an agent that sees the facts for the first time.
fn whole(facts: &Facts) -> Policy {
    next(facts, &mut Folds::of(facts))
}

fn next(facts: &Facts, folds: &mut Folds) -> Policy {
    testing::policy(facts, folds)
}

/// Keys of what one of them has and the other has not, or has otherwise.
fn changed(before: &Facts, after: &Facts) -> BTreeSet<FactKey> {
    fn of<K: Ord + Copy, V: PartialEq>(
        before: &BTreeMap<K, V>,
        after: &BTreeMap<K, V>,
        key: fn(K) -> FactKey,
    ) -> Vec<FactKey> {
        let all: BTreeSet<K> = before.keys().chain(after.keys()).copied().collect();
        all.into_iter().filter(|id| before.get(id) != after.get(id)).map(key).collect()
    }
    let rules = of(&before.security_group_rules, &after.security_group_rules, FactKey::SecurityGroupRule);
    let member = |(group, port)| FactKey::SecurityGroupMember(group, port);
    let members = of(&before.security_group_members, &after.security_group_members, member);
    let addresses = of(&before.address_groups, &after.address_groups, FactKey::AddressGroup);
    rules.into_iter().chain(members).chain(addresses).collect()
}

/// What the kernel does with the first packet of a connection, read from the policy.
fn admits(policy: &Policy, device: &str, direction: Direction, packet: &Packet) -> bool {
    if policy.open.contains(device) {
        return true;
    }
    let Some(port) = policy.ports.get(device) else { return false };
    if direction == Direction::Egress && is_infrastructure_of_others(packet) {
        return false;
    }
    let profile = &policy.profiles[&port.profile];
    is_always_allowed(direction, packet)
        || profile
            .groups
            .iter()
            .any(|group| group_admits(policy, &policy.groups[&(*group, direction)], direction, packet))
}

fn group_admits(policy: &Policy, group: &Group, direction: Direction, packet: &Packet) -> bool {
    let other = match direction {
        Direction::Ingress => packet.source,
        Direction::Egress => packet.destination,
    };
    let family = usize::from(other.is_ipv6());
    let own = [&group.v4, &group.v6][family];
    shapes_admit(own, other, packet)
        || group.remotes.iter().any(|(remote, shapes)| {
            policy.members[remote].contains(other) && shapes_admit(&shapes[family], other, packet)
        })
}

/// Counts matches, so that overlapping elements, which the kernel refuses, show.
fn shapes_admit(shapes: &Shapes, other: IpAddr, packet: &Packet) -> bool {
    let any = shapes.any.iter().filter(|span| span.contains(other)).count();
    let protocols = shapes
        .protocols
        .iter()
        .filter(|(span, protocol)| span.contains(other) && *protocol == packet.protocol)
        .count();
    let ports = shapes.ports.iter().filter(|part| {
        part.span.contains(other)
            && part.protocol == packet.protocol
            && has_ports(packet.protocol)
            && packet.destination_port.is_some_and(|port| (part.first..=part.last).contains(&port))
    });
    let icmp = shapes.icmp.iter().filter(|part| {
        part.span.contains(other)
            && packet.protocol == packet.icmp_protocol()
            && packet.icmp.is_some_and(|(kind, code)| {
                part.kind == kind && (part.first_code..=part.last_code).contains(&code)
            })
    });
    let matches = [any, protocols, ports.count(), icmp.count()];
    assert!(matches.iter().all(|count| *count <= 1), "elements overlap: {matches:?}");
    matches.iter().any(|count| *count > 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn n18_the_policy_admits_what_the_evaluator_admits(
        facts in testing::facts(),
        packets in prop::collection::vec(testing::packet(), 1..40),
    ) {
        let policy = whole(&facts);
        let evaluator = Evaluator::new(&facts);
        for port in facts.ports.values() {
            for packet in &packets {
                for direction in [Direction::Ingress, Direction::Egress] {
                    prop_assert_eq!(
                        admits(&policy, &port.tap_name(), direction, packet),
                        evaluator.admits(port, direction, packet),
                        "{:?} {:?} at {:?}", direction, packet, port
                    );
                }
            }
        }
    }

    #[test]
    fn n13_senders_are_who_the_evaluator_says(facts in testing::facts(), packets in prop::collection::vec(testing::packet(), 1..20)) {
        let policy = whole(&facts);
        for port in facts.ports.values() {
            let Some(filtered) = policy.ports.get(&port.tap_name()) else { continue };
            for packet in &packets {
                for mac in filtered.macs.iter().copied().chain([testing::mac(99)]) {
                    // Frames that need the address itself: no discover, no listener report.
                    if packet.source.is_unspecified() || is_infrastructure_of_others(packet) {
                        continue;
                    }
                    let kernel = filtered.macs.contains(&mac) && filtered.sources.allow(mac, packet.source);
                    prop_assert_eq!(kernel, may_send(port, mac, &Frame::Ip(*packet)));
                }
            }
        }
    }

    #[test]
    fn what_is_kept_makes_the_policy_a_first_look_makes(lives in prop::collection::vec(testing::facts(), 2..5)) {
        let mut folds = Folds::of(&lives[0]);
        next(&lives[0], &mut folds);
        for (before, after) in lives.iter().zip(&lives[1..]) {
            folds.look(after, Some(&changed(before, after)));
            prop_assert_eq!(next(after, &mut folds), whole(after));
        }
    }

    #[test]
    fn an_equal_or_wider_policy_narrows_nobody(facts in testing::facts(), packets in prop::collection::vec(testing::packet(), 1..40), gone in any::<prop::sample::Index>()) {
        let before = whole(&facts);
        prop_assert!(before.narrowed_since(&before).is_empty());
        // Taking a rule away: whoever lost a packet is named.
        let mut fewer: Facts = facts.clone();
        if !fewer.security_group_rules.is_empty() {
            let id = *gone.get(&fewer.security_group_rules.keys().copied().collect::<Vec<_>>());
            fewer.security_group_rules.remove(&id);
        }
        let after = whole(&fewer);
        let narrowed = after.narrowed_since(&before);
        let (was, now) = (Evaluator::new(&facts), Evaluator::new(&fewer));
        for port in facts.ports.values() {
            for packet in &packets {
                for direction in [Direction::Ingress, Direction::Egress] {
                    let lost = was.admits(port, direction, packet) && !now.admits(port, direction, packet);
                    prop_assert!(!lost || narrowed.contains(&port.tap_name()));
                }
            }
        }
    }
}

#[test]
fn ports_with_the_same_groups_share_a_profile() {
    let (mut facts, groups) = testing::cloud(2);
    for index in 0..20 {
        testing::add_port(&mut facts, index, &groups[..1 + usize::from(index % 2)]);
    }
    let policy = whole(&facts);
    assert_eq!((policy.ports.len(), policy.profiles.len()), (20, 2));
    // The same numbers come from the same facts, in any life.
    assert_eq!(policy, whole(&facts));
}

#[test]
fn any_stateless_group_makes_a_port_stateless() {
    let (mut facts, groups) = testing::cloud(2);
    testing::add_port(&mut facts, 0, &groups);
    let group = facts.security_groups.get_mut(&groups[1]).expect("group");
    Arc::make_mut(group).stateful = false;
    let policy = whole(&facts);
    assert!(policy.profiles.values().all(|profile| !profile.stateful));
}
