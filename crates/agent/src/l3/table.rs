//! An nftables table that is always written as a whole. Pure.
//!
//! Every rule bears the digest of the whole table, so that a listing tells whether it
//! is the wanted one, also to an agent that has just started.

use std::fmt::Write;

use serde_json::Value;

use super::render::digest;

/// A table to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) family: &'static str,
    pub(super) name: &'static str,
    /// A chain comes before those that jump into it.
    pub(super) chains: Vec<Chain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) name: String,
    /// Type, hook and priority; `None` for one that is jumped into.
    pub(super) hook: Option<&'static str>,
    pub(super) rules: Vec<String>,
}

/// A table as far as a listing tells: chain and comment of each rule, sorted.
pub(super) type Listed = Vec<String>;

impl Whole {
    /// What a listing must show.
    pub(super) fn listed(&self) -> Listed {
        let digest = self.digest();
        let names = self.chains.iter().flat_map(|chain| chain.rules.iter().map(|_| &chain.name));
        sorted(names.map(|chain| format!("{chain} {digest}")).collect())
    }

    fn digest(&self) -> String {
        digest(&format!("{:?}", self.chains))
    }

    /// Script that puts the table in place of whatever it was, in one transaction.
    pub(super) fn script(&self) -> String {
        let (digest, table) = (self.digest(), format!("table {} {}", self.family, self.name));
        let mut script = format!("{table}\ndelete {table}\n{table} {{\n");
        for chain in &self.chains {
            // Writing to a String cannot fail.
            let _ = writeln!(script, "  chain {} {{", chain.name);
            if let Some(hook) = chain.hook {
                let _ = writeln!(script, "    type {hook}; policy accept;");
            }
            for rule in &chain.rules {
                let _ = writeln!(script, "    {rule} comment \"{digest}\"");
            }
            script.push_str("  }\n");
        }
        script.push_str("}\n");
        script
    }
}

/// Script that removes a table.
pub(super) fn remove(family: &str, name: &str) -> String {
    format!("delete table {family} {name}\n")
}

/// What the JSON of `nft -j list table` shows.
pub(super) fn listed(listing: &Value) -> Listed {
    let items = listing.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let rules = items.filter_map(|item| item.get("rule"));
    let text = |rule: &Value, key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    sorted(rules.map(|rule| format!("{} {}", text(rule, "chain"), text(rule, "comment"))).collect())
}

fn sorted(mut lines: Listed) -> Listed {
    lines.sort_unstable();
    lines
}
