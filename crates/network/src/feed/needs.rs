//! Counting what a host needs, and noticing when the last need goes or a first comes.

use std::collections::{BTreeMap, BTreeSet};

/// How often each name is needed.
#[derive(Debug, Default)]
pub(super) struct Counts {
    counts: BTreeMap<String, usize>,
    /// Names that were needed and are not, or the other way round, since the last look.
    altered: BTreeSet<String>,
}

impl Counts {
    /// Whether the name is needed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.counts.contains_key(name)
    }

    /// The names needed.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.counts.keys()
    }

    pub(super) fn add_one(&mut self, name: &str) {
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
        } else {
            self.counts.insert(name.to_owned(), 1);
            self.alter(name);
        }
    }

    pub(super) fn drop_one(&mut self, name: &str) {
        let Some(count) = self.counts.get_mut(name) else { return };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(name);
            self.alter(name);
        }
    }

    /// What goes and comes back in one batch has not changed.
    fn alter(&mut self, name: &str) {
        if !self.altered.remove(name) {
            self.altered.insert(name.to_owned());
        }
    }

    /// Whether the set of names is another than at the last call.
    pub(super) fn changed(&mut self) -> bool {
        !std::mem::take(&mut self.altered).is_empty()
    }
}

/// Tunnel addresses at which a network is present, with the ports behind each.
#[derive(Debug, Default)]
pub(super) struct Peers {
    networks: BTreeMap<String, Counts>,
    touched: BTreeSet<String>,
}

impl Peers {
    /// One more port behind the address; "" is none.
    pub(super) fn add_one(&mut self, network: &str, address: &str) {
        if !address.is_empty() {
            self.networks.entry(network.to_owned()).or_default().add_one(address);
            self.touched.insert(network.to_owned());
        }
    }

    /// One port less behind the address.
    pub(super) fn drop_one(&mut self, network: &str, address: &str) {
        let Some(counts) = self.networks.get_mut(network) else { return };
        counts.drop_one(address);
        self.touched.insert(network.to_owned());
    }

    /// The addresses of a network, sorted.
    pub(super) fn of(&self, network: &str) -> Vec<String> {
        self.networks.get(network).map(|counts| counts.keys().cloned().collect()).unwrap_or_default()
    }

    /// Networks with other addresses than at the last call.
    pub(super) fn changed(&mut self) -> BTreeSet<String> {
        let mut changed = std::mem::take(&mut self.touched);
        changed.retain(|network| self.networks.get_mut(network).is_some_and(Counts::changed));
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_first_and_last_needs_count_as_changes() {
        let mut counts = Counts::default();
        counts.add_one("a");
        assert!(counts.changed());
        counts.add_one("a");
        counts.drop_one("a");
        assert!(!counts.changed());
        counts.drop_one("a");
        counts.add_one("a");
        assert!(!counts.changed(), "gone and back");
        counts.drop_one("a");
        assert!(counts.changed());
        assert!(!counts.has("a"));
    }

    #[test]
    fn two_needs_that_go_together_are_a_change() {
        let mut counts = Counts::default();
        counts.add_one("a");
        counts.add_one("a");
        counts.changed();
        counts.drop_one("a");
        counts.drop_one("a");
        assert!(counts.changed());
    }

    #[test]
    fn peers_change_with_the_first_and_the_last_port_behind_them() {
        let mut peers = Peers::default();
        peers.add_one("net", "192.0.2.2");
        peers.add_one("net", "192.0.2.1");
        peers.add_one("other", "");
        assert_eq!(peers.changed(), ["net".to_owned()].into());
        assert_eq!(peers.of("net"), ["192.0.2.1", "192.0.2.2"]);
        peers.add_one("net", "192.0.2.2");
        peers.drop_one("net", "192.0.2.2");
        assert_eq!(peers.changed(), BTreeSet::new());
        peers.drop_one("net", "192.0.2.2");
        assert_eq!(peers.changed(), ["net".to_owned()].into());
        assert_eq!(peers.of("net"), ["192.0.2.1"]);
    }
}
