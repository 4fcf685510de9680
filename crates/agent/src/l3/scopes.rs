//! Address scopes: what a router keeps apart, as one nftables table. Pure.
//!
//! Interfaces whose addresses are of the same scope forward to each other; all that
//! are in none belong together as well. Between scopes only what is translated
//! passes: towards the gateway by SNAT, inwards by a floating IP, and the replies.
//! A router none of whose interfaces is in a scope has no such table.

use std::collections::BTreeMap;
use std::fmt::Write;

use isospin_types::AddressScopeId;
use serde_json::Value;

use super::owned::SCOPES_TABLE;
use super::render::digest;

/// The scopes of a router's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scopes {
    pub(super) v4: Devices,
    pub(super) v6: Devices,
    /// The gateway's device, when what leaves by it in IPv4 is translated.
    pub(super) translated: Option<String>,
}

/// Devices with the scope of their addresses of one family.
pub(super) type Devices = BTreeMap<String, Option<AddressScopeId>>;

/// The table as far as a listing tells: chain and comment of each rule, sorted.
pub(super) type Listed = Vec<String>;

impl Scopes {
    /// Devices other than `gateway` of the same IPv4 scope, which is one.
    pub(super) fn beside(&self, gateway: &str) -> Vec<&str> {
        let Some(Some(scope)) = self.v4.get(gateway) else { return Vec::new() };
        let same = self.v4.iter().filter(|(device, other)| *device != gateway && **other == Some(*scope));
        same.map(|(device, _)| device.as_str()).collect()
    }

    /// The table that keeps scopes apart, if there are any.
    pub(super) fn table(&self) -> Option<Table> {
        let mut devices = self.v4.values().chain(self.v6.values());
        devices.any(Option::is_some).then(|| Table::of(self))
    }
}

/// A table to be: its chains, the first of them hooked, each with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    chains: Vec<(String, Vec<String>)>,
}

impl Table {
    fn of(scopes: &Scopes) -> Self {
        let mut entry = vec![
            "ct direction reply accept".to_owned(),
            // A floating IP is the way from one scope into another.
            "meta nfproto ipv4 ct status dnat accept".to_owned(),
        ];
        entry.extend(
            scopes.translated.iter().map(|device| format!("meta nfproto ipv4 oifname \"{device}\" accept")),
        );
        let mut chains = Vec::new();
        for (family, devices) in [("ipv4", &scopes.v4), ("ipv6", &scopes.v6)] {
            if devices.values().all(Option::is_none) {
                continue;
            }
            let mut by_scope: BTreeMap<Option<AddressScopeId>, Vec<String>> = BTreeMap::new();
            for (device, scope) in devices {
                by_scope.entry(*scope).or_default().push(format!("\"{device}\""));
            }
            let mut jumps = Vec::with_capacity(devices.len());
            for (number, members) in by_scope.into_values().enumerate() {
                let chain = format!("{family}_{number}");
                jumps.extend(members.iter().map(|device| format!("{device} : jump {chain}")));
                let accept = format!("oifname {{ {} }} accept", members.join(", "));
                chains.push((chain, vec![accept, "drop".to_owned()]));
            }
            entry.push(format!("meta nfproto {family} iifname vmap {{ {} }}", jumps.join(", ")));
            // What comes from a device we do not know enough of.
            entry.push(format!("meta nfproto {family} drop"));
        }
        // A chain comes before those that jump into it.
        chains.push(("forward".to_owned(), entry));
        Self { chains }
    }

    /// What a listing must show: each rule bears the digest of the whole table.
    pub(super) fn listed(&self) -> Listed {
        let digest = self.digest();
        let chains = self.chains.iter().flat_map(|(chain, rules)| rules.iter().map(move |_| chain));
        sorted(chains.map(|chain| format!("{chain} {digest}")).collect())
    }

    fn digest(&self) -> String {
        digest(&format!("{:?}", self.chains))
    }

    /// Script that puts the table in place of whatever it was, in one transaction.
    pub(super) fn script(&self) -> String {
        let digest = self.digest();
        let mut script = format!(
            "table inet {SCOPES_TABLE}\ndelete table inet {SCOPES_TABLE}\ntable inet {SCOPES_TABLE} {{\n"
        );
        for (chain, rules) in &self.chains {
            // Writing to a String cannot fail.
            let _ = writeln!(script, "  chain {chain} {{");
            if chain == "forward" {
                // After floating IPs are translated, before sources are.
                script.push_str("    type filter hook forward priority 10; policy accept;\n");
            }
            for rule in rules {
                let _ = writeln!(script, "    {rule} comment \"{digest}\"");
            }
            script.push_str("  }\n");
        }
        script.push_str("}\n");
        script
    }
}

/// Script that removes the table.
pub(super) fn remove() -> String {
    format!("delete table inet {SCOPES_TABLE}\n")
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
