//! Numbers the kernel needs where we have names: profiles and conntrack zones.
//!
//! A number is made from its name by hashing, so that a restarted agent comes to
//! the same ones; two names that meet take the next free number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::Profile;

/// Conntrack zones for networks (reference/agents-and-dataplane §5.2).
pub const ZONES: RangeInclusive<u32> = 4097..=65535;

/// Numbers of profiles: 22 bits, the rest of a packet mark says what it is.
const PROFILES: RangeInclusive<u32> = 1..=0x3f_ffff;

/// Gives profiles their numbers.
#[derive(Debug, Default)]
pub struct ProfileNumbers {
    taken: BTreeSet<u32>,
}

impl ProfileNumbers {
    /// One number for each profile.
    pub fn assign(&mut self, profiles: BTreeSet<Profile>) -> BTreeMap<Profile, u32> {
        profiles
            .into_iter()
            .filter_map(|profile| {
                let mut text = if profile.stateful { "stateful".to_owned() } else { "stateless".to_owned() };
                for group in &profile.groups {
                    text.push_str(&group.to_string());
                }
                let number = free(&text, &PROFILES, &mut self.taken)?;
                Some((profile, number))
            })
            .collect()
    }
}

/// A zone for each bridge; those in `kept` stay as they are.
pub(super) fn zones(bridges: BTreeSet<String>, kept: &BTreeMap<String, u16>) -> BTreeMap<String, u16> {
    let mut result = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for bridge in &bridges {
        if let Some(&zone) = kept.get(bridge)
            && ZONES.contains(&u32::from(zone))
            && taken.insert(u32::from(zone))
        {
            result.insert(bridge.clone(), zone);
        }
    }
    for bridge in bridges {
        if !result.contains_key(&bridge)
            && let Some(zone) = free(&bridge, &ZONES, &mut taken).and_then(|zone| u16::try_from(zone).ok())
        {
            result.insert(bridge, zone);
        }
    }
    result
}

/// The number `text` hashes to, or the next one not taken; `None` when all are.
pub fn free(text: &str, range: &RangeInclusive<u32>, taken: &mut BTreeSet<u32>) -> Option<u32> {
    let size = u64::from(range.end() - range.start()) + 1;
    let start = hash(text);
    (0..size)
        .filter_map(|step| u32::try_from((start.wrapping_add(step)) % size).ok())
        .map(|offset| range.start() + offset)
        .find(|number| taken.insert(*number))
}

/// FNV-1a: the same on every machine and in every release.
#[must_use]
pub fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_distinct_and_kept() {
        let bridges: BTreeSet<String> = (0..500).map(|i| format!("brq{i}")).collect();
        let first = zones(bridges.clone(), &BTreeMap::new());
        let distinct: BTreeSet<u16> = first.values().copied().collect();
        assert_eq!(distinct.len(), 500);
        assert!(distinct.iter().all(|zone| ZONES.contains(&u32::from(*zone))));
        let mut more = bridges;
        more.insert("brq-new".to_owned());
        let second = zones(more, &first);
        assert!(first.iter().all(|(bridge, zone)| second[bridge] == *zone));
    }

    #[test]
    fn a_taken_number_gives_the_next() {
        let mut taken = BTreeSet::new();
        let first = free("a", &(1..=3), &mut taken);
        let second = free("a", &(1..=3), &mut taken);
        assert_ne!(first, second);
        free("a", &(1..=3), &mut taken);
        assert_eq!(free("a", &(1..=3), &mut taken), None);
    }
}
