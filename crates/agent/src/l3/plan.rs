//! From what is and what should be to the steps between them. Pure; a plan
//! leaves nothing to decide to who carries it out.
//!
//! Order: rules before the devices whose traffic they judge, addresses before
//! routes through them, connections forgotten once the new rules stand, and
//! announcements last. A plan may be cut off after any step: the next one, made
//! from what is there then, ends in the same place.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_host_io::RouteEntry;
use isospin_types::MacAddr;

use super::intent::{Interface, Nat, RouterIntent};
use super::observe::{Device, Inside, Observed};
use super::table::{self, Listed, Whole};
use super::{conntrack_helpers, metering, owned, render};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    CreateNamespace,
    /// Writes our mark on `lo` and sets it up.
    Claim(String),
    /// Kernel settings, all in one visit.
    Settings(Vec<(String, String)>),
    /// A script that makes the table what it should be.
    Rules(String),
    /// A script that makes or removes the table of one conntrack helper.
    Helper(String),
    /// A script that makes or removes the table that keeps address scopes apart.
    Scopes(String),
    /// A script that makes or removes the table that limits what passes the gateway.
    Qos(String),
    /// A script that changes what is counted.
    Metering(String),
    /// Removes a pair of devices by its host end, then by its inner end.
    RemovePair {
        device: String,
        tap: String,
    },
    CreatePair {
        device: String,
        tap: String,
        mac: MacAddr,
        mtu: u32,
    },
    /// MTU of both ends.
    Resize {
        device: String,
        tap: String,
        mtu: u32,
    },
    /// A setting of one device.
    DeviceSetting {
        device: String,
        key: String,
        value: String,
    },
    RemoveAddress {
        device: String,
        net: IpNet,
    },
    AddAddress {
        device: String,
        net: IpNet,
    },
    SetUp {
        device: String,
    },
    RemoveRoute(RouteEntry),
    PutRoute(RouteEntry),
    /// Forgets the connections that contradict these translations.
    ForgetFlows(Nat),
    /// Tells neighbours where these addresses are now.
    Announce {
        device: String,
        mac: MacAddr,
        addresses: BTreeSet<IpAddr>,
    },
}

impl Step {
    /// Whether carrying it out changes something that stays on the host.
    pub(super) const fn is_change(&self) -> bool {
        !matches!(self, Self::ForgetFlows(_) | Self::Announce { .. })
    }
}

/// Settings of a router's namespace (reference/agents-and-dataplane §6.1, and
/// what IPv6 addresses need to be usable at once). Those whose kernel part is
/// missing are left out.
pub(super) const SETTINGS: [(&str, &str); 13] = [
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv4.conf.all.arp_announce", "2"),
    // A redirect would teach an instance the way around the translation of a
    // floating IP that lives on its own network.
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    // Without this an address takes the others of its network with it when it goes.
    ("net.ipv4.conf.all.promote_secondaries", "1"),
    // Only devices told so listen to announcements of others.
    ("net.ipv6.conf.all.accept_ra", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    // Addresses are given out once by the server; waiting for duplicates would
    // delay the router's own announcements.
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.ipv6.conf.default.forwarding", "1"),
    ("net.netfilter.nf_conntrack_tcp_be_liberal", "1"),
];

/// Keys whose values a plan needs to know.
pub(super) fn setting_keys(intent: &RouterIntent) -> Vec<String> {
    let fixed = SETTINGS.iter().map(|(key, _)| (*key).to_owned());
    fixed.chain(intent.interfaces.keys().map(|device| accept_ra_key(device))).collect()
}

fn accept_ra_key(device: &str) -> String {
    format!("net/ipv6/conf/{device}/accept_ra")
}

/// The steps that make the router what it should be; none when it is already.
/// Without `may_remove` only what stands in the way of something wanted goes.
pub(super) fn plan(intent: &RouterIntent, observed: &Observed, mark: &str, may_remove: bool) -> Vec<Step> {
    let mut planner = Planner { intent, steps: Vec::new(), may_remove };
    let nothing = Inside::default();
    let fresh = observed.inside.is_none();
    let inside = observed.inside.as_ref().unwrap_or(&nothing);
    if fresh {
        planner.steps.push(Step::CreateNamespace);
    }
    if inside.mark.as_deref() != Some(mark) || !inside.loopback_up {
        planner.steps.push(Step::Claim(mark.to_owned()));
    }
    planner.settings(inside, fresh);
    planner.rules(inside);
    planner.helpers(inside);
    planner.whole(intent.scopes.table(), inside.scopes.as_ref(), ("inet", owned::SCOPES_TABLE), Step::Scopes);
    planner.whole(intent.qos_table(), inside.qos.as_ref(), ("ip", owned::QOS_TABLE), Step::Qos);
    planner.metering(inside);
    planner.unwanted_devices(inside);
    let mut announcements = Vec::new();
    for (device, interface) in &intent.interfaces {
        let now = inside.devices.get(device);
        announcements.extend(planner.interface(device, interface, now, inside, observed));
    }
    planner.routes(inside);
    if may_remove && planner.steps.iter().any(|step| matches!(step, Step::Rules(_))) {
        planner.steps.push(Step::ForgetFlows(intent.nat.clone()));
    }
    planner.steps.extend(announcements);
    planner.steps
}

struct Planner<'a> {
    intent: &'a RouterIntent,
    steps: Vec<Step>,
    may_remove: bool,
}

impl Planner<'_> {
    fn settings(&mut self, inside: &Inside, fresh: bool) {
        let differs = |key: &str, value: &str| match inside.settings.get(key) {
            Some(now) => now != value,
            // Of a namespace not made yet nothing is known; later, absent means
            // that the kernel has no such setting.
            None => fresh,
        };
        let wanted = SETTINGS.iter().filter(|(key, value)| differs(key, value));
        let wanted: Vec<_> = wanted.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        if !wanted.is_empty() {
            self.steps.push(Step::Settings(wanted));
        }
    }

    fn rules(&mut self, inside: &Inside) {
        let wanted = render::expected(&self.intent.nat);
        let Some(now) = &inside.table else {
            self.steps.push(Step::Rules(render::replace(&self.intent.nat)));
            return;
        };
        let script = if (&now.chains, &now.rules) == (&wanted.chains, &wanted.rules) {
            render::change_elements(now, &wanted, self.may_remove)
        } else {
            render::replace(&self.intent.nat)
        };
        if !script.is_empty() {
            self.steps.push(Step::Rules(script));
        }
    }

    fn helpers(&mut self, inside: &Inside) {
        let (wanted, _) = conntrack_helpers::wanted(&self.intent.helpers);
        for name in inside.helpers.keys().filter(|name| self.may_remove && !wanted.contains_key(*name)) {
            self.steps.push(Step::Helper(conntrack_helpers::remove(name)));
        }
        for (name, script) in wanted {
            if inside.helpers.get(&name).map(String::as_str) != Some(conntrack_helpers::comment_of(&script)) {
                self.steps.push(Step::Helper(script));
            }
        }
    }

    /// Steps of a table that is written whole.
    fn whole(
        &mut self,
        wanted: Option<Whole>,
        now: Option<&Listed>,
        (family, name): (&str, &str),
        step: fn(String) -> Step,
    ) {
        match wanted {
            Some(wanted) if now != Some(&wanted.listed()) => self.steps.push(step(wanted.script())),
            None if self.may_remove && now.is_some() => self.steps.push(step(table::remove(family, name))),
            _ => {}
        }
    }

    fn metering(&mut self, inside: &Inside) {
        let device = self.intent.nat.gateway.as_ref().map_or("", |gateway| &gateway.device);
        let script =
            metering::script(device, &self.intent.metering, inside.metering.as_ref(), self.may_remove);
        self.steps.extend(script.map(Step::Metering));
    }

    fn unwanted_devices(&mut self, inside: &Inside) {
        if !self.may_remove {
            return;
        }
        for device in inside.devices.keys() {
            if self.intent.interfaces.contains_key(device) || self.intent.unknown.contains(device) {
                continue;
            }
            self.remove_pair(device, &owned::tap_of(device));
        }
    }

    fn remove_pair(&mut self, device: &str, tap: &str) {
        self.steps.push(Step::RemovePair { device: device.to_owned(), tap: tap.to_owned() });
    }

    /// Steps of one port; returns what to announce when all is in place.
    fn interface(
        &mut self,
        device: &str,
        wanted: &Interface,
        now: Option<&Device>,
        inside: &Inside,
        observed: &Observed,
    ) -> Option<Step> {
        let tap_mtu = observed.taps.get(&wanted.tap).copied();
        // A device with another MAC is another port's; one without its host end leads nowhere.
        let kept = now.filter(|now| now.mac == Some(wanted.mac) && tap_mtu.is_some());
        if kept.is_none() {
            if now.is_some() || tap_mtu.is_some() {
                self.remove_pair(device, &wanted.tap);
            }
            let (mac, mtu) = (wanted.mac, wanted.mtu);
            self.steps.push(Step::CreatePair {
                device: device.to_owned(),
                tap: wanted.tap.clone(),
                mac,
                mtu,
            });
        } else if kept.is_some_and(|now| now.mtu != wanted.mtu) || tap_mtu != Some(wanted.mtu) {
            let tap = wanted.tap.clone();
            self.steps.push(Step::Resize { device: device.to_owned(), tap, mtu: wanted.mtu });
        }
        self.accept_ra(device, wanted.accept_ra, kept.and(inside.settings.get(&accept_ra_key(device))));
        let nothing = BTreeSet::new();
        let present = kept.map_or(&nothing, |now| &now.addresses);
        let mut new: Vec<_> = wanted.addresses.difference(present).copied().collect();
        // The first address of a device is the one it speaks with: not a floating IP.
        new.sort_by_key(IpNet::prefix_len);
        let addresses: BTreeSet<_> = new.iter().map(IpNet::addr).collect();
        self.steps.extend(new.into_iter().map(|net| Step::AddAddress { device: device.to_owned(), net }));
        // After the new ones: a device that loses its last address loses its routes.
        if self.may_remove {
            let stale = present.difference(&wanted.addresses).copied();
            let device = || device.to_owned();
            self.steps.extend(stale.map(|net| Step::RemoveAddress { device: device(), net }));
        }
        if !kept.is_some_and(|now| now.up) {
            self.steps.push(Step::SetUp { device: device.to_owned() });
        }
        let announce = Step::Announce { device: device.to_owned(), mac: wanted.mac, addresses };
        matches!(&announce, Step::Announce { addresses, .. } if !addresses.is_empty()).then_some(announce)
    }

    fn accept_ra(&mut self, device: &str, wanted: bool, now: Option<&String>) {
        let value = if wanted { "2" } else { "0" };
        // A fresh device has the namespace's default, which is 0.
        if now.map_or("0", String::as_str) != value {
            let (key, value) = (accept_ra_key(device), value.to_owned());
            self.steps.push(Step::DeviceSetting { device: device.to_owned(), key, value });
        }
    }

    fn routes(&mut self, inside: &Inside) {
        // Routes go with their device.
        let gone: BTreeSet<&str> = self.steps.iter().filter_map(Step::removed_device).collect();
        let lost = |route: &&RouteEntry| route.link.as_deref().is_some_and(|link| gone.contains(link));
        let present: BTreeSet<&RouteEntry> = inside.routes.iter().filter(|route| !lost(route)).collect();
        let of_unknown =
            |route: &RouteEntry| route.link.as_ref().is_some_and(|link| self.intent.unknown.contains(link));
        let mut steps = Vec::new();
        for route in &present {
            let same = |other: &&RouteEntry| other.destination == route.destination;
            let unwanted = match self.intent.routes.iter().find(same) {
                // Putting the wanted one takes the place of this one, without a gap.
                Some(wanted) => wanted != *route && present.contains(wanted),
                None => self.may_remove && !of_unknown(route),
            };
            if unwanted {
                steps.push(Step::RemoveRoute((*route).clone()));
            }
        }
        let mut missing: Vec<_> =
            self.intent.routes.iter().filter(|route| !present.contains(route)).collect();
        // Next hops may be reachable by the direct routes only.
        missing.sort_by_key(|route| route.via.is_some());
        steps.extend(missing.into_iter().cloned().map(Step::PutRoute));
        self.steps.extend(steps);
    }
}

impl Step {
    /// The inner device this step removes.
    fn removed_device(&self) -> Option<&str> {
        match self {
            Self::RemovePair { device, .. } => Some(device),
            _ => None,
        }
    }
}
