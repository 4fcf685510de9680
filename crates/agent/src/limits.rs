//! Limits as nftables rules: what is above them is dropped. Pure.
//!
//! What the kernel calls a burst comes on top of one second's worth, so who was quiet
//! may send that much at once.

use std::collections::BTreeMap;

use isospin_feed::facts::{Direction, Qos, Rate};

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

/// The rules that keep the limits of one direction.
#[must_use]
pub fn rules(qos: &Qos, direction: Direction) -> Vec<String> {
    let mut rules = Vec::new();
    let limited = |rates: &BTreeMap<Direction, Rate>| {
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
    rules
}

/// How much may pass at once beside a second's worth.
fn at_once(limit: Rate, unit: u64, rate: u64, least: u64) -> u64 {
    let given = limit.burst.map(|burst| u64::from(burst) * unit);
    given.unwrap_or(rate * DEFAULT_BURST / 100).clamp(least, MOST_AT_ONCE)
}
