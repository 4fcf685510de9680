//! Addresses a port may send from: its own, its link-local ones and its pairs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_feed::facts::Port;
use isospin_types::MacAddr;

use super::shapes::{Span, merged};

/// Pairs of MAC and IP a port may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Single addresses.
    pub single: BTreeSet<(MacAddr, IpAddr)>,
    /// Ranges, from address pairs with a prefix; without overlaps for each MAC.
    pub spans: BTreeSet<(MacAddr, Span)>,
}

impl Sources {
    /// What this port may use.
    #[must_use]
    pub fn of(port: &Port) -> Self {
        let mut single: BTreeSet<(MacAddr, IpAddr)> =
            port.fixed_ips.iter().map(|fixed| (port.mac, fixed.ip_address)).collect();
        single.insert((port.mac, IpAddr::V6(port.mac.link_local())));
        let mut wide: BTreeMap<(MacAddr, bool), Vec<IpNet>> = BTreeMap::new();
        for pair in &port.allowed_address_pairs {
            single.insert((pair.mac, IpAddr::V6(pair.mac.link_local())));
            if pair.ip.prefix_len() == pair.ip.max_prefix_len() {
                single.insert((pair.mac, pair.ip.addr()));
            } else {
                let is_v6 = matches!(pair.ip, IpNet::V6(_));
                wide.entry((pair.mac, is_v6)).or_default().push(pair.ip.trunc());
            }
        }
        let spans = wide
            .into_iter()
            .flat_map(|((mac, _), nets)| merged(nets).into_iter().map(move |span| (mac, span)))
            .collect();
        Self { single, spans }
    }

    /// Whether the port may send from this pair.
    #[must_use]
    pub fn allow(&self, mac: MacAddr, ip: IpAddr) -> bool {
        self.single.contains(&(mac, ip))
            || self.spans.iter().any(|(own, span)| *own == mac && span.contains(ip))
    }

    /// The single addresses, whatever their MAC.
    pub fn exact(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.single.iter().map(|(_, ip)| *ip)
    }
}
