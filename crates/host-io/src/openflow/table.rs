//! Flow tables and their differences.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::bundle::{self, Place};
use super::encode;
use super::flow::{Action, Field, Flow};

/// What tells two flows apart.
type Key = (u8, u16, Vec<Field>);

/// The same, with the conditions as [`bundle::in_order`] gives them.
type Shown = (u8, u16, Vec<u8>);

/// Flows of one bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowTable(BTreeMap<Key, Vec<Action>>);

/// All flows of one bridge, in layers that change apart from each other: one that is the very
/// same as before costs nothing. No two layers have a flow with the same match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers<K: Ord>(pub BTreeMap<K, Arc<FlowTable>>);

/// Changes of flows, as a switch takes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    removals: Vec<Vec<u8>>,
    additions: Vec<Vec<u8>>,
}

impl FlowTable {
    /// Adds a flow. Parts of conjunctions with the same match are joined; of two other
    /// flows with the same match the first stays.
    pub fn add(&mut self, flow: Flow) {
        let Flow { table, priority, mut fields, actions } = flow;
        fields.sort_unstable();
        match self.0.entry((table, priority, fields)) {
            Entry::Vacant(vacant) => {
                vacant.insert(actions);
            }
            Entry::Occupied(mut occupied) => {
                let held = occupied.get_mut();
                for action in actions {
                    if matches!(action, Action::Conjunction(..)) && !held.contains(&action) {
                        held.push(action);
                        held.sort_unstable();
                    }
                }
            }
        }
    }

    /// How many flows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The flows of one table of the switch, the highest priority first.
    pub fn of(&self, table: u8) -> impl Iterator<Item = (u16, &[Field], &[Action])> {
        self.0
            .range((table, 0, Vec::new())..)
            .take_while(move |((at, ..), _)| *at == table)
            .map(|((_, priority, fields), actions)| (*priority, fields.as_slice(), actions.as_slice()))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
    }

    /// What leads from `before` to this.
    fn since(&self, before: &Self, cookie: u64, changes: &mut Changes) {
        for key in before.0.keys().filter(|key| !self.0.contains_key(*key)) {
            changes.remove(cookie, key);
        }
        for (key, actions) in self.0.iter().filter(|(key, actions)| before.0.get(*key) != Some(*actions)) {
            changes.add(cookie, key, actions);
        }
    }
}

impl<K: Ord> Default for Layers<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Layers<K> {
    /// What leads from `before` to this, layer by layer.
    #[must_use]
    pub fn since(&self, before: &Self, cookie: u64) -> Changes {
        let none = FlowTable::default();
        let mut changes = Changes::default();
        for was in before.0.iter().filter(|(key, _)| !self.0.contains_key(key)) {
            none.since(was.1, cookie, &mut changes);
        }
        for (key, is) in &self.0 {
            match before.0.get(key) {
                Some(was) if Arc::ptr_eq(was, is) => {}
                was => is.since(was.map_or(&none, AsRef::as_ref), cookie, &mut changes),
            }
        }
        changes
    }

    fn flows(&self) -> impl Iterator<Item = (&Key, &Vec<Action>)> {
        self.0.values().flat_map(|layer| &layer.0)
    }

    /// What a switch must be told that has other flows perhaps.
    pub(super) fn repair(&self, cookie: u64) -> Repair<'_> {
        let place = |(key, actions)| {
            let (table, priority, fields): &Key = key;
            ((*table, *priority, bundle::in_order(&encode::matched(fields))), (key, actions))
        };
        Repair { cookie, missing: self.flows().map(place).collect(), changes: Changes::default() }
    }
}

/// A comparison with what a switch holds.
pub(super) struct Repair<'a> {
    cookie: u64,
    /// Wanted flows that the switch has not shown.
    missing: HashMap<Shown, (&'a Key, &'a Vec<Action>)>,
    changes: Changes,
}

impl Repair<'_> {
    /// The switch has this flow, with our cookie.
    pub(super) fn see(&mut self, held: bundle::Entry<'_>) {
        let Place { table, priority, matched } = held.place;
        let key = (table, priority, bundle::in_order(matched));
        match self.missing.get(&key) {
            Some((_, actions)) => {
                let is_right = held.is_plain
                    && !held.is_timed
                    && held.instructions == encode::instructions(actions).as_slice();
                if is_right {
                    self.missing.remove(&key);
                }
            }
            // Learned flows end by themselves.
            None if held.is_timed => {}
            None => self.changes.removals.push(bundle::removal(self.cookie, held.place)),
        }
    }

    /// What differs.
    pub(super) fn end(mut self) -> Changes {
        let mut missing: Vec<(&Key, &Vec<Action>)> = self.missing.into_values().collect();
        missing.sort_unstable();
        for (key, actions) in missing {
            self.changes.add(self.cookie, key, actions);
        }
        self.changes
    }
}

impl Changes {
    /// How many flows change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.removals.len() + self.additions.len()
    }

    /// How many go.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.removals.len()
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In the order the switch must make them: a flow may come back in another layer.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &[u8]> {
        self.removals.iter().chain(&self.additions).map(Vec::as_slice)
    }

    fn remove(&mut self, cookie: u64, (table, priority, fields): &Key) {
        let place = Place { table: *table, priority: *priority, matched: &encode::matched(fields) };
        self.removals.push(bundle::removal(cookie, place));
    }

    fn add(&mut self, cookie: u64, (table, priority, fields): &Key, actions: &[Action]) {
        let place = Place { table: *table, priority: *priority, matched: &encode::matched(fields) };
        self.additions.push(bundle::addition(cookie, place, &encode::instructions(actions)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(fields: Vec<Field>, actions: Vec<Action>) -> Arc<FlowTable> {
        let mut table = FlowTable::default();
        table.add(Flow { table: 0, priority: 1, fields, actions });
        Arc::new(table)
    }

    fn counts(changes: &Changes) -> (usize, usize) {
        (changes.removals.len(), changes.additions.len())
    }

    #[test]
    fn layers_change_apart_from_each_other() {
        let [ports, rules] = [1, 2].map(|number| one(vec![Field::InPort(number)], vec![]));
        let before = Layers(BTreeMap::from([("ports", Arc::clone(&ports)), ("rules", rules)]));
        let other = one(vec![Field::InPort(3)], vec![]);
        let after = Layers(BTreeMap::from([("ports", ports), ("rules", other)]));
        assert_eq!(counts(&after.since(&before, 1)), (1, 1));
        assert!(after.since(&after, 1).is_empty());
        assert_eq!(counts(&Layers::default().since(&before, 1)), (2, 0));
        let changed = one(vec![Field::InPort(1)], vec![Action::Normal]);
        let changed = Layers(BTreeMap::from([("ports", changed)]));
        assert_eq!(counts(&changed.since(&before, 1)), (1, 1));
    }

    #[test]
    fn clauses_with_the_same_match_are_one_flow() {
        let mut table = FlowTable::default();
        for id in [7, 5, 7] {
            let actions = vec![Action::Conjunction(id, 1, 2)];
            table.add(Flow { table: 72, priority: 70, fields: vec![Field::InPort(1)], actions });
        }
        let both = [Action::Conjunction(5, 1, 2), Action::Conjunction(7, 1, 2)];
        assert_eq!(table.of(72).collect::<Vec<_>>(), [(70, &[Field::InPort(1)][..], &both[..])]);
    }

    #[test]
    fn only_what_differs_is_repaired_and_learned_flows_stay() {
        let fields = [Field::Register(5, 1), Field::InPort(1)];
        let layers = Layers(BTreeMap::from([((), one(fields.to_vec(), vec![Action::Output(3)]))]));
        // The switch says the same in an order of its own.
        let [forth, back] = [[fields[1], fields[0]], fields].map(|fields| encode::matched(&fields));
        let right = encode::instructions(&[Action::Output(3)]);
        let see = |matched: &[u8], instructions: &[u8], is_timed| {
            let mut repair = layers.repair(1);
            let place = Place { table: 0, priority: 1, matched };
            repair.see(bundle::Entry { place, is_timed, is_plain: true, instructions });
            counts(&repair.end())
        };
        assert_eq!([&forth, &back].map(|matched| see(matched, &right, false)), [(0, 0); 2]);
        assert_eq!(see(&forth, &[], false), (0, 1), "it does something else");
        assert_eq!(see(&forth, &right, true), (0, 1), "it would go by itself");
        let other = encode::matched(&[Field::InPort(2)]);
        assert_eq!(see(&other, &right, false), (1, 1));
        assert_eq!(see(&other, &right, true), (0, 1), "a learned one stays");
    }
}
