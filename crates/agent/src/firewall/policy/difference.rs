//! What changed between two policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isospin_feed::facts::Direction;
use isospin_types::SecurityGroupId;

use super::{Group, Members, Policy};

impl Policy {
    /// Both policies without what they have in common: `before`'s rest, then this
    /// one's. Rendered and compared they give the same steps as the whole ones,
    /// for the price of what differs. Bridges stay: ports are rendered by them.
    #[must_use]
    pub fn difference(&self, before: &Self) -> (Self, Self) {
        (before.without(self), self.without(before))
    }

    fn without(&self, other: &Self) -> Self {
        Self {
            ports: entries(&self.ports, &other.ports),
            open: self.open.difference(&other.open).cloned().collect(),
            foreign: self.foreign.difference(&other.foreign).cloned().collect(),
            bridges: self.bridges.clone(),
            profiles: entries(&self.profiles, &other.profiles),
            groups: entries(&self.groups, &other.groups),
            members: self
                .members
                .iter()
                .filter_map(|(group, members)| match other.members.get(group) {
                    None => Some((*group, Arc::clone(members))),
                    Some(theirs) if theirs == members => None,
                    Some(theirs) => Some((*group, Arc::new(members.without(theirs)))),
                })
                .collect(),
            refused: BTreeMap::new(),
        }
    }

    /// Devices of the ports that may have lost something they were allowed
    /// before, hence whose running connections need a look. A port that is new
    /// here has none.
    #[must_use]
    pub fn narrowed_since(&self, before: &Self) -> BTreeSet<String> {
        let narrowed: BTreeSet<(SecurityGroupId, Direction)> = before
            .groups
            .iter()
            .filter(|(key, old)| self.groups.get(key).is_none_or(|new| !self.group_covers(new, old, before)))
            .map(|(key, _)| *key)
            .collect();
        let lost = |groups: &BTreeSet<SecurityGroupId>| {
            groups.iter().any(|group| {
                [Direction::Ingress, Direction::Egress]
                    .into_iter()
                    .any(|direction| narrowed.contains(&(*group, direction)))
            })
        };
        self.ports
            .iter()
            .filter(|(device, port)| {
                let now = self.profiles.get(&port.profile);
                let was = before.ports.get(*device).and_then(|old| before.profiles.get(&old.profile));
                match (was, now) {
                    (Some(was), Some(now)) => {
                        !was.groups.is_subset(&now.groups)
                            || (was.stateful && !now.stateful)
                            || lost(&was.groups)
                    }
                    // It was open before: the rules are new to it.
                    (None, _) => before.open.contains(*device),
                    (Some(_), None) => true,
                }
            })
            .map(|(device, _)| device.clone())
            .collect()
    }

    fn group_covers(&self, new: &Arc<Group>, old: &Arc<Group>, before: &Self) -> bool {
        let none = Arc::default();
        // Both were folded once: most groups are the very same.
        let same = Arc::ptr_eq(old, new);
        let is_within = |now: &Arc<Members>, was: &Arc<Members>| Arc::ptr_eq(was, now) || was.is_within(now);
        (same || old.v4.is_within(&new.v4) && old.v6.is_within(&new.v6))
            && old.remotes.iter().all(|(remote, shapes)| {
                let now = self.members.get(remote).unwrap_or(&none);
                let was = before.members.get(remote).unwrap_or(&none);
                let theirs = new.remotes.get(remote);
                is_within(now, was)
                    && (same
                        || theirs.is_some_and(|theirs| {
                            shapes.iter().zip(theirs).all(|(old, new)| old.is_within(new))
                        }))
            })
    }
}

impl Members {
    fn without(&self, other: &Self) -> Self {
        Self {
            single: self.single.difference(&other.single).copied().collect(),
            spans: self.spans.difference(&other.spans).copied().collect(),
        }
    }
}

/// The entries `other` lacks or has otherwise.
fn entries<K: Ord + Clone, V: PartialEq + Clone>(
    of: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
) -> BTreeMap<K, V> {
    of.iter()
        .filter(|(key, value)| other.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
