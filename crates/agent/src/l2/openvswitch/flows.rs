//! How frames are switched: the integration bridge and those of physical networks. Pure.
//!
//! Every frame's way is explicit: nothing is learned on the integration bridge and no
//! action is NORMAL, so a port nobody knows gets nothing, whatever its VLAN tag.
//! Multicast goes to each port of the network through its own ingress rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isospin_host_io::openflow::{Action, Field, FlowTable};
use isospin_types::{MacAddr, NetworkId, PortId};

use super::intent::{Intent, Tap, Way};
use super::names;
use super::observe::Observed;
use super::shaping::Shaping;
use crate::config::OpenVSwitchConfig;
use crate::firewall::openflow::register::{COPY, NET, PORT, PORTION, SENDER};
use crate::firewall::openflow::{self, Placed, add, table};
use crate::firewall::policy::Policy;

/// Ports one flow floods to: their actions must fit one message.
const PORTION_SIZE: usize = 200;

/// Everything flows are made from.
#[derive(Debug)]
pub struct View<'a> {
    pub intent: &'a Intent,
    pub observed: &'a Observed,
    pub switch: &'a OpenVSwitchConfig,
    pub vlans: &'a BTreeMap<NetworkId, u16>,
    pub policy: &'a Arc<Policy>,
    pub shaping: &'a Shaping,
}

/// A port that is on the bridge and may pass frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub id: PortId,
    pub device: String,
    /// Number on the bridge of the port that carries its frames.
    pub ofport: u32,
    /// Tag they have there.
    pub tag: Option<u16>,
    /// Whether that port carries frames of several.
    pub is_shared: bool,
    pub placed: Placed,
    pub macs: BTreeSet<MacAddr>,
    /// Whether others may be behind it.
    pub is_open: bool,
}

impl Ready {
    /// From a frame for the port to what leaves the bridge.
    fn way_to(&self) -> Vec<Action> {
        if !self.is_shared {
            return vec![Action::OutputRegister(PORT)];
        }
        // Nothing leaves by the port it came in by, unless that is forgotten.
        let tag = self.tag.map(Action::PushVlan);
        std::iter::once(Action::ForgetInPort).chain(tag).chain([Action::Output(self.ofport)]).collect()
    }
}

impl View<'_> {
    /// The ports that are ready.
    #[must_use]
    pub fn ready(&self) -> Vec<Ready> {
        let bridge = &self.switch.integration_bridge;
        let carriers = || self.intent.taps.values().filter_map(|tap| tap.carrier.as_ref());
        let shared: BTreeSet<PortId> = carriers().map(|carrier| carrier.port).collect();
        let ready = |(id, tap): (&PortId, &Tap)| {
            let ofport = self.observed.carrier_of(bridge, *id, tap)?.ofport?;
            let tag = tap.carrier.as_ref().map(|carrier| carrier.vlan);
            // Numbers of ports have 16 bits.
            let number = tag.map_or(0, |tag| u32::from(tag) << 16) | ofport;
            let is_shared = tag.is_some() || shared.contains(id);
            let vlan = *self.vlans.get(&tap.network)?;
            let filtered = self.policy.ports.get(&tap.device);
            let is_open = self.policy.open.contains(&tap.device);
            let macs = filtered.map_or_else(|| BTreeSet::from([tap.mac]), |filtered| filtered.macs.clone());
            let (id, device, placed) = (*id, tap.device.clone(), Placed { number, vlan });
            Some(Ready { id, device, ofport, tag, is_shared, placed, macs, is_open })
        };
        self.intent.taps.iter().filter_map(ready).collect()
    }

    fn way_out(&self, way: &Way) -> Option<u32> {
        match way {
            Way::None => None,
            Way::Physical { bridge, .. } => self.observed.ofport(&names::patch("int", bridge)),
            Way::Tunnel { .. } => self.observed.ofport(names::PATCH_TUN),
        }
    }
}

/// The integration bridge, rules of groups aside.
#[must_use]
pub fn integration(view: &View<'_>, ready: &[Ready]) -> FlowTable {
    let mut flows = openflow::base();
    let checked = || [Action::Resubmit(table::PACKET_RATE_LIMIT)];
    if let Some(port) = view.observed.ofport(names::PATCH_TUN) {
        add(&mut flows, table::LOCAL_SWITCHING, 3, [Field::InPort(port)], checked());
    }
    for (id, way) in &view.intent.networks {
        let Some(&vlan) = view.vlans.get(id) else { continue };
        if let (Way::Physical { vlan: outside, .. }, Some(port)) = (way, view.way_out(way)) {
            let from = Field::InPort(port);
            add(&mut flows, table::LOCAL_SWITCHING, 2, [from], []);
            let (tag, translate) = match outside {
                Some(id) => (Field::Vlan(*id), Action::SetVlan(vlan)),
                None => (Field::Untagged, Action::PushVlan(vlan)),
            };
            let actions = [translate, Action::Resubmit(table::PACKET_RATE_LIMIT)];
            add(&mut flows, table::LOCAL_SWITCHING, 3, [from, tag], actions);
        }
        let here: Vec<&Ready> = ready.iter().filter(|port| port.placed.vlan == vlan).collect();
        network(&mut flows, vlan, view.way_out(way), &here);
    }
    for port in ready {
        let Some(begin) = openflow::port(&mut flows, view.policy, &port.device, port.placed) else {
            continue;
        };
        from(&mut flows, port, begin);
        to(&mut flows, port);
        view.shaping.add(&mut flows, port.id, port.placed.number, &port.way_to());
    }
    flows
}

/// What a port sends. Tagged frames would be taken for those of another network, so the
/// tag of a part of a trunk ends here, and no other passes.
fn from(flows: &mut FlowTable, port: &Ready, begin: Vec<Action>) {
    let Placed { number, vlan } = port.placed;
    let (tag, strip) = match port.tag {
        None => (Field::Untagged, None),
        Some(tag) => (Field::Vlan(tag), Some(Action::StripVlan)),
    };
    let known = [Action::Load(SENDER, number), Action::Resubmit(table::PACKET_RATE_LIMIT)];
    let fields = [Field::InPort(port.ofport), tag];
    add(flows, table::LOCAL_SWITCHING, 9, fields, strip.into_iter().chain(known));
    let load = [Action::Load(PORT, number), Action::Load(NET, vlan.into())];
    let fields = [Field::Register(SENDER, number), Field::Untagged];
    add(flows, table::TRANSIENT, 100, fields, load.into_iter().chain(begin));
}

/// What a port receives.
fn to(flows: &mut FlowTable, port: &Ready) {
    let Placed { number, vlan } = port.placed;
    for mac in &port.macs {
        let to = Field::EthDst(*mac);
        let load = [Action::Load(PORT, number), Action::Load(NET, vlan.into())];
        let deliver = [Action::StripVlan, Action::Resubmit(table::BASE_INGRESS)];
        add(flows, table::TRANSIENT, 90, [Field::Vlan(vlan), to], load.into_iter().chain(deliver));
        let actions = [Action::Load(PORT, number), Action::Resubmit(table::BASE_INGRESS)];
        add(flows, table::ACCEPT_OR_INGRESS, 100, [Field::Register(NET, vlan.into()), to], actions);
    }
    if port.is_shared {
        add(flows, table::DELIVER_BANDWIDTH, 5, [Field::Register(PORT, number)], port.way_to());
    }
}

/// Frames of a network that are not for one known port.
fn network(flows: &mut FlowTable, vlan: u16, way_out: Option<u32>, here: &[&Ready]) {
    let net = Field::Register(NET, vlan.into());
    for (priority, to_group) in [(80, true), (70, false)] {
        // From outside: to ports here only.
        let inward =
            [Action::Load(NET, vlan.into()), Action::StripVlan, Action::Resubmit(table::LOCAL_FLOOD)];
        add(flows, table::TRANSIENT, priority, [Field::Vlan(vlan), Field::ToGroup(to_group)], inward);
        let mut onward = vec![Action::Resubmit(table::LOCAL_FLOOD)];
        onward.extend(way_out.into_iter().flat_map(|port| [Action::PushVlan(vlan), Action::Output(port)]));
        add(flows, table::FORWARD, priority / 10, [net, Field::ToGroup(to_group)], onward);
        // An unknown receiver can only be behind a port without filters.
        let receivers: Vec<&Ready> = here.iter().copied().filter(|port| to_group || port.is_open).collect();
        for (index, portion) in receivers.chunks(PORTION_SIZE).enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let deliver = |port: &&Ready| {
                let to = Action::Load(PORT, port.placed.number);
                Action::Clone(vec![to, Action::Load(COPY, 1), Action::Resubmit(table::BASE_INGRESS)])
            };
            let mut actions: Vec<Action> = portion.iter().map(deliver).collect();
            if receivers.len() > (index as usize + 1) * PORTION_SIZE {
                actions.push(Action::Clone(vec![
                    Action::Load(PORTION, index + 1),
                    Action::Resubmit(table::LOCAL_FLOOD),
                ]));
            }
            let fields = [net, Field::ToGroup(to_group), Field::Register(PORTION, index)];
            add(flows, table::LOCAL_FLOOD, 10, fields, actions);
        }
    }
}

/// The bridge of a physical network: tags of this host become those of the network.
#[must_use]
pub fn physical(view: &View<'_>, bridge: &str) -> FlowTable {
    let mut flows = FlowTable::default();
    add(&mut flows, 0, 0, [], [Action::Normal]);
    let Some(inner) = view.observed.ofport(&names::patch("phy", bridge)) else { return flows };
    add(&mut flows, 0, 2, [Field::InPort(inner)], []);
    for (id, way) in &view.intent.networks {
        let Some(&vlan) = view.vlans.get(id) else { continue };
        if let Way::Physical { bridge: on, vlan: outside } = way
            && on == bridge
        {
            let translate = outside.map_or(Action::StripVlan, Action::SetVlan);
            let fields = [Field::InPort(inner), Field::Vlan(vlan)];
            add(&mut flows, 0, 4, fields, [translate, Action::Normal]);
        }
    }
    flows
}
