//! Masquerading for physical networks whose gateway is this host.

use ipnet::IpNet;

use crate::config::AgentConfig;
use crate::firewall::nftables::Table;
use crate::firewall::nftables::base::LAYOUT;

/// The table that masquerades, when the configuration wants any.
#[must_use]
pub fn table(config: &AgentConfig) -> Option<Table> {
    let rules = rules(config);
    if rules.is_empty() {
        return None;
    }
    let mut table = Table::default();
    table.chain(LAYOUT, None, [""; 0]);
    table.chain("postrouting", Some(HOOK), rules);
    Some(table)
}

/// Where the rules belong.
pub const HOOK: &str = "type nat hook postrouting priority 100;";

/// The rules.
///
/// Only what came in by the network's bridge and was routed matches: bridged
/// packets pass the same hook, but without a device they came in by.
#[must_use]
pub fn rules(config: &AgentConfig) -> Vec<String> {
    config
        .physical_networks
        .values()
        .filter(|physical| physical.masquerade)
        .flat_map(|physical| {
            let bridge = &physical.bridge;
            physical.addresses.iter().map(move |address| {
                let ip = match address {
                    IpNet::V4(_) => "ip",
                    IpNet::V6(_) => "ip6",
                };
                format!(
                    "iifname \"{bridge}\" oifname != \"{bridge}\" {ip} saddr {} masquerade",
                    address.trunc()
                )
            })
        })
        .collect()
}

/// Kernel settings masquerading needs.
#[must_use]
pub fn settings(config: &AgentConfig) -> Vec<(String, String)> {
    let masqueraded = || {
        config.physical_networks.values().filter(|physical| physical.masquerade).flat_map(|p| &p.addresses)
    };
    let mut settings = Vec::new();
    if masqueraded().any(|address| matches!(address, IpNet::V4(_))) {
        settings.push(("net.ipv4.ip_forward".to_owned(), "1".to_owned()));
    }
    if masqueraded().any(|address| matches!(address, IpNet::V6(_))) {
        settings.push(("net.ipv6.conf.all.forwarding".to_owned(), "1".to_owned()));
    }
    settings
}
