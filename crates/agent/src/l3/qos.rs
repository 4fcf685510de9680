//! What policies ask for floating IPs and for a gateway's own address, as one nftables
//! table. Pure.
//!
//! Only what passes the gateway's device counts: inwards as it arrives, before it is
//! translated; outwards as it leaves, after it was. So each address has its own limits,
//! whoever is behind it, and traffic between inner networks has none. IPv6 is not
//! translated and has no address of the gateway's to be limited by.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use isospin_feed::facts::{Direction, Qos};

use super::owned::QOS_TABLE;
use super::table::{Chain, Whole};
use crate::limits;

/// Outer addresses with what is asked for them.
pub(super) type Asked = BTreeMap<Ipv4Addr, Qos>;

/// Chain, hook, device and address matched, and direction of what passes. Before
/// connections are looked up, and after sources are translated.
const WAYS: [(&str, &str, &str, &str, Direction); 2] = [
    ("inwards", "filter hook prerouting priority -300", "iifname", "ip daddr", Direction::Ingress),
    ("outwards", "filter hook postrouting priority 110", "oifname", "ip saddr", Direction::Egress),
];

/// The table for what passes `device`, if anything is asked.
pub(super) fn table(device: &str, asked: &Asked) -> Option<Whole> {
    let mut chains = Vec::new();
    for (name, hook, matched_device, matched_address, direction) in WAYS {
        let mut entries = Vec::new();
        for (address, qos) in asked {
            let rules = rules(qos, direction);
            if !rules.is_empty() {
                let chain = format!("{name}_{address}");
                entries.push(format!("{address} : goto {chain}"));
                chains.push(Chain { name: chain, hook: None, rules });
            }
        }
        if !entries.is_empty() {
            let entries = entries.join(", ");
            let rule = format!("{matched_device} \"{device}\" {matched_address} vmap {{ {entries} }}");
            chains.push(Chain { name: name.to_owned(), hook: Some(hook), rules: vec![rule] });
        }
    }
    (!chains.is_empty()).then_some(Whole { family: "ip", name: QOS_TABLE, chains })
}

fn rules(qos: &Qos, direction: Direction) -> Vec<String> {
    let mut rules = limits::rules(qos, direction);
    if let (Direction::Egress, Some(mark)) = (direction, qos.dscp) {
        rules.push(format!("ip dscp set {mark:#x}"));
    }
    rules
}
