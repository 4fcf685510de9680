//! The nftables table of a router as text, and as what listing it must show. Pure.
//!
//! Every rule carries a comment with its name and a digest of its text, so that
//! a listing can be compared rule by rule, also by an agent that has just
//! started. Floating IPs are elements of two maps: one look-up per new
//! connection, however many there are; forwarded ports likewise ([`forwards`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;

use uuid::Uuid;

use super::forwards::{self, Elements};
use super::intent::{Gateway, Nat};
use super::owned::TABLE;

/// Port the metadata service listens on inside the namespace.
const METADATA_PORT: u16 = 9697;
pub(super) const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Lower half of the packet mark: asks for metadata.
const FROM_METADATA: &str = "0x1";
/// Lower half of the packet mark: came in by the gateway.
const FROM_OUTSIDE: &str = "0x2";

/// Map of floating address to fixed address.
pub(super) const TO_FIXED: &str = "floating_to_fixed";
/// Map of fixed address to floating address.
pub(super) const TO_FLOATING: &str = "fixed_to_floating";

/// Chains in the order they are written: name, type, hook, numeric priority.
const CHAINS: [(&str, &str, &str, i32); 6] = [
    ("marks", "filter", "prerouting", -150),
    ("prerouting", "nat", "prerouting", -100),
    ("output", "nat", "output", -100),
    ("input", "filter", "input", 0),
    ("forward", "filter", "forward", 0),
    ("postrouting", "nat", "postrouting", 100),
];

/// A table as a listing shows it, as far as it decides what happens to packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// "name type hook priority policy".
    pub(super) chains: BTreeSet<String>,
    /// Comments of the rules of each chain in order; "" for a rule without.
    pub(super) rules: BTreeMap<String, Vec<String>>,
    pub(super) maps: BTreeMap<String, Elements>,
}

struct Rule {
    chain: &'static str,
    name: &'static str,
    text: String,
}

impl Rule {
    /// Name and digest: another text is another comment.
    fn comment(&self) -> String {
        format!("{}#{}", self.name, digest(&self.text))
    }
}

/// A short text that differs when `text` does.
pub(super) fn digest(text: &str) -> String {
    let mut digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string();
    digest.truncate(8);
    digest
}

fn rules(nat: &Nat) -> Vec<Rule> {
    let metadata = format!("iifname \"qr-*\" ip daddr {METADATA_ADDRESS} tcp dport 80");
    let mark = |value: &str| format!("meta mark set meta mark and 0xffff0000 or {value}");
    let mut rules = vec![
        Rule { chain: "marks", name: "metadata", text: format!("{metadata} {}", mark(FROM_METADATA)) },
        Rule {
            chain: "prerouting",
            name: "metadata",
            text: format!("{metadata} redirect to :{METADATA_PORT}"),
        },
        Rule { chain: "prerouting", name: "floating", text: format!("dnat to ip daddr map @{TO_FIXED}") },
        Rule { chain: "output", name: "floating", text: format!("dnat to ip daddr map @{TO_FIXED}") },
        // Only what was redirected may reach the metadata service.
        Rule {
            chain: "input",
            name: "metadata",
            text: format!("meta mark and 0xffff == {FROM_METADATA} accept"),
        },
        Rule { chain: "input", name: "metadata-only", text: format!("tcp dport {METADATA_PORT} drop") },
        Rule {
            chain: "forward",
            name: "stray-metadata",
            text: format!("meta mark and 0xffff == {FROM_METADATA} drop"),
        },
        Rule { chain: "forward", name: "link-local", text: format!("ip daddr {METADATA_ADDRESS} drop") },
    ];
    for chain in ["prerouting", "output"] {
        rules.extend(forwards::rules().map(|(name, text)| Rule { chain, name, text }));
    }
    if let Some(gateway) = &nat.gateway {
        rules.extend(gateway_rules(gateway, &mark(FROM_OUTSIDE)));
    }
    rules
}

fn gateway_rules(gateway: &Gateway, mark_outside: &str) -> Vec<Rule> {
    let device = &gateway.device;
    let inside = format!("meta mark and 0xffff != {FROM_OUTSIDE}");
    let rule = |chain, name, text| Rule { chain, name, text };
    let mut rules = vec![
        rule("marks", "outside", format!("iifname \"{device}\" {mark_outside}")),
        // Between internal networks nothing is rewritten, unless a floating IP was the target.
        rule("postrouting", "internal", format!("oifname != \"{device}\" ct status & dnat != dnat accept")),
        rule("postrouting", "floating", format!("{inside} snat to ip saddr map @{TO_FLOATING}")),
    ];
    if let Some(address) = gateway.snat {
        if !gateway.direct.is_empty() {
            let devices: Vec<String> = gateway.direct.iter().map(|inner| format!("\"{inner}\"")).collect();
            let direct = format!("iifname {{ {} }} oifname \"{device}\" accept", devices.join(", "));
            rules.push(rule("postrouting", "same-scope", direct));
        }
        let snat = format!("snat to {address} fully-random");
        rules.push(rule("postrouting", "gateway-snat", format!("oifname \"{device}\" {snat}")));
        // An instance that asks for a floating IP behind this very router must
        // get its answer through the router.
        rules.push(rule("postrouting", "hairpin", format!("{inside} ct status dnat {snat}")));
    }
    rules
}

fn maps(nat: &Nat) -> BTreeMap<String, Elements> {
    let mut back: BTreeMap<Ipv4Addr, Ipv4Addr> = BTreeMap::new();
    for (floating, fixed) in &nat.floating {
        // Of several floating IPs of one address the lowest speaks for it.
        back.entry(*fixed).or_insert(*floating);
    }
    let text = |map: &BTreeMap<Ipv4Addr, Ipv4Addr>| -> Elements {
        map.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    };
    let mut maps = forwards::elements(nat);
    maps.insert(TO_FIXED.to_owned(), text(&nat.floating));
    maps.insert(TO_FLOATING.to_owned(), text(&back));
    maps
}

/// The table as a listing must show it.
pub(super) fn expected(nat: &Nat) -> Table {
    let chains = CHAINS.iter().map(|(name, kind, hook, priority)| chain_line(name, kind, hook, *priority));
    let mut by_chain: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for rule in rules(nat) {
        by_chain.entry(rule.chain.to_owned()).or_default().push(rule.comment());
    }
    Table { chains: chains.collect(), rules: by_chain, maps: maps(nat) }
}

pub(super) fn chain_line(name: &str, kind: &str, hook: &str, priority: i32) -> String {
    format!("{name} {kind} {hook} {priority} accept")
}

/// Script that puts the whole table in place of whatever it was, in one transaction.
pub(super) fn replace(nat: &Nat) -> String {
    let mut script = format!("table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n");
    for (name, elements) in maps(nat) {
        let (kind, flags) = kind_of(&name);
        // Writing to a String cannot fail.
        let _ = write!(script, "  map {name} {{\n    type {kind}\n");
        if !flags.is_empty() {
            let _ = writeln!(script, "    flags {flags}");
        }
        if !elements.is_empty() {
            let _ = writeln!(script, "    elements = {{ {} }}", pairs(&elements));
        }
        script.push_str("  }\n");
    }
    let rules = rules(nat);
    for (name, kind, hook, priority) in CHAINS {
        let _ = writeln!(script, "  chain {name} {{");
        let _ = writeln!(script, "    type {kind} hook {hook} priority {priority}; policy accept;");
        for rule in rules.iter().filter(|rule| rule.chain == name) {
            let _ = writeln!(script, "    {} comment \"{}\"", rule.text, rule.comment());
        }
        script.push_str("  }\n");
    }
    script.push_str("}\n");
    script
}

fn kind_of(map: &str) -> (&'static str, &'static str) {
    let known = forwards::MAPS.iter().find(|(name, ..)| *name == map);
    known.map_or(("ipv4_addr : ipv4_addr", ""), |(_, kind, flags)| (*kind, *flags))
}

/// Script that changes only elements of maps, in one transaction; empty when
/// nothing differs. Without `may_remove` elements nobody wants stay.
pub(super) fn change_elements(observed: &Table, wanted: &Table, may_remove: bool) -> String {
    let mut script = String::new();
    let nothing = Elements::new();
    for (name, wanted) in &wanted.maps {
        let now = observed.maps.get(name).unwrap_or(&nothing);
        let without = |left: &Elements, right: &Elements| -> Elements {
            let differs = |(key, value): &(&String, &String)| right.get(*key) != Some(*value);
            left.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let (mut old, new) = (without(now, wanted), without(wanted, now));
        // What stands in the way of something new must go before it comes.
        old.retain(|key, _| may_remove || new.keys().any(|other| forwards::collide(key, other)));
        for (verb, elements) in [("delete", old), ("add", new)] {
            if !elements.is_empty() {
                let _ = writeln!(script, "{verb} element ip {TABLE} {name} {{ {} }}", pairs(&elements));
            }
        }
    }
    script
}

fn pairs(elements: &Elements) -> String {
    let pairs: Vec<String> = elements.iter().map(|(key, value)| format!("{key} : {value}")).collect();
    pairs.join(", ")
}
