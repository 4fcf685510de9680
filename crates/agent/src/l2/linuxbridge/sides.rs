//! Where the barrier beside nftables stands on a host with kernel bridges. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Intent, Observed, owned};
use crate::firewall::policy::Policy;
use crate::l2::barrier::Side;

/// The side of each device that is on a bridge of ours or will be.
#[must_use]
pub fn of(intent: &Intent, policy: &Policy, observed: &Observed) -> BTreeMap<String, Side> {
    let links = || observed.links.values();
    let bridges: BTreeMap<u32, &String> = links()
        .filter(|link| {
            intent.bridges.contains_key(&link.name) || (owned::is_ours(link) && link.kind == "bridge")
        })
        .map(|link| (link.index, &link.name))
        .collect();
    let names: BTreeSet<&String> = bridges.values().copied().collect();
    let side = |link: &isospin_host_io::Link| {
        let is_in_ours = link.master.is_some_and(|master| bridges.contains_key(&master));
        if policy.ports.contains_key(&link.name) {
            // Before it is in its bridge, too.
            Some(Side::Filtered)
        } else if policy.open.contains(&link.name) {
            Some(Side::Beside)
        } else if names.contains(&link.name) {
            Some(Side::Host)
        } else if !is_in_ours {
            None
        } else if link.name.starts_with("tap") && !policy.foreign.contains(&link.name) {
            // Of nobody we know: the firewall lets nothing pass there.
            Some(Side::Filtered)
        } else {
            Some(Side::Beside)
        }
    };
    links().filter_map(|link| Some((link.name.clone(), side(link)?))).collect()
}
