//! Random policies: the kernel takes them, shows them as written, and small
//! steps end where a whole one does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use isospin_feed::facts::{Direction, Facts, IpVersion, Remote, SecurityGroupRule};
use isospin_host_io::{Namespace, Nft, Place};
use isospin_types::SecurityGroupRuleId;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use super::values::{Part, Table};
use super::{BRIDGE, INET, Nftables, observe, render};
use crate::firewall::policy::{Folds, Policy};
use crate::firewall::testing;

struct Scratch(Namespace);

impl Scratch {
    /// `None`, with the reason on stderr, for who may not make one.
    fn new() -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root to make network namespaces");
            return None;
        }
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        Some(Self(Namespace::create(&format!("fwt-{}-{count}", std::process::id())).expect("namespace")))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Namespace::delete(self.0.name());
    }
}

fn policy(facts: &Facts) -> Arc<Policy> {
    Arc::new(testing::policy(facts, &mut Folds::of(facts)))
}

/// The elements and rules of a table, without what only one side knows.
fn content(table: &Table) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>) {
    let shown = |(key, value): (&Vec<Part>, &Option<Part>)| format!("{key:?}{value:?}");
    let sets = table.sets.iter().map(|(name, set)| (name.clone(), set.elements.iter().map(shown).collect()));
    let chains = table
        .chains
        .iter()
        .map(|(name, chain)| (name.clone(), chain.rules.iter().map(|rule| rule.mark.clone()).collect()));
    (sets.collect(), chains.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn n18_any_policy_loads_and_the_kernel_shows_it_as_written() {
    let Some(scratch) = Scratch::new() else { return };
    let place = Place::Namespace(scratch.0.clone());
    let nft = Nft::open(place.clone());
    let mut firewall = Nftables::open(place);
    let mut runner = TestRunner::deterministic();
    for round in 0..60 {
        let facts = testing::facts().new_tree(&mut runner).expect("facts").current();
        let policy = policy(&facts);
        // Each step starts from the policy before: by differences, without reading.
        firewall.apply(&policy, BTreeMap::new()).await.unwrap_or_else(|error| {
            panic!("round {round}: {}\n{facts:#?}", error.reason());
        });
        for (name, wanted) in [BRIDGE, INET].into_iter().zip(render(&policy)) {
            let listing = nft.list_table_numeric(name.0, name.1).await.expect("list").expect("there");
            let held = observe::table(&listing).expect("our layout");
            assert_eq!(content(&held), content(&wanted), "round {round}, {name:?}");
        }
    }
}

proptest! {
    #[test]
    fn small_steps_say_what_whole_ones_say(before in testing::facts(), after in testing::facts()) {
        let (before, after) = (policy(&before), policy(&after));
        let (rest_before, rest_after) = after.difference(&before);
        for ((family, table), index) in [(BRIDGE, 0), (INET, 1)] {
            let whole = super::diff::between(family, table, Some(&render(&before)[index]), &render(&after)[index]);
            let small =
                super::diff::between(family, table, Some(&render(&rest_before)[index]), &render(&rest_after)[index]);
            prop_assert_eq!(whole, small);
        }
    }
}

/// The tables without ports, with an element in every set that has no ranges.
fn one_element_each() -> [(super::TableName, Table, Table); 2] {
    let device = || Part::Device("tap0123456-89".to_owned());
    let mac = "02:00:00:00:ff:0a".parse().expect("mac");
    let ip = |text: &str| Part::ip(text.parse().expect("ip"));
    let chain = || Some(Part::Goto("always_in".to_owned()));
    let mark = || Part::number(0x1e00_0001_u32);
    let mut bridge = super::base::bridge();
    for set in ["secured", "open", "foreign"] {
        bridge.put(set, vec![device()], None);
    }
    bridge.put("mac", vec![device(), Part::Mac(mac)], None);
    bridge.put("lladdr", vec![device(), Part::number(0x0200_0000_ff0a_u64)], None);
    bridge.put("pair4", vec![device(), Part::Mac(mac), ip("10.0.0.9")], None);
    bridge.put("pair6", vec![device(), Part::Mac(mac), ip("fd00::9")], None);
    bridge.put("nd6", vec![device(), Part::number(0xfd00_0000_0000_0000_0000_0000_0000_0009_u128)], None);
    for map in ["egress", "ingress"] {
        bridge.put(map, vec![device()], Some(mark()));
    }
    let mut inet = super::base::inet();
    inet.put("zones", vec![device()], Some(Part::number(4711_u16)));
    inet.put("bridges", vec![device()], None);
    for map in ["egress", "ingress"] {
        inet.put(map, vec![mark()], chain());
    }
    inet.put("host4", vec![device(), ip("10.0.0.9")], chain());
    inet.put("host6", vec![device(), ip("fd00::9")], chain());
    [(BRIDGE, super::base::bridge(), bridge), (INET, super::base::inet(), inet)]
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_are_the_same_with_and_without_the_tool() {
    let Some(scratch) = Scratch::new() else { return };
    let nft = Nft::open(Place::Namespace(scratch.0.clone()));
    for ((family, table), empty, full) in one_element_each() {
        let plain =
            full.sets.values().filter(|set| set.declaration.is_some_and(|(_, text)| !text.contains("flags")));
        assert!(plain.clone().all(|set| set.elements.len() == 1), "{table}: a set has no element");
        nft.apply(&super::diff::rebuild(family, table, &empty).script).await.expect("tables");
        let fill = super::diff::between(family, table, Some(&empty), &full);
        let clear = super::diff::between(family, table, Some(&full), &empty);
        assert_eq!((fill.changes, clear.changes), (plain.clone().count() as u64, plain.count() as u64));
        // Deleting needs the same key to the bit: each way deletes what the other added.
        for without_tool_first in [true, false] {
            for (step, held, without_tool) in
                [(&fill, &full, without_tool_first), (&clear, &empty, !without_tool_first)]
            {
                let changes = step.elements.as_ref().expect("elements alone");
                if without_tool {
                    assert!(nft.change_elements(changes).await.expect("elements"));
                } else {
                    nft.apply(&step.script).await.expect("script");
                }
                let listing = nft.list_table_numeric(family, table).await.expect("list").expect("there");
                assert_eq!(content(&observe::table(&listing).expect("our layout")), content(held));
            }
        }
        // All or nothing, and what is wrong is told.
        let mut wrong = fill.elements.clone().expect("elements alone");
        wrong.extend(clear.elements.into_iter().flatten());
        wrong.push(wrong.last().cloned().expect("one"));
        let refused = nft.change_elements(&wrong).await.expect_err("deleted twice");
        assert!(refused.is_not_found(), "{refused:?}");
        let listing = nft.list_table_numeric(family, table).await.expect("list").expect("there");
        assert_eq!(content(&observe::table(&listing).expect("our layout")), content(&empty));
    }
}

/// The rules of one group, as people will read them in `nft list`.
#[test]
fn a_group_reads_like_this() {
    let (mut facts, groups) = testing::cloud(1);
    testing::add_port(&mut facts, 7, &groups);
    let rule = |number: u128, protocol, range: Option<(u16, u16)>, remote| SecurityGroupRule {
        id: SecurityGroupRuleId::from(Uuid::from_u128(number)),
        security_group_id: groups[0],
        direction: Direction::Ingress,
        ip_version: IpVersion::V4,
        protocol,
        port_range_min: range.map(|range| range.0),
        port_range_max: range.map(|range| range.1),
        remote,
    };
    testing::add_rule(&mut facts, rule(1, Some(6), Some((80, 90)), Remote::Any));
    testing::add_rule(&mut facts, rule(2, Some(6), Some((85, 99)), Remote::Any));
    testing::add_rule(&mut facts, rule(3, Some(1), None, Remote::Prefix("10.0.0.0/8".parse().expect("net"))));
    testing::add_rule(&mut facts, rule(4, None, None, Remote::Group(groups[0])));
    let [_, inet] = render(&policy(&facts));
    let name = format!("g_{}_in", groups[0]);
    let rules = |chain: &str| -> Vec<String> {
        inet.chains[chain].rules.iter().map(|rule| rule.text.replace(&groups[0].to_string(), "G")).collect()
    };
    assert_eq!(
        rules(&name),
        [
            "meta nfproto ipv4 ip saddr . meta l4proto @g_G_in_proto4 meta mark set 0x1fc00000 accept",
            "meta nfproto ipv4 meta l4proto { 6, 17, 33, 132, 136 } ip saddr . meta l4proto . th dport \
             @g_G_in_port4 meta mark set 0x1fc00000 accept",
            "ip saddr @rg4_G jump g_G_in_G",
            "ip saddr @rgn4_G jump g_G_in_G",
        ]
    );
    assert_eq!(
        rules(&format!("{name}_{}", groups[0])),
        ["meta nfproto ipv4 meta mark set 0x1fc00000 accept"]
    );
    let elements = |set: &str| -> Vec<String> {
        let shown = |key: &Vec<Part>| key.iter().map(ToString::to_string).collect::<Vec<_>>().join(" . ");
        inet.sets[set].elements.keys().map(shown).collect()
    };
    assert_eq!(elements(&format!("{name}_port4")), ["0.0.0.0-255.255.255.255 . 0x6 . 0x50-0x63"]);
    assert_eq!(elements(&format!("{name}_proto4")), ["10.0.0.0-10.255.255.255 . 0x1"]);
    assert_eq!(elements(&format!("rg4_{}", groups[0])), ["10.0.0.7"]);
}

#[test]
fn a_change_of_an_address_group_changes_elements_and_no_rule() {
    let (mut facts, groups) = testing::cloud(1);
    testing::add_port(&mut facts, 7, &groups);
    let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("prefix")).collect();
    let addresses = testing::add_addresses(&mut facts, 0, prefixes(&["10.1.0.0/16", "10.2.0.9/32"]));
    for (number, ip_version) in [(1, IpVersion::V4), (2, IpVersion::V6)] {
        let rule = SecurityGroupRule {
            id: SecurityGroupRuleId::from(Uuid::from_u128(number)),
            security_group_id: groups[0],
            direction: Direction::Ingress,
            ip_version,
            protocol: Some(6),
            port_range_min: Some(443),
            port_range_max: Some(443),
            remote: Remote::Addresses(addresses),
        };
        testing::add_rule(&mut facts, rule);
    }
    let before = policy(&facts);
    let [_, inet] = render(&before);
    let chain = &inet.chains[&format!("g_{}_in", groups[0])];
    let sets: Vec<String> = chain
        .rules
        .iter()
        .map(|rule| rule.text.replace(&addresses.to_string(), "A").replace(&groups[0].to_string(), "G"))
        .collect();
    assert_eq!(
        sets,
        [
            "ip saddr @ag4_A jump g_G_in_A",
            "ip saddr @agn4_A jump g_G_in_A",
            "ip6 saddr @ag6_A jump g_G_in_A",
            "ip6 saddr @agn6_A jump g_G_in_A",
        ]
    );
    testing::add_addresses(&mut facts, 0, prefixes(&["10.1.0.0/16", "10.3.0.0/24", "fd00:1::/32"]));
    let after = policy(&facts);
    let [_, changed] = render(&after);
    assert_eq!(content(&inet).1, content(&changed).1, "the chains are the same");
    assert_ne!(content(&inet).0, content(&changed).0);
    assert!(!after.narrowed_since(&before).is_empty(), "10.2.0.9 was allowed before");
    assert!(before.narrowed_since(&before).is_empty());
}
