//! The host's devices as plain values.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_host_io::{HostError, Link, Links, Place, sysctl};
use isospin_types::MacAddr;

use super::{Intent, owned};
use crate::l2::barrier::Barrier;

/// What is on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// By name.
    pub links: BTreeMap<String, Link>,
    /// Of the bridges of physical networks, by name.
    pub addresses: BTreeMap<String, BTreeSet<IpNet>>,
    /// Entries with a tunnel end, by VXLAN device.
    pub entries: BTreeMap<String, BTreeSet<(MacAddr, IpAddr)>>,
    /// Permanent ones, by VXLAN device.
    pub neighbours: BTreeMap<String, BTreeMap<IpAddr, MacAddr>>,
    /// The device with the address tunnels come from, where they need to know.
    pub underlay: Option<String>,
    /// Devices of ours that may give themselves IPv6 addresses.
    pub with_ipv6: BTreeSet<String>,
    /// Those that give themselves one of their link.
    pub with_link_local: BTreeSet<String>,
    pub barrier: Barrier,
}

impl Observed {
    /// The bridge a device is in.
    #[must_use]
    pub fn master_of(&self, link: &Link) -> Option<&Link> {
        let index = link.master?;
        self.links.values().find(|candidate| candidate.index == index)
    }

    /// Whether the device is in the bridge.
    #[must_use]
    pub fn is_in(&self, link: &Link, bridge: &str) -> bool {
        link.master.is_some() && link.master == self.links.get(bridge).map(|bridge| bridge.index)
    }

    /// Whether the tap carries frames of its network, or will as soon as somebody is behind it.
    /// One with a carrier is not ready before its bridge lets frames through: whoever spoke
    /// before would wait a second for the answer to his first ARP request.
    #[must_use]
    pub fn is_wired(&self, tap: &str, bridge: &str) -> bool {
        let passes = |link: &Link| !link.carrier || link.forwards != Some(false);
        self.links.get(tap).is_some_and(|link| link.up && self.is_in(link, bridge) && passes(link))
    }
}

/// Looks at the whole host.
///
/// # Errors
/// When netlink refuses.
pub async fn everything(links: &Links, place: &Place, intent: &Intent) -> Result<Observed, HostError> {
    let mut observed = Observed {
        links: links.list().await?.into_iter().map(|link| (link.name.clone(), link)).collect(),
        ..Observed::default()
    };
    observed.barrier = Barrier::read(links, &observed.links).await?;
    for (name, _) in intent.bridges.iter().filter(|(_, bridge)| !bridge.addresses.is_empty()) {
        read_addresses(&mut observed, links, name).await?;
    }
    if let Some(vxlan) = intent.vxlans.values().find(|vxlan| vxlan.group.is_some()) {
        let addresses = links.addresses(None).await?;
        let underlay = addresses.into_iter().find(|address| address.net.addr() == vxlan.local);
        observed.underlay = underlay.map(|address| address.link);
    }
    let vxlans: Vec<String> = observed
        .links
        .values()
        .filter(|link| link.kind == "vxlan" && owned::is_ours(link))
        .map(|link| link.name.clone())
        .collect();
    for name in vxlans {
        read_entries(&mut observed, links, &name).await?;
    }
    let ours = observed
        .links
        .values()
        .filter(|link| owned::is_ours(link) || intent.taps.contains_key(&link.name))
        .map(|link| link.name.clone())
        .collect();
    read_ipv6(&mut observed, place, ours).await?;
    Ok(observed)
}

/// Reads the touched devices again.
///
/// # Errors
/// When netlink refuses.
pub async fn again(
    observed: &mut Observed,
    links: &Links,
    place: &Place,
    touched: BTreeSet<String>,
) -> Result<(), HostError> {
    for name in &touched {
        let link = links.get(name).await?;
        observed.barrier.read_device(links, name, link.as_ref()).await?;
        match link {
            Some(link) => {
                if link.kind == "vxlan" && owned::is_ours(&link) {
                    read_entries(observed, links, name).await?;
                }
                observed.links.insert(name.clone(), link);
            }
            None => {
                observed.links.remove(name);
                observed.entries.remove(name);
                observed.neighbours.remove(name);
            }
        }
        if observed.addresses.contains_key(name) {
            read_addresses(observed, links, name).await?;
        }
    }
    let known: BTreeSet<u32> = observed.links.values().map(|link| link.index).collect();
    let masters = touched.iter().filter_map(|name| observed.links.get(name)?.master);
    if !masters.collect::<BTreeSet<u32>>().is_subset(&known) {
        // In a bridge that came without a word: whose it is decides about the tap.
        observed.links = links.list().await?.into_iter().map(|link| (link.name.clone(), link)).collect();
    }
    observed.barrier.read_rules(links).await?;
    read_ipv6(observed, place, touched).await
}

async fn read_addresses(observed: &mut Observed, links: &Links, bridge: &str) -> Result<(), HostError> {
    let nets = links.addresses(Some(bridge)).await?.into_iter().map(|address| address.net).collect();
    observed.addresses.insert(bridge.to_owned(), nets);
    Ok(())
}

async fn read_entries(observed: &mut Observed, links: &Links, vxlan: &str) -> Result<(), HostError> {
    let entries = links.fdb(vxlan).await?;
    let tunnelled = entries.into_iter().filter_map(|entry| Some((entry.mac, entry.dst?))).collect();
    observed.entries.insert(vxlan.to_owned(), tunnelled);
    let neighbours = links.neighbours(vxlan).await?.into_iter().filter(|neighbour| neighbour.permanent);
    let neighbours = neighbours.map(|neighbour| (neighbour.ip, neighbour.mac)).collect();
    observed.neighbours.insert(vxlan.to_owned(), neighbours);
    Ok(())
}

async fn read_ipv6(observed: &mut Observed, place: &Place, names: BTreeSet<String>) -> Result<(), HostError> {
    let present: Vec<String> = names.into_iter().filter(|name| observed.links.contains_key(name)).collect();
    let settings: Vec<String> = present.iter().map(|name| ipv6_setting(name)).collect();
    let values = sysctl::get_all(place, &settings).await?;
    let modes: Vec<String> = present.iter().map(|name| link_local_setting(name)).collect();
    let modes = sysctl::get_all(place, &modes).await?;
    for ((name, value), mode) in present.into_iter().zip(values).zip(modes) {
        // A kernel without IPv6 has no such settings, and gives no such addresses.
        for (value, set) in [(value, &mut observed.with_ipv6), (mode, &mut observed.with_link_local)] {
            if value.is_some_and(|value| value != "1") {
                set.insert(name.clone());
            } else {
                set.remove(&name);
            }
        }
    }
    Ok(())
}

/// The setting that keeps a device with IPv6 without an address of its link, when it is "1".
#[must_use]
pub fn link_local_setting(device: &str) -> String {
    format!("net/ipv6/conf/{device}/addr_gen_mode")
}

/// The setting that keeps a device without IPv6 addresses, when it is "1".
#[must_use]
pub fn ipv6_setting(device: &str) -> String {
    format!("net/ipv6/conf/{device}/disable_ipv6")
}
