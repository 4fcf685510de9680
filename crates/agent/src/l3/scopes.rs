//! Address scopes: what a router keeps apart, as one nftables table. Pure.
//!
//! Interfaces whose addresses are of the same scope forward to each other; all that
//! are in none belong together as well. Between scopes only what is translated
//! passes: towards the gateway by SNAT, inwards by a floating IP, and the replies.
//! A router none of whose interfaces is in a scope has no such table.

use std::collections::BTreeMap;

use isospin_types::AddressScopeId;

use super::owned::SCOPES_TABLE;
use super::table::{Chain, Whole};

/// After floating IPs are translated, before sources are.
const HOOK: &str = "filter hook forward priority 10";

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

impl Scopes {
    /// Devices other than `gateway` of the same IPv4 scope, which is one.
    pub(super) fn beside(&self, gateway: &str) -> Vec<&str> {
        let Some(Some(scope)) = self.v4.get(gateway) else { return Vec::new() };
        let same = self.v4.iter().filter(|(device, other)| *device != gateway && **other == Some(*scope));
        same.map(|(device, _)| device.as_str()).collect()
    }

    /// The table that keeps scopes apart, if there are any.
    pub(super) fn table(&self) -> Option<Whole> {
        let mut devices = self.v4.values().chain(self.v6.values());
        devices.any(Option::is_some).then(|| table(self))
    }
}

fn table(scopes: &Scopes) -> Whole {
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
            let name = format!("{family}_{number}");
            jumps.extend(members.iter().map(|device| format!("{device} : jump {name}")));
            let accept = format!("oifname {{ {} }} accept", members.join(", "));
            chains.push(Chain { name, hook: None, rules: vec![accept, "drop".to_owned()] });
        }
        entry.push(format!("meta nfproto {family} iifname vmap {{ {} }}", jumps.join(", ")));
        // What comes from a device we do not know enough of.
        entry.push(format!("meta nfproto {family} drop"));
    }
    chains.push(Chain { name: "forward".to_owned(), hook: Some(HOOK), rules: entry });
    Whole { family: "inet", name: SCOPES_TABLE, chains }
}
