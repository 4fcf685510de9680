//! Rows as they come over the wire, and the notation of values (RFC 7047 §5.1).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// One row: column to value, in the notation of the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(pub(super) Map<String, Value>);

impl Row {
    /// A string, "" when it is absent.
    #[must_use]
    pub fn text(&self, column: &str) -> &str {
        self.0.get(column).and_then(Value::as_str).unwrap_or_default()
    }

    /// A string that may be absent: a set of none or one.
    #[must_use]
    pub fn word(&self, column: &str) -> &str {
        let Some(value) = self.0.get(column) else { return "" };
        let first = || value.get(1)?.as_array()?.first()?.as_str();
        value.as_str().or_else(first).unwrap_or_default()
    }

    /// A number; an optional one that is not set is a set without elements.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<i64> {
        let value = self.0.get(column)?;
        value.as_i64().or_else(|| value.get(1)?.as_array()?.first()?.as_i64())
    }

    /// A map of strings.
    #[must_use]
    pub fn map(&self, column: &str) -> BTreeMap<String, String> {
        let pairs = self.0.get(column).and_then(|value| value.get(1)).and_then(Value::as_array);
        let pair =
            |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()));
        pairs.into_iter().flatten().filter_map(pair).collect()
    }

    /// The rows it refers to.
    #[must_use]
    pub fn uuids(&self, column: &str) -> Vec<&str> {
        let of = |value: &'_ Value| -> Option<bool> { Some(value.get(0)?.as_str()? == "uuid") };
        let Some(value) = self.0.get(column) else { return Vec::new() };
        if of(value) == Some(true) {
            return value.get(1).and_then(Value::as_str).into_iter().collect();
        }
        let elements = value.get(1).and_then(Value::as_array);
        elements
            .into_iter()
            .flatten()
            .filter(|element| of(element) == Some(true))
            .filter_map(|element| element.get(1)?.as_str())
            .collect()
    }
}

/// What changed of rows, by table and name.
pub type Touched = BTreeMap<(String, String), Change>;

/// What changed of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It came or went.
    Row,
    /// These columns.
    Columns(BTreeSet<String>),
}

impl Change {
    /// This, and then that.
    fn and(&mut self, later: Self) {
        match (&mut *self, later) {
            (Self::Columns(columns), Self::Columns(more)) => columns.extend(more),
            _ => *self = Self::Row,
        }
    }

    fn of(update: &Value) -> Self {
        let columns = update["modify"].as_object();
        columns.map_or(Self::Row, |columns| Self::Columns(columns.keys().cloned().collect()))
    }
}

/// The tables watched: table, row id, row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables(pub(super) BTreeMap<String, BTreeMap<String, Row>>);

impl Tables {
    /// The rows of a table with their ids.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (&str, &Row)> {
        self.0.get(table).into_iter().flatten().map(|(id, row)| (id.as_str(), row))
    }

    /// One row.
    #[must_use]
    pub fn row(&self, table: &str, id: &str) -> Option<&Row> {
        self.0.get(table)?.get(id)
    }

    /// Takes in a `<table-updates2>` (ovsdb-server(7) §4.1.14); rows that changed, by their
    /// column `name`.
    pub(super) fn update(&mut self, updates: &Value) -> Touched {
        let mut touched = Touched::new();
        for (table, rows) in updates.as_object().into_iter().flatten() {
            let held = self.0.entry(table.clone()).or_default();
            for (id, change) in rows.as_object().into_iter().flatten() {
                let before = held.get(id).map(|row| row.text("name").to_owned());
                apply(held, id, change);
                let after = held.get(id).map(|row| row.text("name").to_owned());
                let name = after.or(before).unwrap_or_default();
                touch(&mut touched, (table.clone(), name), Change::of(change));
            }
        }
        touched
    }
}

/// Adds what changed of a row.
pub(super) fn touch(touched: &mut Touched, row: (String, String), change: Change) {
    match touched.entry(row) {
        Entry::Occupied(mut known) => known.get_mut().and(change),
        Entry::Vacant(gap) => {
            gap.insert(change);
        }
    }
}

fn apply(held: &mut BTreeMap<String, Row>, id: &str, change: &Value) {
    for (kind, columns) in change.as_object().into_iter().flatten() {
        match (kind.as_str(), columns.as_object()) {
            ("initial" | "insert", Some(columns)) => {
                held.insert(id.to_owned(), Row(columns.clone()));
            }
            ("modify", Some(columns)) => {
                let row = held.entry(id.to_owned()).or_default();
                for (column, difference) in columns {
                    let now =
                        row.0.get(column).map_or_else(|| difference.clone(), |old| altered(old, difference));
                    row.0.insert(column.clone(), now);
                }
            }
            ("delete", _) => {
                held.remove(id);
            }
            _ => {}
        }
    }
}

/// A modified column: of maps and of sets of references the difference is sent. What is
/// in both goes; for maps a key with another value is replaced.
fn altered(old: &Value, difference: &Value) -> Value {
    match (tag(old), tag(difference)) {
        (Some("map"), Some("map")) => {
            let mut pairs = elements(old);
            for pair in elements(difference) {
                if let Some(at) = pairs.iter().position(|held| *held == pair) {
                    pairs.remove(at);
                } else if let Some(held) = pairs.iter_mut().find(|held| held.get(0) == pair.get(0)) {
                    *held = pair;
                } else {
                    pairs.push(pair);
                }
            }
            json!(["map", pairs])
        }
        _ if is_references(difference) => {
            let mut members = elements(old);
            for member in elements(difference) {
                match members.iter().position(|held| *held == member) {
                    Some(at) => {
                        members.remove(at);
                    }
                    None => members.push(member),
                }
            }
            json!(["set", members])
        }
        // A value that may be absent is sent as it is now.
        _ => difference.clone(),
    }
}

fn is_references(value: &Value) -> bool {
    let elements = elements(value);
    !elements.is_empty() && elements.iter().all(|element| tag(element) == Some("uuid"))
}

fn tag(value: &Value) -> Option<&str> {
    value.get(0).and_then(Value::as_str)
}

fn elements(value: &Value) -> Vec<Value> {
    match tag(value) {
        Some("map" | "set") => value.get(1).and_then(Value::as_array).cloned().unwrap_or_default(),
        _ => vec![value.clone()],
    }
}

/// A map.
#[must_use]
pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Value {
    json!(["map", pairs.into_iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>()])
}

/// A set.
#[must_use]
pub fn set(elements: impl IntoIterator<Item = Value>) -> Value {
    json!(["set", elements.into_iter().collect::<Vec<_>>()])
}

/// A row that exists.
#[must_use]
pub fn uuid(id: &str) -> Value {
    json!(["uuid", id])
}

/// A row the same transaction inserts.
#[must_use]
pub fn named(name: &str) -> Value {
    json!(["named-uuid", name])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_keep_a_copy() {
        let mut tables = Tables::default();
        let row =
            json!({"name": "tap1", "ofport": ["set", []], "external_ids": ["map", [["iface-id", "a"]]]});
        tables.update(&json!({"Interface": {"u1": {"initial": row}}}));
        let modify = json!({"ofport": 5, "external_ids": ["map", [["iface-id", "b"], ["more", "c"]]]});
        let touched = tables.update(&json!({"Interface": {"u1": {"modify": modify}}}));
        let columns = Change::Columns(["external_ids", "ofport"].map(str::to_owned).into());
        assert_eq!(touched, [(("Interface".to_owned(), "tap1".to_owned()), columns)].into());
        let row = tables.row("Interface", "u1").expect("row");
        assert_eq!(row.number("ofport"), Some(5));
        assert_eq!(row.map("external_ids")["iface-id"], "b");
        assert_eq!(row.map("external_ids")["more"], "c");
        tables.update(&json!({"Interface": {"u1": {"modify": {"ofport": ["set", []]}}}}));
        assert_eq!(tables.row("Interface", "u1").expect("row").number("ofport"), None);
        let gone = tables.update(&json!({"Interface": {"u1": {"delete": null}}}));
        assert_eq!(gone.values().collect::<Vec<_>>(), [&Change::Row]);
        assert_eq!(tables.rows("Interface").count(), 0);
    }

    #[test]
    fn references_come_and_go() {
        let mut tables = Tables::default();
        tables.update(&json!({"Bridge": {"b": {"initial": {"name": "br", "ports": ["uuid", "p1"]}}}}));
        tables.update(
            &json!({"Bridge": {"b": {"modify": {"ports": ["set", [["uuid", "p2"], ["uuid", "p3"]]]}}}}),
        );
        tables.update(&json!({"Bridge": {"b": {"modify": {"ports": ["uuid", "p1"]}}}}));
        assert_eq!(tables.row("Bridge", "b").expect("row").uuids("ports"), ["p2", "p3"]);
    }

    #[test]
    fn references_of_one_and_of_many() {
        let one = Row(json!({"ports": ["uuid", "a"]}).as_object().cloned().expect("row"));
        let many =
            Row(json!({"ports": ["set", [["uuid", "a"], ["uuid", "b"]]]}).as_object().cloned().expect("row"));
        assert_eq!((one.uuids("ports"), many.uuids("ports")), (vec!["a"], vec!["a", "b"]));
    }
}
