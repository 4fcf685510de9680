//! Reads back a table of ours from the JSON of `nft -j list table`.
//!
//! Names in the answer (`tcp`, `echo-request`) are turned back into numbers; an
//! element that cannot be read becomes one that no policy wants, so it is removed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::base::LAYOUT;
use super::values::{Chain, Key, Part, RuleText, Set, Table};
use crate::firewall::policy::Span;

/// The table, or `None` when it is of another layout and must be replaced whole.
#[must_use]
pub fn table(listing: &Value) -> Option<Table> {
    let mut table = Table::default();
    let items = listing.get("nftables")?.as_array()?;
    for item in items {
        let Some((kind, body)) = item.as_object().and_then(|object| object.iter().next()) else { continue };
        let name = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        match kind.as_str() {
            "set" | "map" => {
                let set = Set { declaration: None, elements: elements(body) };
                table.sets.insert(name("name")?, set);
            }
            "chain" => {
                let hook = body.get("hook").map(|_| "");
                table.chains.insert(name("name")?, Chain { hook, rules: Vec::new() });
            }
            "rule" => {
                let mark = name("comment").unwrap_or_default();
                let rule = RuleText { text: "".into(), mark };
                table.chains.entry(name("chain")?).or_default().rules.push(rule);
            }
            _ => {}
        }
    }
    table.chains.contains_key(LAYOUT).then_some(table)
}

fn elements(set: &Value) -> BTreeMap<Key, Option<Part>> {
    let kinds: Vec<&str> = match &set["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is_map = set.get("map").is_some();
    let listed = set.get("elem").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    listed
        .iter()
        .map(|element| match element.as_array().map(Vec::as_slice) {
            Some([element, value]) if is_map => (key(element, &kinds), Some(self::value(value))),
            _ => (key(element, &kinds), None),
        })
        .collect()
}

fn key(element: &Value, kinds: &[&str]) -> Key {
    let element = element.pointer("/elem/val").unwrap_or(element);
    match element.get("concat").and_then(Value::as_array) {
        Some(parts) => parts.iter().zip(kinds).map(|(field, kind)| part(field, kind)).collect(),
        None => vec![part(element, kinds.first().copied().unwrap_or_default())],
    }
}

fn part(value: &Value, kind: &str) -> Part {
    let text = value.as_str();
    match kind {
        "ifname" => Part::Device(text.unwrap_or_default().to_owned()),
        "ether_addr" => match text.and_then(|text| text.parse().ok()) {
            Some(mac) => Part::Mac(mac),
            None => unreadable(value),
        },
        "ipv4_addr" | "ipv6_addr" => addresses(value).unwrap_or_else(|| unreadable(value)),
        _ => numbers(value).unwrap_or_else(|| unreadable(value)),
    }
}

fn unreadable(value: &Value) -> Part {
    Part::Device(value.to_string())
}

fn addresses(value: &Value) -> Option<Part> {
    let one = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
    if let Some(prefix) = value.get("prefix") {
        let length = u8::try_from(prefix["len"].as_u64()?).ok()?;
        let span = Span::of(IpNet::new(one(&prefix["addr"])?, length).ok()?);
        return Some(Part::Address { first: span.first, last: span.last });
    }
    if let Some([first, last]) = value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return Some(Part::Address { first: one(first)?, last: one(last)? });
    }
    one(value).map(Part::ip)
}

fn numbers(value: &Value) -> Option<Part> {
    if let Some([first, last]) = value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return Some(Part::Number { first: number(first)?, last: number(last)? });
    }
    if let Some(prefix) = value.get("prefix") {
        // Raw bytes: 128 bits when they are this long.
        let first = number(&prefix["addr"])?;
        let host_bits = 128_u64.checked_sub(prefix["len"].as_u64()?)?;
        let last = first | u128::MAX.checked_shr(u32::try_from(128 - host_bits).ok()?).unwrap_or(0);
        return Some(Part::Number { first, last });
    }
    number(value).map(Part::number)
}

fn number(value: &Value) -> Option<u128> {
    match value {
        Value::Number(number) => number.as_u64().map(u128::from),
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u128::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    }
}

fn value(value: &Value) -> Part {
    match value.pointer("/goto/target").and_then(Value::as_str) {
        Some(chain) => Part::Goto(chain.to_owned()),
        None => numbers(value).unwrap_or_else(|| unreadable(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_come_back_as_they_were_written() {
        let listing = json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "inet", "name": "t"}},
            {"chain": {"name": LAYOUT}},
            {"set": {"name": "net4", "type": ["ifname", "ether_addr", "ipv4_addr"], "elem": [
                {"concat": ["tapa", "02:00:00:00:00:0a", {"prefix": {"addr": "0.0.0.0", "len": 0}}]}]}},
            {"set": {"name": "nd6", "type": ["ifname", "integer"], "elem": [
                {"concat": ["tapa", "0xfe800000000000000000000000000001"]}]}},
            {"map": {"name": "to", "type": "mark", "map": "verdict", "elem": [[5, {"goto": {"target": "x"}}]]}},
            {"chain": {"name": "x"}},
            {"rule": {"chain": "x", "comment": "isospin:1"}},
        ]});
        let table = table(&listing).expect("our layout");
        let everything = Part::Address {
            first: "0.0.0.0".parse().expect("ip"),
            last: "255.255.255.255".parse().expect("ip"),
        };
        let mac = Part::Mac("02:00:00:00:00:0a".parse().expect("mac"));
        let device = || Part::Device("tapa".to_owned());
        assert!(table.sets["net4"].elements.contains_key(&vec![device(), mac, everything]));
        let address = Part::number(0xfe80_0000_0000_0000_0000_0000_0000_0001_u128);
        assert!(table.sets["nd6"].elements.contains_key(&vec![device(), address]));
        let goto = table.sets["to"].elements[&vec![Part::number(5_u8)]].clone();
        assert_eq!(goto, Some(Part::Goto("x".to_owned())));
        assert_eq!(table.chains["x"].rules[0].mark, "isospin:1");
    }

    #[test]
    fn another_layout_is_not_read() {
        assert_eq!(table(&json!({"nftables": [{"chain": {"name": "layout_0"}}]})), None);
    }
}
