//! What is counted, without a host.

use std::collections::{BTreeMap, BTreeSet};

use isospin_feed::facts::{Direction, MeteringRule};
use serde_json::json;

use super::facts::id;
use crate::l3::metering::{Count, Labels, Observed, expected, script};

const DEVICE: &str = "qg-1";

pub fn rule(direction: Direction, excluded: bool, source: &str, destination: &str) -> MeteringRule {
    MeteringRule { direction, excluded, source: source.parse().ok(), destination: destination.parse().ok() }
}

fn labels() -> Labels {
    let rules = BTreeSet::from([
        rule(Direction::Egress, false, "10.0.0.0/24", ""),
        rule(Direction::Ingress, false, "0.0.0.0/0", "10.0.0.0/24"),
        rule(Direction::Egress, true, "10.0.0.7/32", ""),
        rule(Direction::Egress, false, "", "fd00::/64"),
    ]);
    BTreeMap::from([(id(1), rules), (id(2), BTreeSet::new())])
}

#[test]
fn what_is_left_out_comes_before_what_is_counted() {
    let script = script(DEVICE, &labels(), None, true).expect("a script");
    let text: Vec<String> = script
        .lines()
        .map(|line| line.split(" comment ").next().unwrap_or_default().replace("inet isospin_metering ", ""))
        .collect();
    let (one, two) =
        ("label_00000001-0000-0000-0000-000000000001", "label_00000002-0000-0000-0000-000000000002");
    let counted = format!("counter name \"{one}\" return");
    assert_eq!(
        text,
        [
            "add table inet isospin_metering".to_owned(),
            "flush table inet isospin_metering".to_owned(),
            "add chain forward { type filter hook forward priority 20; policy accept; }".to_owned(),
            format!("add chain {one}"),
            format!("add chain {two}"),
            format!("add counter {one}"),
            format!("add counter {two}"),
            format!("add rule {one} oifname \"qg-1\" ip saddr 10.0.0.7/32 return"),
            format!("add rule {one} iifname \"qg-1\" meta nfproto ipv4 ip daddr 10.0.0.0/24 {counted}"),
            format!("add rule {one} oifname \"qg-1\" ip6 daddr fd00::/64 {counted}"),
            format!("add rule {one} oifname \"qg-1\" ip saddr 10.0.0.0/24 {counted}"),
            format!("add rule forward jump {one}"),
            format!("add rule forward jump {two}"),
        ]
    );
}

#[test]
fn counters_go_with_their_label_only_and_when_things_may_go() {
    let now = expected(DEVICE, &labels());
    assert_eq!(script(DEVICE, &labels(), now.as_ref(), true), None, "a healthy host is left alone");
    let mut changed = labels();
    changed.insert(id(2), BTreeSet::from([rule(Direction::Egress, false, "10.1.0.0/24", "")]));
    let other = script(DEVICE, &changed, now.as_ref(), true).expect("a script");
    assert!(!other.contains("counter inet"), "a counter that is there goes on: {other}");
    changed.remove(&id(1));
    let without = script(DEVICE, &changed, now.as_ref(), true).expect("a script");
    assert!(without.contains("delete counter inet isospin_metering label_00000001-"), "{without}");
    let kept = script(DEVICE, &changed, now.as_ref(), false).expect("a script");
    assert!(!kept.contains("delete"), "{kept}");
    assert_eq!(script(DEVICE, &Labels::new(), now.as_ref(), false), None);
    let gone = script(DEVICE, &Labels::new(), now.as_ref(), true);
    assert_eq!(gone.as_deref(), Some("delete table inet isospin_metering\n"));
    assert_eq!(script(DEVICE, &Labels::new(), None, true), None);
}

#[test]
fn a_listing_tells_the_counts() {
    let name = "label_00000001-0000-0000-0000-000000000001";
    let listing = json!({"nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "isospin_metering"}},
        {"counter": {"family": "inet", "name": name, "table": "isospin_metering", "packets": 3, "bytes": 252}},
        {"chain": {"name": name}},
        {"rule": {"chain": name, "comment": "x"}},
    ]});
    let observed = Observed::of(&listing);
    assert_eq!(observed.count(id(1)), Count { packets: 3, bytes: 252 });
    assert_eq!(observed.count(id(2)), Count::default());
    assert_eq!(observed.listed, [format!("{name} x")]);
}
