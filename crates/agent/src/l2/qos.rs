//! Limits and marks of single ports, in a table of their own at the taps. Pure.
//!
//! ```text
//! bridge prerouting   after the sender checks: limits of what the port sends, then its mark
//! bridge postrouting  after the receiver checks: limits of what the port receives
//! ```
//!
//! Limits are kept by dropping what is above them, in both directions. What the
//! kernel calls a burst comes on top of one second's worth, so a port that was quiet
//! may send that much at once.

use isospin_feed::facts::{Direction, Facts, Port, Qos, Rate};

use crate::firewall::nftables::base::LAYOUT;
use crate::firewall::nftables::{Part, Table};

/// Bytes a limit must let through at once: the largest packet a guest hands over for
/// somebody else to cut, with its headers. A limit below would stop it for good.
const WHOLE_PACKET: u64 = 65_550;
/// What the kernel can count: bytes per second (100 Gbit/s), packets per second, and
/// either at once. Faster limits are this.
const MOST_BYTES: u64 = 12_500_000_000;
const MOST_PACKETS: u64 = 1_000_000_000;
const MOST_AT_ONCE: u64 = u32::MAX as u64;
/// Of what a second lets pass, when a limit does not say how much at once: per cent.
const DEFAULT_BURST: u64 = 80;

/// The table for the ports of this host; `None` when no port wants anything.
#[must_use]
pub fn table(facts: &Facts, host: &str) -> Option<Table> {
    let wanting = |port: &&Port| port.host == host && port.admin_state_up && port.qos != Qos::default();
    let mut ports = facts.ports.values().map(AsRef::as_ref).filter(wanting).peekable();
    ports.peek()?;
    let mut table = Table::default();
    table.chain(LAYOUT, None, [""; 0]);
    for (map, hook, rule) in [
        ("from", "type filter hook prerouting priority -190;", "iifname vmap @from"),
        ("to", "type filter hook postrouting priority 10;", "oifname vmap @to"),
    ] {
        table.declare(map, "map", "type ifname : verdict;");
        table.chain(if map == "from" { "prerouting" } else { "postrouting" }, Some(hook), [rule]);
    }
    for port in ports {
        for (map, direction) in [("from", Direction::Egress), ("to", Direction::Ingress)] {
            let rules = rules(&port.qos, direction);
            if !rules.is_empty() {
                let (device, chain) = (port.tap_name(), format!("{map}_{}", port.id));
                table.put(map, vec![Part::Device(device)], Some(Part::Goto(chain.clone())));
                table.chain(chain, None, rules);
            }
        }
    }
    Some(table)
}

fn rules(qos: &Qos, direction: Direction) -> Vec<String> {
    let mut rules = Vec::new();
    let limited = |rates: &std::collections::BTreeMap<Direction, Rate>| {
        // A rate of nothing is no limit, as with other drivers.
        rates.get(&direction).copied().filter(|rate| rate.rate > 0)
    };
    if let Some(limit) = limited(&qos.packets) {
        let rate = (u64::from(limit.rate) * 1000).min(MOST_PACKETS);
        let burst = at_once(limit, 1000, rate, 1);
        rules.push(format!("limit rate over {rate}/second burst {burst} packets drop"));
    }
    if let Some(limit) = limited(&qos.bandwidth) {
        // Kilobits: 125 bytes each.
        let rate = (u64::from(limit.rate) * 125).min(MOST_BYTES);
        let burst = at_once(limit, 125, rate, WHOLE_PACKET);
        rules.push(format!("limit rate over {rate} bytes/second burst {burst} bytes drop"));
    }
    if let (Direction::Egress, Some(mark)) = (direction, qos.dscp) {
        rules.push(format!("ether type ip ip dscp set {mark:#x}"));
        rules.push(format!("ether type ip6 ip6 dscp set {mark:#x}"));
    }
    rules
}

/// How much may pass at once beside a second's worth.
fn at_once(limit: Rate, unit: u64, rate: u64, least: u64) -> u64 {
    let given = limit.burst.map(|burst| u64::from(burst) * unit);
    given.unwrap_or(rate * DEFAULT_BURST / 100).clamp(least, MOST_AT_ONCE)
}
