//! The transaction that turns one state of a table into another. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use isospin_host_io::{SetChange, SetVerb};

use super::values::{Chain, Key, Part, Set, Table};
use super::wire::Shape;

/// A transaction: for `nft -f -`, and where it can be without the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub script: String,
    /// Sets, chains, rules and elements made, changed or removed.
    pub changes: u64,
    /// All of it as elements; `None` when there is anything else in it.
    pub elements: Option<Vec<SetChange>>,
}

impl Default for Transaction {
    fn default() -> Self {
        Self { script: String::new(), changes: 0, elements: Some(Vec::new()) }
    }
}

impl Transaction {
    /// Something that only the tool can do.
    fn line(&mut self, changes: usize, line: std::fmt::Arguments<'_>) {
        self.write(changes, line);
        self.elements = None;
    }

    fn write(&mut self, changes: usize, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.script, "{line}");
        self.changes += changes as u64;
    }

    /// Joins another one to the end.
    pub fn append(&mut self, other: Self) {
        self.script.push_str(&other.script);
        self.changes += other.changes;
        self.elements = self.elements.take().zip(other.elements).map(|(mut elements, more)| {
            elements.extend(more);
            elements
        });
    }
}

/// The way from `before` (`None`: no such table) to `after`.
///
/// The order makes every step valid: what others refer to is there before they
/// do, and goes after them.
#[must_use]
pub fn between(family: &'static str, name: &str, before: Option<&Table>, after: &Table) -> Transaction {
    let at = format!("{family} {name}");
    let mut writer = Writer { family, name, at, out: Transaction::default() };
    let empty = Table::default();
    if before.is_none() {
        writer.out.line(1, format_args!("add table {}", writer.at));
    }
    let before = before.unwrap_or(&empty);
    writer.remove_elements(before, after);
    writer.declare(before, after);
    writer.rules(before, after);
    writer.add_elements(before, after);
    writer.remove_objects(before, after);
    writer.out
}

/// Removes the table, there or not, and builds it anew.
#[must_use]
pub fn rebuild(family: &'static str, name: &str, after: &Table) -> Transaction {
    let mut out = Transaction::default();
    // Adding first makes the removal valid whether or not it is there.
    out.line(0, format_args!("add table {family} {name}"));
    out.line(1, format_args!("delete table {family} {name}"));
    out.append(between(family, name, None, after));
    out
}

/// Removes the table.
#[must_use]
pub fn remove(family: &str, name: &str) -> Transaction {
    let mut out = Transaction::default();
    out.line(1, format_args!("delete table {family} {name}"));
    out
}

struct Writer<'a> {
    family: &'static str,
    name: &'a str,
    /// Both, as scripts have them.
    at: String,
    out: Transaction,
}

impl Writer<'_> {
    fn declare(&mut self, before: &Table, after: &Table) {
        for (name, set) in after.sets.iter().filter(|(name, _)| !before.sets.contains_key(*name)) {
            if let Some((kind, declaration)) = set.declaration {
                self.out.line(1, format_args!("add {kind} {} {name} {{ {declaration} }}", self.at));
            }
        }
        for (name, chain) in after.chains.iter().filter(|(name, _)| !before.chains.contains_key(*name)) {
            match chain.hook {
                Some(hook) => {
                    self.out.line(1, format_args!("add chain {} {name} {{ {hook} }}", self.at));
                }
                None => self.out.line(1, format_args!("add chain {} {name}", self.at)),
            }
        }
    }

    fn rules(&mut self, before: &Table, after: &Table) {
        for (name, chain) in &after.chains {
            let old = before.chains.get(name);
            if old.is_some_and(|old| same_rules(old, chain)) || (old.is_none() && chain.rules.is_empty()) {
                continue;
            }
            if old.is_some() {
                self.out.line(1, format_args!("flush chain {} {name}", self.at));
            }
            for rule in &chain.rules {
                let line =
                    format_args!("add rule {} {name} {} comment \"{}\"", self.at, rule.text, rule.mark);
                self.out.line(1, line);
            }
        }
    }

    fn remove_elements(&mut self, before: &Table, after: &Table) {
        for (name, old) in &before.sets {
            let Some(new) = after.sets.get(name) else { continue };
            let gone = old.elements.iter().filter(|(key, value)| new.elements.get(*key) != Some(*value));
            self.elements(SetVerb::Delete, (name, new), gone.map(|(key, _)| (key, None)).collect());
        }
        // A map that goes keeps its chains busy until it is emptied.
        for (name, old) in before.sets.iter().filter(|(name, _)| !after.sets.contains_key(*name)) {
            if old.elements.values().any(|value| matches!(value, Some(Part::Goto(_)))) {
                self.out.line(1, format_args!("flush map {} {name}", self.at));
            }
        }
    }

    fn add_elements(&mut self, before: &Table, after: &Table) {
        let none = BTreeMap::new();
        for (name, set) in &after.sets {
            let old = before.sets.get(name).map_or(&none, |set: &Set| &set.elements);
            let new = set.elements.iter().filter(|(key, value)| old.get(*key) != Some(*value));
            self.elements(SetVerb::Add, (name, set), new.map(|(key, value)| (key, value.as_ref())).collect());
        }
    }

    /// All elements of one set in one command: the tool's time grows with the
    /// number of commands, not of elements.
    fn elements(&mut self, verb: SetVerb, (name, set): (&str, &Set), elements: Vec<(&Key, Option<&Part>)>) {
        if elements.is_empty() {
            return;
        }
        self.out.elements = self.out.elements.take().and_then(|mut changes| {
            changes.push(self.change(verb, (name, set), &elements)?);
            Some(changes)
        });
        let mut text = String::new();
        for (index, (key, value)) in elements.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            text.push_str(comma);
            for (index, part) in key.iter().enumerate() {
                let dot = if index == 0 { "" } else { " . " };
                let _ = write!(text, "{dot}{part}");
            }
            if let Some(value) = value {
                let _ = write!(text, " : {value}");
            }
        }
        let verb = match verb {
            SetVerb::Add => "add",
            SetVerb::Delete => "delete",
        };
        self.out.write(elements.len(), format_args!("{verb} element {} {name} {{ {text} }}", self.at));
    }

    /// The same without the tool, where that can be.
    fn change(
        &self,
        verb: SetVerb,
        (name, set): (&str, &Set),
        elements: &[(&Key, Option<&Part>)],
    ) -> Option<SetChange> {
        let shape = Shape::of(set.declaration?.1)?;
        let elements = elements.iter().map(|(key, value)| shape.element(key, *value));
        Some(SetChange {
            family: self.family,
            table: self.name.to_owned(),
            set: name.to_owned(),
            verb,
            elements: elements.collect::<Option<_>>()?,
        })
    }

    fn remove_objects(&mut self, before: &Table, after: &Table) {
        let gone: Vec<&String> =
            before.chains.keys().filter(|name| !after.chains.contains_key(*name)).collect();
        // All emptied first: they may refer to each other.
        for name in &gone {
            self.out.line(0, format_args!("flush chain {} {name}", self.at));
        }
        for name in &gone {
            self.out.line(1, format_args!("delete chain {} {name}", self.at));
        }
        for (name, set) in before.sets.iter().filter(|(name, _)| !after.sets.contains_key(*name)) {
            let is_map = set.elements.values().any(Option::is_some);
            let kind = set.declaration.map_or(if is_map { "map" } else { "set" }, |(kind, _)| kind);
            self.out.line(1, format_args!("delete {kind} {} {name}", self.at));
        }
    }
}

fn same_rules(old: &Chain, new: &Chain) -> bool {
    old.rules.len() == new.rules.len()
        && old.rules.iter().zip(&new.rules).all(|(old, new)| old.mark == new.mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ports: &[u16], rule: &'static str) -> Table {
        let mut table = Table::default();
        table.declare("open", "set", "type inet_service;");
        for port in ports {
            table.put("open", vec![Part::number(*port)], None);
        }
        table.chain("input", Some("type filter hook input priority 0;"), [rule]);
        table
    }

    #[test]
    fn an_equal_table_needs_nothing() {
        let one = table(&[80], "accept");
        assert_eq!(between("inet", "t", Some(&one), &one), Transaction::default());
    }

    #[test]
    fn one_element_more_is_one_command() {
        let step = between("inet", "t", Some(&table(&[80], "accept")), &table(&[80, 443], "accept"));
        assert_eq!(step.script, "add element inet t open { 0x1bb }\n");
        assert_eq!(step.changes, 1);
    }

    #[test]
    fn a_changed_rule_replaces_only_its_chain() {
        let step = between("inet", "t", Some(&table(&[80], "accept")), &table(&[80], "drop"));
        let lines: Vec<_> = step.script.lines().collect();
        assert_eq!(lines[0], "flush chain inet t input");
        assert!(lines[1].starts_with("add rule inet t input drop comment \"isospin:"), "{}", lines[1]);
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn chains_go_after_the_verdicts_that_lead_to_them() {
        let mut before = table(&[], "accept");
        before.declare("to", "map", "type mark : verdict;");
        before.put("to", vec![Part::number(1_u8)], Some(Part::Goto("there".to_owned())));
        before.chain("there", None, ["drop"]);
        let mut after = table(&[], "accept");
        after.declare("to", "map", "type mark : verdict;");
        let script = between("inet", "t", Some(&before), &after).script;
        let lines: Vec<_> = script.lines().collect();
        assert_eq!(
            lines,
            ["delete element inet t to { 0x1 }", "flush chain inet t there", "delete chain inet t there"]
        );
    }
}
