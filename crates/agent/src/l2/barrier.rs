//! A second barrier at the devices of this host, which is not in nftables: who empties
//! the rules (`nft flush ruleset`, a restarted nftables service) opens nothing.
//!
//! ```text
//! in by a filtered tap       every frame gets the mark UNJUDGED, which only the firewall takes away
//! out by a filtered tap      only what the firewall marked INGRESS_OK
//! out by any other device of
//! a bridge, or to its host   all but what is UNJUDGED
//! in by a tap of a switch    nothing: the switch has heard it before the host's own IP would
//! in userspace
//! ```
//!
//! Where a device has filters of somebody else (`clsact` or `ingress`), they stay, and
//! nftables is all there is at that device; the log says so.

use std::collections::{BTreeMap, BTreeSet};

use isospin_host_io::{DeviceFilters, HostError, Link, Links, PacketRule};

use crate::firewall::nftables::base::{INGRESS_OK, UNJUDGED};

/// Numbers of our blocks of filters in a namespace.
const FROM_FILTERED: u32 = 0x1505_0001;
const TO_FILTERED: u32 = 0x1505_0002;
const BESIDE: u32 = 0x1505_0003;
const DEAF: u32 = 0x1505_0004;

/// What each block does.
const RULES: [(u32, PacketRule); 4] = [
    (FROM_FILTERED, PacketRule::Mark(UNJUDGED)),
    (TO_FILTERED, PacketRule::Only(INGRESS_OK)),
    (BESIDE, PacketRule::Except(UNJUDGED)),
    (DEAF, PacketRule::Nothing),
];

/// What the barrier is at a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A tap whose frames are judged.
    Filtered,
    /// Another device of a bridge with such taps.
    Beside,
    /// The bridge itself: what comes in by it is for the host.
    Host,
    /// A device whose frames a switch in userspace takes.
    Switched,
}

impl Side {
    const fn filters(self) -> DeviceFilters {
        let (ingress, egress) = match self {
            Self::Filtered => (Some(FROM_FILTERED), Some(TO_FILTERED)),
            Self::Beside => (None, Some(BESIDE)),
            Self::Host => (Some(BESIDE), None),
            Self::Switched => (Some(DEAF), None),
        };
        DeviceFilters { ingress, egress }
    }
}

fn is_ours(filters: &DeviceFilters) -> bool {
    let ours = |block: &u32| RULES.iter().any(|(number, _)| number == block);
    filters.ingress.iter().chain(&filters.egress).any(ours)
}

/// What of it is on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Barrier {
    /// By device name; filters of others too.
    devices: BTreeMap<String, DeviceFilters>,
    /// Blocks that do what they should.
    right: BTreeSet<u32>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Lower { device: String },
    Raise { device: String, filters: DeviceFilters },
    SetRule { block: u32, rule: PacketRule },
}

/// What came of a pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    pub changes: u64,
    /// Something could not be done: try again.
    pub retry: bool,
}

impl Barrier {
    /// Looks at all devices.
    ///
    /// # Errors
    /// When netlink refuses.
    pub async fn read(links: &Links, present: &BTreeMap<String, Link>) -> Result<Self, HostError> {
        let mut found = links.filters().await?;
        let devices =
            present.values().filter_map(|link| Some((link.name.clone(), found.remove(&link.index)?)));
        let mut barrier = Self { devices: devices.collect(), right: BTreeSet::new() };
        barrier.read_rules(links).await?;
        Ok(barrier)
    }

    /// Looks at one device again; `None` when it has gone.
    ///
    /// # Errors
    /// When netlink refuses.
    pub async fn read_device(
        &mut self,
        links: &Links,
        name: &str,
        link: Option<&Link>,
    ) -> Result<(), HostError> {
        let filters = match link {
            Some(link) => links.filters_of(link.index).await?,
            None => None,
        };
        match filters {
            Some(filters) => self.devices.insert(name.to_owned(), filters),
            None => self.devices.remove(name),
        };
        Ok(())
    }

    /// Looks at the blocks again: they go with their last device.
    ///
    /// # Errors
    /// When netlink refuses.
    pub async fn read_rules(&mut self, links: &Links) -> Result<(), HostError> {
        self.right.clear();
        for (block, rule) in RULES {
            if links.has_rule(block, rule).await? {
                self.right.insert(block);
            }
        }
        Ok(())
    }

    /// Makes the host have this barrier.
    pub async fn keep(
        &mut self,
        links: &Links,
        present: &BTreeMap<String, Link>,
        wanted: &BTreeMap<String, Side>,
        may_sweep: bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for step in self.plan(present, wanted, may_sweep) {
            match self.one(links, present, &step).await {
                Ok(()) => {
                    tracing::debug!(?step, "barrier");
                    outcome.changes += 1;
                }
                // The device went away meanwhile, and with the last one its block.
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    tracing::warn!(?step, error = %error.reason(),
                        "cannot put up the barrier beside nftables");
                    outcome.retry = true;
                }
            }
        }
        outcome
    }

    /// The steps: what is wrong goes, then devices, then what their blocks do. Pure.
    fn plan(
        &self,
        present: &BTreeMap<String, Link>,
        wanted: &BTreeMap<String, Side>,
        may_sweep: bool,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut blocks = BTreeSet::new();
        for (device, held) in self.devices.iter().filter(|(_, held)| is_ours(held)) {
            if may_sweep && present.contains_key(device) && !wanted.contains_key(device) {
                steps.push(Step::Lower { device: device.clone() });
            }
            blocks.extend(held.ingress.iter().chain(&held.egress).copied());
        }
        for (device, side) in wanted.iter().filter(|(device, _)| present.contains_key(*device)) {
            let filters = side.filters();
            match self.devices.get(device) {
                Some(held) if *held == filters => continue,
                Some(held) if is_ours(held) => steps.push(Step::Lower { device: device.clone() }),
                Some(_) => continue,
                None => {}
            }
            steps.push(Step::Raise { device: device.clone(), filters });
            blocks.extend(filters.ingress.iter().chain(&filters.egress));
        }
        let rules =
            RULES.into_iter().filter(|(block, _)| blocks.contains(block) && !self.right.contains(block));
        steps.extend(rules.map(|(block, rule)| Step::SetRule { block, rule }));
        steps
    }

    async fn one(
        &mut self,
        links: &Links,
        present: &BTreeMap<String, Link>,
        step: &Step,
    ) -> Result<(), HostError> {
        let index = |device: &String| present.get(device).map(|link| link.index).unwrap_or_default();
        match step {
            Step::Lower { device } => {
                links.delete_filters(index(device)).await?;
                self.devices.remove(device);
            }
            Step::Raise { device, filters } => {
                links.add_filters(index(device), *filters).await?;
                self.devices.insert(device.clone(), *filters);
            }
            Step::SetRule { block, rule } => {
                links.set_rule(*block, *rule).await?;
                self.right.insert(*block);
            }
        }
        Ok(())
    }

    /// Wanted devices that have filters of somebody else.
    pub fn taken<'a>(&'a self, wanted: &'a BTreeMap<String, Side>) -> impl Iterator<Item = &'a str> {
        let taken = |device: &&String| self.devices.get(*device).is_some_and(|held| !is_ours(held));
        wanted.keys().filter(taken).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(names: &[&str]) -> BTreeMap<String, Link> {
        let link = |(index, name): (u32, &&str)| Link {
            index,
            name: (*name).to_owned(),
            kind: String::new(),
            mac: None,
            mtu: 1500,
            up: true,
            carrier: true,
            master: None,
            forwards: None,
            alias: None,
            vni: None,
            group: None,
            answers: false,
        };
        (1..).zip(names).map(link).map(|link| (link.name.clone(), link)).collect()
    }

    fn wanted(sides: &[(&str, Side)]) -> BTreeMap<String, Side> {
        sides.iter().map(|(name, side)| ((*name).to_owned(), *side)).collect()
    }

    fn held(devices: &[(&str, DeviceFilters)], right: &[u32]) -> Barrier {
        let devices = devices.iter().map(|(name, filters)| ((*name).to_owned(), *filters));
        Barrier { devices: devices.collect(), right: right.iter().copied().collect() }
    }

    fn raise(device: &str, side: Side) -> Step {
        Step::Raise { device: device.to_owned(), filters: side.filters() }
    }

    fn lower(device: &str) -> Step {
        Step::Lower { device: device.to_owned() }
    }

    #[test]
    fn a_first_device_brings_the_rules_of_its_blocks_and_a_second_does_not() {
        let devices = present(&["tapa", "tapb"]);
        let both = wanted(&[("tapa", Side::Filtered), ("tapb", Side::Filtered), ("absent", Side::Host)]);
        let rule = |index: usize| Step::SetRule { block: RULES[index].0, rule: RULES[index].1 };
        let steps = held(&[], &[]).plan(&devices, &both, true);
        assert_eq!(steps, [raise("tapa", Side::Filtered), raise("tapb", Side::Filtered), rule(0), rule(1)]);
        let first = held(&[("tapa", Side::Filtered.filters())], &[FROM_FILTERED, TO_FILTERED]);
        assert_eq!(first.plan(&devices, &both, true), [raise("tapb", Side::Filtered)]);
        let emptied = held(&[("tapa", Side::Filtered.filters())], &[TO_FILTERED]);
        let one = wanted(&[("tapa", Side::Filtered)]);
        assert_eq!(emptied.plan(&devices, &one, true), [rule(0)]);
    }

    #[test]
    fn what_is_wrong_is_replaced_what_is_left_over_goes_and_others_keep_theirs() {
        let devices = present(&["tapa", "tapb", "eth1"]);
        let theirs = DeviceFilters { ingress: Some(7), egress: None };
        let host = held(
            &[
                ("tapa", Side::Filtered.filters()),
                ("tapb", Side::Filtered.filters()),
                ("eth1", theirs),
                ("tapgone", Side::Filtered.filters()),
            ],
            &[FROM_FILTERED, TO_FILTERED, BESIDE],
        );
        let sides = wanted(&[("tapa", Side::Beside), ("eth1", Side::Beside)]);
        assert_eq!(
            host.plan(&devices, &sides, true),
            [lower("tapb"), lower("tapa"), raise("tapa", Side::Beside)]
        );
        assert_eq!(host.plan(&devices, &sides, false), [lower("tapa"), raise("tapa", Side::Beside)]);
        assert_eq!(host.taken(&sides).collect::<Vec<_>>(), ["eth1"]);
    }
}
