//! What is counted of what passes a router's gateway, as one nftables table. Pure.
//!
//! A label is a named counter, and a chain with the rules that count into it. The
//! counters outlive changes of the rules: only those go that belong to no label.
//! Packets are counted where they are forwarded: with inner addresses, and only when
//! nothing has dropped them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use ipnet::IpNet;
use isospin_feed::facts::{Direction, MeteringRule};
use isospin_types::MeteringLabelId;
use serde_json::Value;

use super::owned::METERING_TABLE;
use super::render::digest;
use super::table::{self, Listed};

/// Labels with their rules.
pub(super) type Labels = BTreeMap<MeteringLabelId, BTreeSet<MeteringRule>>;

/// After everything that may drop a packet.
const HOOK: &str = "filter hook forward priority 20";
const ENTRY: &str = "forward";

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// The table as a listing shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// Of the rules.
    pub(super) listed: Listed,
    pub(super) chains: BTreeSet<String>,
    pub(super) counters: BTreeMap<String, Count>,
}

impl Observed {
    /// What the JSON of `nft -j list table` shows.
    pub(super) fn of(listing: &Value) -> Self {
        let items = listing.get("nftables").and_then(Value::as_array).into_iter().flatten();
        let mut observed = Self { listed: table::listed(listing), ..Self::default() };
        let name = |object: &Value| object.get("name").and_then(Value::as_str).map(str::to_owned);
        let number = |object: &Value, key| object.get(key).and_then(Value::as_u64).unwrap_or_default();
        for item in items {
            observed.chains.extend(item.get("chain").and_then(name));
            let counter = item.get("counter");
            observed.counters.extend(counter.and_then(|counter| {
                let count = Count { packets: number(counter, "packets"), bytes: number(counter, "bytes") };
                Some((name(counter)?, count))
            }));
        }
        observed
    }

    /// What was counted under a label; nothing before its counter is there.
    pub(super) fn count(&self, label: MeteringLabelId) -> Count {
        self.counters.get(&name_of(label)).copied().unwrap_or_default()
    }
}

/// Of the chain and the counter of a label.
fn name_of(label: MeteringLabelId) -> String {
    format!("label_{label}")
}

/// The rules of the table, in order: chain and text.
fn rules(device: &str, labels: &Labels) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (label, rules) in labels {
        let name = name_of(*label);
        // What is left out is left out of all that counts.
        let (excluded, counted): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.excluded);
        let verdicts = excluded.into_iter().map(|rule| (rule, "return".to_owned()));
        let counting = counted.into_iter().map(|rule| (rule, format!("counter name \"{name}\" return")));
        for (rule, verdict) in verdicts.chain(counting) {
            all.push((name.clone(), format!("{} {verdict}", matches(device, rule))));
        }
    }
    all.extend(labels.keys().map(|label| (ENTRY.to_owned(), format!("jump {}", name_of(*label)))));
    all
}

fn matches(device: &str, rule: &MeteringRule) -> String {
    let way = if rule.direction == Direction::Ingress { "iifname" } else { "oifname" };
    let mut text = format!("{way} \"{device}\"");
    for (end, net) in [("saddr", rule.source), ("daddr", rule.destination)] {
        let Some(net) = net else { continue };
        let family = if matches!(net, IpNet::V4(_)) { "ip" } else { "ip6" };
        // Writing to a String cannot fail.
        let _ = if net.prefix_len() == 0 {
            write!(text, " meta nfproto {}", if family == "ip" { "ipv4" } else { "ipv6" })
        } else {
            write!(text, " {family} {end} {net}")
        };
    }
    text
}

/// What a listing must show of the rules.
fn listed(rules: &[(String, String)]) -> Listed {
    let digest = digest(&format!("{rules:?}"));
    let mut lines: Listed = rules.iter().map(|(chain, _)| format!("{chain} {digest}")).collect();
    lines.sort_unstable();
    lines
}

/// Script that makes the table count what is wanted, in one transaction; `None` when it
/// does. Without `may_remove` counters nobody wants stay.
pub(super) fn script(
    device: &str,
    labels: &Labels,
    now: Option<&Observed>,
    may_remove: bool,
) -> Option<String> {
    if labels.is_empty() {
        return now.filter(|_| may_remove).map(|_| table::remove("inet", METERING_TABLE));
    }
    let nothing = Observed::default();
    let now = now.unwrap_or(&nothing);
    let rules = rules(device, labels);
    let wanted: BTreeSet<String> = labels.keys().map(|label| name_of(*label)).collect();
    let missing: Vec<&String> = wanted.iter().filter(|name| !now.counters.contains_key(*name)).collect();
    let spare = |name: &&String| may_remove && !wanted.contains(*name) && *name != ENTRY;
    let old_chains: Vec<&String> = now.chains.iter().filter(spare).collect();
    let old_counters: Vec<&String> = now.counters.keys().filter(spare).collect();
    let listed = listed(&rules);
    if now.listed == listed && missing.is_empty() && old_chains.is_empty() && old_counters.is_empty() {
        return None;
    }
    let digest = digest(&format!("{rules:?}"));
    let table = format!("inet {METERING_TABLE}");
    let mut script = format!("add table {table}\nflush table {table}\n");
    let _ = writeln!(script, "add chain {table} {ENTRY} {{ type {HOOK}; policy accept; }}");
    for name in &wanted {
        let _ = writeln!(script, "add chain {table} {name}");
    }
    for name in missing {
        let _ = writeln!(script, "add counter {table} {name}");
    }
    for (chain, rule) in &rules {
        let _ = writeln!(script, "add rule {table} {chain} {rule} comment \"{digest}\"");
    }
    for (kind, names) in [("chain", old_chains), ("counter", old_counters)] {
        for name in names {
            let _ = writeln!(script, "delete {kind} {table} {name}");
        }
    }
    Some(script)
}

/// The table after [`script`] for these labels: for a host in memory.
#[cfg(test)]
pub(super) fn expected(device: &str, labels: &Labels) -> Option<Observed> {
    let names: BTreeSet<String> = labels.keys().map(|label| name_of(*label)).collect();
    let counters = names.iter().map(|name| (name.clone(), Count::default())).collect();
    let chains = names.into_iter().chain([ENTRY.to_owned()]).collect();
    (!labels.is_empty()).then(|| Observed { listed: listed(&rules(device, labels)), chains, counters })
}
