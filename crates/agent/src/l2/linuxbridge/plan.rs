//! Steps from what is to what should be. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_host_io::{BridgeSpec, Link, LinkChange, VlanSpec, VxlanSpec};
use isospin_types::MacAddr;

use super::intent::{Bridge, Intent, Tap, Vlan, Vxlan};
use super::observe::Observed;
use super::owned;

/// One thing to do. Steps are done in order; a failed one does not stop others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    CreateBridge {
        name: String,
        spec: BridgeSpec,
    },
    CreateVxlan {
        name: String,
        spec: VxlanSpec,
    },
    /// Keeps the host's own IPv6 away from a device that carries others' frames.
    DisableIpv6 {
        name: String,
    },
    Change {
        name: String,
        change: LinkChange,
    },
    AddAddress {
        name: String,
        net: IpNet,
    },
    AddEntry {
        name: String,
        mac: MacAddr,
        peer: IpAddr,
    },
    DeleteEntry {
        name: String,
        mac: MacAddr,
        peer: IpAddr,
    },
    CreateVlan {
        name: String,
        spec: VlanSpec,
    },
    /// Keeps the host's own addresses away from a device that needs IPv6 to answer.
    NoLinkLocal {
        name: String,
    },
    /// The tunnel device answers for this address.
    SetNeighbour {
        name: String,
        ip: IpAddr,
        mac: MacAddr,
    },
    DeleteNeighbour {
        name: String,
        ip: IpAddr,
    },
    /// A device of ours that nothing wants.
    Sweep {
        name: String,
    },
}

impl Step {
    /// The device it is about.
    #[must_use]
    pub fn device(&self) -> &str {
        match self {
            Self::CreateBridge { name, .. }
            | Self::CreateVxlan { name, .. }
            | Self::DisableIpv6 { name }
            | Self::Change { name, .. }
            | Self::AddAddress { name, .. }
            | Self::AddEntry { name, .. }
            | Self::DeleteEntry { name, .. }
            | Self::CreateVlan { name, .. }
            | Self::NoLinkLocal { name }
            | Self::SetNeighbour { name, .. }
            | Self::DeleteNeighbour { name, .. }
            | Self::Sweep { name } => name,
        }
    }
}

/// The steps: closing first, then bridges, tunnels, taps, and what is left over.
#[must_use]
pub fn plan(intent: &Intent, observed: &Observed, may_sweep: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    close_taps(intent, observed, may_sweep, &mut steps);
    for (name, bridge) in &intent.bridges {
        plan_bridge(name, bridge, observed, &mut steps);
    }
    for (name, vxlan) in &intent.vxlans {
        plan_vxlan(name, vxlan, observed, &mut steps);
    }
    for (name, vlan) in &intent.vlans {
        plan_vlan(name, vlan, observed, &mut steps);
    }
    for (name, tap) in &intent.taps {
        plan_tap(name, tap, observed, &mut steps);
    }
    if may_sweep {
        sweep(intent, observed, &mut steps);
    }
    steps
}

/// Takes taps out of their bridge whose port is down or gone.
fn close_taps(intent: &Intent, observed: &Observed, may_sweep: bool, steps: &mut Vec<Step>) {
    for link in observed.links.values().filter(|link| owned::is_wired_by_us(link)) {
        let is_down = intent.closed.contains_key(&link.name);
        let is_gone = may_sweep && !intent.taps.contains_key(&link.name);
        if is_down || is_gone {
            let master = link.master.is_some().then_some(None);
            let change = LinkChange { master, alias: Some(String::new()), ..LinkChange::default() };
            steps.push(Step::Change { name: link.name.clone(), change });
        }
    }
}

fn plan_bridge(name: &str, bridge: &Bridge, observed: &Observed, steps: &mut Vec<Step>) {
    let link = observed.links.get(name);
    if link.is_none() {
        let spec = BridgeSpec { mtu: bridge.mtu, alias: Some(bridge.alias.clone()), ..BridgeSpec::default() };
        steps.push(Step::CreateBridge { name: name.to_owned(), spec });
    }
    // A bridge somebody else made for a physical network stays as he made it.
    let is_ours = link.is_none_or(owned::is_ours) || !bridge.is_physical;
    let with_ipv6 = link.is_none() || observed.with_ipv6.contains(name);
    if is_ours && bridge.addresses.is_empty() && with_ipv6 {
        steps.push(Step::DisableIpv6 { name: name.to_owned() });
    }
    let mut change = LinkChange::default();
    if link.is_none_or(|link| !link.up) {
        change.up = Some(true);
    }
    if let (Some(mtu), Some(link)) = (bridge.mtu, link)
        && link.mtu != mtu
    {
        change.mtu = Some(mtu);
    }
    if let Some(link) = link
        && !bridge.is_physical
        && link.alias.as_deref() != Some(bridge.alias.as_str())
    {
        // Made by us, stopped before it was marked, or made by `os-vif`.
        change.alias = Some(bridge.alias.clone());
    }
    push_change(name, change, steps);
    for net in &bridge.addresses {
        if !observed.addresses.get(name).is_some_and(|nets| nets.contains(net)) {
            steps.push(Step::AddAddress { name: name.to_owned(), net: *net });
        }
    }
    if let Some(interface) = &bridge.interface {
        plan_interface(interface, name, observed, steps);
    }
}

fn plan_interface(interface: &str, bridge: &str, observed: &Observed, steps: &mut Vec<Step>) {
    let link = observed.links.get(interface);
    let mut change = LinkChange::default();
    if !link.is_some_and(|link| observed.is_in(link, bridge)) {
        change.master = Some(Some(bridge.to_owned()));
    }
    if !link.is_some_and(|link| link.up) {
        change.up = Some(true);
    }
    push_change(interface, change, steps);
}

fn plan_vxlan(name: &str, vxlan: &Vxlan, observed: &Observed, steps: &mut Vec<Step>) {
    let answers = vxlan.neighbours.is_some();
    // What a device does with what it does not know is decided when it is made.
    let differs = |link: &Link| link.group != vxlan.group || link.answers != answers;
    let is_other = observed.links.get(name).is_some_and(|link| owned::is_ours(link) && differs(link));
    if is_other {
        steps.push(Step::Sweep { name: name.to_owned() });
    }
    let link = observed.links.get(name).filter(|_| !is_other);
    if link.is_none() {
        let spec = vxlan_spec(vxlan, observed.underlay.clone());
        steps.push(Step::CreateVxlan { name: name.to_owned(), spec });
    }
    // Who answers neighbour solicitations has IPv6.
    match answers {
        true if link.is_none() || observed.with_link_local.contains(name) => {
            steps.push(Step::NoLinkLocal { name: name.to_owned() });
        }
        false if link.is_none() || observed.with_ipv6.contains(name) => {
            steps.push(Step::DisableIpv6 { name: name.to_owned() });
        }
        _ => {}
    }
    let mut change = LinkChange::default();
    if !link.is_some_and(|link| observed.is_in(link, &vxlan.bridge)) {
        change.master = Some(Some(vxlan.bridge.clone()));
    }
    if !link.is_some_and(|link| link.up) {
        change.up = Some(true);
    }
    if link.is_some_and(|link| link.mtu != vxlan.mtu) {
        change.mtu = Some(vxlan.mtu);
    }
    push_change(name, change, steps);
    if vxlan.group.is_none() {
        let fresh = (BTreeSet::new(), BTreeMap::new());
        let entries = observed.entries.get(name).filter(|_| link.is_some()).unwrap_or(&fresh.0);
        let neighbours = observed.neighbours.get(name).filter(|_| link.is_some()).unwrap_or(&fresh.1);
        plan_entries(name, vxlan, entries, steps);
        plan_neighbours(name, vxlan, neighbours, steps);
    }
}

fn vxlan_spec(vxlan: &Vxlan, underlay: Option<String>) -> VxlanSpec {
    VxlanSpec {
        vni: vxlan.vni,
        local: Some(vxlan.local),
        port: vxlan.port,
        learning: vxlan.group.is_some(),
        device: underlay.filter(|_| vxlan.group.is_some()),
        group: vxlan.group,
        answers: vxlan.neighbours.is_some(),
        mtu: Some(vxlan.mtu),
        alias: Some(vxlan.alias.clone()),
    }
}

fn plan_entries(name: &str, vxlan: &Vxlan, present: &BTreeSet<(MacAddr, IpAddr)>, steps: &mut Vec<Step>) {
    // New ones first: frames keep flowing while an address moves.
    steps.extend(vxlan.entries.difference(present).map(|&(mac, peer)| Step::AddEntry {
        name: name.to_owned(),
        mac,
        peer,
    }));
    steps.extend(present.difference(&vxlan.entries).map(|&(mac, peer)| Step::DeleteEntry {
        name: name.to_owned(),
        mac,
        peer,
    }));
}

fn plan_neighbours(name: &str, vxlan: &Vxlan, present: &BTreeMap<IpAddr, MacAddr>, steps: &mut Vec<Step>) {
    let none = BTreeMap::new();
    let wanted = vxlan.neighbours.as_ref().unwrap_or(&none);
    let missing = wanted.iter().filter(|(ip, mac)| present.get(*ip) != Some(*mac));
    let set =
        |(ip, mac): (&IpAddr, &MacAddr)| Step::SetNeighbour { name: name.to_owned(), ip: *ip, mac: *mac };
    steps.extend(missing.map(set));
    let gone = present.keys().filter(|ip| !wanted.contains_key(ip));
    steps.extend(gone.map(|ip| Step::DeleteNeighbour { name: name.to_owned(), ip: *ip }));
}

fn plan_vlan(name: &str, vlan: &Vlan, observed: &Observed, steps: &mut Vec<Step>) {
    let link = observed.links.get(name);
    if link.is_none() {
        let spec = VlanSpec {
            device: vlan.interface.clone(),
            vlan: vlan.vlan,
            mtu: Some(vlan.mtu),
            alias: Some(vlan.alias.clone()),
        };
        steps.push(Step::CreateVlan { name: name.to_owned(), spec });
    }
    if link.is_none() || observed.with_ipv6.contains(name) {
        steps.push(Step::DisableIpv6 { name: name.to_owned() });
    }
    let mut change = LinkChange::default();
    if !link.is_some_and(|link| observed.is_in(link, &vlan.bridge)) {
        change.master = Some(Some(vlan.bridge.clone()));
    }
    if !link.is_some_and(|link| link.up) {
        change.up = Some(true);
    }
    if link.is_some_and(|link| link.mtu != vlan.mtu) {
        change.mtu = Some(vlan.mtu);
    }
    push_change(name, change, steps);
}

fn plan_tap(name: &str, tap: &Tap, observed: &Observed, steps: &mut Vec<Step>) {
    let Some(link) = observed.links.get(name) else { return };
    if observed.with_ipv6.contains(name) {
        steps.push(Step::DisableIpv6 { name: name.to_owned() });
    }
    let mut change = LinkChange::default();
    if link.mtu != tap.mtu {
        change.mtu = Some(tap.mtu);
    }
    let alias = owned::port_alias(tap.port);
    if link.alias.as_deref() != Some(alias.as_str()) {
        change.alias = Some(alias);
    }
    push_change(name, change, steps);
    let mut change = LinkChange::default();
    if !observed.is_in(link, &tap.bridge) {
        change.master = Some(Some(tap.bridge.clone()));
    }
    if !link.up {
        change.up = Some(true);
    }
    push_change(name, change, steps);
}

/// Devices of ours that no fact wants; tunnels before the bridges they are in.
fn sweep(intent: &Intent, observed: &Observed, steps: &mut Vec<Step>) {
    let wanted = |name: &String| {
        intent.bridges.contains_key(name)
            || intent.vxlans.contains_key(name)
            || intent.vlans.contains_key(name)
    };
    for kind in ["vxlan", "vlan", "bridge"] {
        let ours = observed.links.values().filter(|link| link.kind == kind && owned::is_ours(link));
        steps.extend(
            ours.filter(|link| !wanted(&link.name)).map(|link| Step::Sweep { name: link.name.clone() }),
        );
    }
}

fn push_change(name: &str, change: LinkChange, steps: &mut Vec<Step>) {
    if change != LinkChange::default() {
        steps.push(Step::Change { name: name.to_owned(), change });
    }
}
