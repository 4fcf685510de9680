//! Limits and marks of single ports, in a table of their own at the taps. Pure.
//!
//! ```text
//! bridge prerouting   after the sender checks: limits of what the port sends, then its mark
//! bridge postrouting  after the receiver checks: limits of what the port receives
//! ```
//!
//! Limits are kept by dropping what is above them, in both directions.

use isospin_feed::facts::{Direction, Facts, Port, Qos};

use crate::firewall::nftables::base::LAYOUT;
use crate::firewall::nftables::{Part, Table};
use crate::limits;

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
    let mut rules = limits::rules(qos, direction);
    if let (Direction::Egress, Some(mark)) = (direction, qos.dscp) {
        rules.push(format!("ether type ip ip dscp set {mark:#x}"));
        rules.push(format!("ether type ip6 ip6 dscp set {mark:#x}"));
    }
    rules
}
