//! Flow tables and their differences.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::sync::Arc;

use super::flow::{Action, Field, Flow, list};

/// What tells two flows apart.
type Key = (u8, u16, Vec<Field>);

/// Flows of one bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowTable(BTreeMap<Key, Vec<Action>>);

/// All flows of one bridge, in layers that change apart from each other: one that is the very
/// same as before costs nothing. No two layers have a flow with the same match.
#[derive(Debug, Clone, Default)]
pub struct Layers(pub Vec<Arc<FlowTable>>);

/// What must change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    add: Vec<(Key, Vec<Action>)>,
    remove: Vec<Key>,
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
    fn since(&self, before: &Self, difference: &mut Difference) {
        let changed = |(key, actions): &(&Key, &Vec<Action>)| before.0.get(*key) != Some(*actions);
        let add = self.0.iter().filter(changed).map(|(key, actions)| (key.clone(), actions.clone()));
        difference.add.extend(add);
        difference.remove.extend(before.0.keys().filter(|key| !self.0.contains_key(*key)).cloned());
    }

    /// As a file of `ovs-ofctl`.
    #[must_use]
    pub fn text(&self, cookie: u64) -> String {
        let mut text = String::new();
        for (key, actions) in &self.0 {
            line(&mut text, cookie, key, Some(actions));
        }
        text
    }
}

impl From<FlowTable> for Layers {
    fn from(table: FlowTable) -> Self {
        Self(vec![Arc::new(table)])
    }
}

impl Layers {
    /// What leads from `before` to this, layer by layer.
    #[must_use]
    pub fn since(&self, before: &Self) -> Difference {
        let none = Arc::default();
        let mut difference = Difference::default();
        for index in 0..self.0.len().max(before.0.len()) {
            let [was, is] = [before, self].map(|layers| layers.0.get(index).unwrap_or(&none));
            if !Arc::ptr_eq(was, is) {
                is.since(was, &mut difference);
            }
        }
        difference
    }

    /// As a file of `ovs-ofctl`.
    #[must_use]
    pub fn text(&self, cookie: u64) -> String {
        self.0.iter().map(|layer| layer.text(cookie)).collect()
    }
}

impl Difference {
    /// How many flows change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.add.len() + self.remove.len()
    }

    /// How many go.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.remove.len()
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// As a bundle for `ovs-ofctl`.
    pub(super) fn bundle(&self, cookie: u64) -> String {
        let mut text = String::new();
        for key in &self.remove {
            text.push_str("delete_strict ");
            line(&mut text, cookie, key, None);
        }
        for (key, actions) in &self.add {
            text.push_str("add ");
            line(&mut text, cookie, key, Some(actions));
        }
        text
    }
}

fn line(text: &mut String, cookie: u64, (table, priority, fields): &Key, actions: Option<&[Action]>) {
    // Writing to a string cannot fail. Deletion asks for the cookie, addition gives it.
    let mask = if actions.is_some() { "" } else { "/-1" };
    let _ = write!(text, "cookie={cookie:#x}{mask},table={table},priority={priority}");
    if !fields.is_empty() {
        text.push(',');
        let _ = list(text, fields);
    }
    match actions {
        Some([]) => text.push_str(",actions=drop"),
        Some(actions) => {
            text.push_str(",actions=");
            let _ = list(text, actions);
        }
        None => {}
    }
    text.push('\n');
}

/// A bundle that mends a switch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repair {
    pub(super) bundle: String,
    /// Flows it removes.
    pub removed: usize,
    /// Flows it removes and adds.
    pub changes: usize,
}

/// Turns what `ovs-ofctl diff-flows SWITCH FILE` prints into a bundle: lines with `-`
/// are on the switch only, lines with `+` in the file only.
pub(super) fn repair(lines: &str, cookie: u64) -> Repair {
    let mut repair = Repair::default();
    let ours = format!("cookie={cookie:#x}");
    for line in lines.lines() {
        let (sign, flow) = line.split_at_checked(1).unwrap_or_default();
        let (matched, _) = flow.split_once(" actions=").unwrap_or((flow, ""));
        let flow = flow.trim();
        let is_ours = flow.split([',', ' ']).any(|part| part == ours);
        match sign {
            // Learned flows end by themselves.
            "-" if is_ours && !matched.contains("hard_timeout=") => {
                let matched = matched.trim().replacen(&ours, &format!("{ours}/-1"), 1);
                // Without a table every one is meant.
                let table = if matched.starts_with("table=") { "" } else { "table=0," };
                let _ = writeln!(repair.bundle, "delete_strict {table}{}", matched.replace(' ', ","));
                repair.removed += 1;
            }
            "+" => {
                let _ = writeln!(repair.bundle, "add {}", flow.replacen(" actions=", ",actions=", 1));
            }
            _ => {}
        }
    }
    repair.changes = repair.bundle.lines().count();
    repair
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(table: u8, priority: u16, fields: Vec<Field>, actions: Vec<Action>) -> Flow {
        Flow { table, priority, fields, actions }
    }

    #[test]
    fn a_difference_removes_and_adds() {
        let (mut before, mut after) = (FlowTable::default(), FlowTable::default());
        before.add(flow(0, 1, vec![Field::InPort(1)], vec![]));
        before.add(flow(0, 2, vec![Field::InPort(2)], vec![Action::Output(3)]));
        after.add(flow(0, 2, vec![Field::InPort(2)], vec![Action::Output(4)]));
        let (before, after) = (Layers::from(before), Layers::from(after));
        let difference = after.since(&before);
        assert_eq!(
            difference.bundle(0xab),
            "delete_strict cookie=0xab/-1,table=0,priority=1,in_port=1\n\
             add cookie=0xab,table=0,priority=2,in_port=2,actions=output:4\n"
        );
        assert!(after.since(&after).is_empty());
    }

    #[test]
    fn layers_change_apart_from_each_other() {
        let one = |number| {
            let mut table = FlowTable::default();
            table.add(flow(0, 1, vec![Field::InPort(number)], vec![]));
            Arc::new(table)
        };
        let (ports, rules) = (one(1), one(2));
        let before = Layers(vec![Arc::clone(&ports), rules]);
        assert_eq!(
            Layers(vec![ports, one(3)]).since(&before).bundle(0xab),
            "delete_strict cookie=0xab/-1,table=0,priority=1,in_port=2\n\
             add cookie=0xab,table=0,priority=1,in_port=3,actions=drop\n"
        );
        assert_eq!(Layers::default().since(&before).removed(), 2);
    }

    #[test]
    fn clauses_with_the_same_match_are_one_flow() {
        let mut table = FlowTable::default();
        for id in [7, 5, 7] {
            table.add(flow(72, 70, vec![Field::InPort(1)], vec![Action::Conjunction(id, 1, 2)]));
        }
        assert_eq!(
            table.text(1),
            "cookie=0x1,table=72,priority=70,in_port=1,actions=conjunction(5,1/2),conjunction(7,1/2)\n"
        );
    }

    #[test]
    fn only_our_flows_are_repaired_and_learned_ones_stay() {
        let lines = "-priority=9,in_port=1 cookie=0xab actions=drop\n\
             -priority=8,in_port=1 cookie=0xcd actions=drop\n\
             -table=20 priority=1,dl_vlan=1 cookie=0xab hard_timeout=300 actions=output:1\n\
             +table=4 priority=1,tun_id=0x5 cookie=0xab actions=drop\n";
        assert_eq!(
            repair(lines, 0xab).bundle,
            "delete_strict table=0,priority=9,in_port=1,cookie=0xab/-1\n\
             add table=4 priority=1,tun_id=0x5 cookie=0xab,actions=drop\n"
        );
    }
}
