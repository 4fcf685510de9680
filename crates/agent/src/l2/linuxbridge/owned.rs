//! How a freshly started agent knows its own devices: by their alias.

use std::collections::BTreeSet;

use isospin_host_io::Link;
use isospin_types::{NetworkId, PortId};

use super::{Intent, Observed};

const MARK: &str = "isospin:";
const PORT: &str = "isospin:port:";

/// Alias of the bridge and the tunnel of a network.
#[must_use]
pub fn network_alias(id: NetworkId) -> String {
    format!("{MARK}network:{id}")
}

/// Alias of a bridge made for a physical network.
#[must_use]
pub fn physical_alias(name: &str) -> String {
    format!("{MARK}physical:{name}")
}

/// Alias of a tap that was wired by us; the device itself is its maker's.
#[must_use]
pub fn port_alias(id: PortId) -> String {
    format!("{PORT}{id}")
}

/// Whether we made this device.
#[must_use]
pub fn is_ours(link: &Link) -> bool {
    link.alias.as_deref().is_some_and(|alias| {
        (alias.starts_with("isospin:network:") && matches!(link.kind.as_str(), "bridge" | "vxlan" | "vlan"))
            || (alias.starts_with("isospin:physical:") && link.kind == "bridge")
    })
}

/// Whether we wired this tap.
#[must_use]
pub fn is_wired_by_us(link: &Link) -> bool {
    link.alias.as_deref().is_some_and(|alias| alias.starts_with(PORT))
}

/// Taps on bridges of others: not for our firewall to close.
#[must_use]
pub fn foreign_taps(intent: &Intent, observed: &Observed) -> BTreeSet<String> {
    observed
        .links
        .values()
        .filter(|link| link.name.starts_with("tap") && !intent.taps.contains_key(&link.name))
        .filter(|link| {
            observed
                .master_of(link)
                .is_some_and(|master| !is_ours(master) && !intent.bridges.contains_key(&master.name))
        })
        .map(|link| link.name.clone())
        .collect()
}
