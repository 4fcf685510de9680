//! Limits: what is above them is dropped. As values, and as nftables rules. Pure.
//!
//! What nftables calls a burst comes on top of one second's worth, so who was quiet
//! may send that much at once; that of a meter of Open vSwitch is all.

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

/// So much a second, and how much of it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub rate: u64,
    pub burst: u64,
}

/// The limit of packets in one direction, if there is one.
#[must_use]
pub fn packets(qos: &Qos, direction: Direction) -> Option<Limit> {
    limited(&qos.packets, direction, 1000, (MOST_PACKETS, 1))
}

/// The limit of bytes in one direction, if there is one.
#[must_use]
pub fn bytes(qos: &Qos, direction: Direction) -> Option<Limit> {
    // Kilobits: 125 bytes each.
    limited(&qos.bandwidth, direction, 125, (MOST_BYTES, WHOLE_PACKET))
}

/// The rules that keep the limits of one direction.
#[must_use]
pub fn rules(qos: &Qos, direction: Direction) -> Vec<String> {
    let packets = packets(qos, direction)
        .map(|Limit { rate, burst }| format!("limit rate over {rate}/second burst {burst} packets drop"));
    let bytes = bytes(qos, direction)
        .map(|Limit { rate, burst }| format!("limit rate over {rate} bytes/second burst {burst} bytes drop"));
    packets.into_iter().chain(bytes).collect()
}

fn limited(
    rates: &BTreeMap<Direction, Rate>,
    direction: Direction,
    unit: u64,
    (most, least_at_once): (u64, u64),
) -> Option<Limit> {
    // A rate of nothing is no limit, as with other drivers.
    let given = rates.get(&direction).filter(|given| given.rate > 0)?;
    let rate = (u64::from(given.rate) * unit).min(most);
    let burst = given.burst.map(|burst| u64::from(burst) * unit);
    let burst = burst.unwrap_or(rate * DEFAULT_BURST / 100).clamp(least_at_once, MOST_AT_ONCE);
    Some(Limit { rate, burst })
}
