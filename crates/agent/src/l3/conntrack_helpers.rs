//! Conntrack helpers of a router: for each one nftables table, so that one the
//! kernel does not have costs only itself. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use isospin_feed::facts::ConntrackHelper;
use serde_json::Value;

use super::owned::HELPER_PREFIX;
use super::render::digest;

/// Tables by name, with the comment of their rule: what decides whether one is right.
pub(super) type Tables = BTreeMap<String, String>;

/// The tables these helpers need, each with its script; and those that cannot be made.
pub(super) fn wanted(helpers: &BTreeSet<ConntrackHelper>) -> (BTreeMap<String, String>, Vec<String>) {
    let mut ports: BTreeMap<(&str, u8), Vec<String>> = BTreeMap::new();
    for helper in helpers {
        ports.entry((&helper.helper, helper.protocol)).or_default().push(helper.port.to_string());
    }
    let mut rules = BTreeMap::new();
    let mut problems = Vec::new();
    for ((helper, protocol), ports) in ports {
        let name = match protocol {
            6 => "tcp",
            17 => "udp",
            other => {
                problems.push(format!("helper {helper}: protocol {other} has no helpers"));
                continue;
            }
        };
        let ports = ports.join(", ");
        let rule = format!("meta l4proto {protocol} th dport {{ {ports} }} ct helper set \"{helper}\"");
        let table = format!("{HELPER_PREFIX}{helper}_{name}");
        let object = format!("ct helper {helper} {{\n    type \"{helper}\" protocol {name};\n  }}");
        rules.insert(table, (object, rule));
    }
    let scripts = rules.into_iter().map(|(table, (object, rule))| {
        let script = script(&table, &object, &rule);
        (table, script)
    });
    (scripts.collect(), problems)
}

fn script(table: &str, object: &str, rule: &str) -> String {
    let mut script = format!("table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n  {object}\n");
    // After connections are looked up, before addresses are translated.
    script.push_str("  chain prerouting {\n    type filter hook prerouting priority -150; policy accept;\n");
    // Writing to a String cannot fail.
    let _ = writeln!(script, "    {rule} comment \"{}\"\n  }}\n}}", digest(rule));
    script
}

/// The comment the rule of this script bears.
pub(super) fn comment_of(script: &str) -> &str {
    script.rsplit_once("comment \"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(text, _)| text)
}

/// The comment of the rule a listing shows; "" when it is not one of our tables.
pub(super) fn listed(listing: &Value) -> String {
    let items = listing.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let rules: Vec<&Value> = items.filter_map(|item| item.get("rule")).collect();
    match rules.as_slice() {
        [only] => only.get("comment").and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// Script that removes a table.
pub(super) fn remove(table: &str) -> String {
    format!("delete table ip {table}\n")
}
