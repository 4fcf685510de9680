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
use crate::config::OpenVSwitchConfig;
use crate::firewall::openflow::register::{NET, PORT, PORTION};
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
}

/// A port that is on the bridge and may pass frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub device: String,
    pub placed: Placed,
    pub macs: BTreeSet<MacAddr>,
    /// Whether others may be behind it.
    pub is_open: bool,
}

impl View<'_> {
    /// The ports that are ready.
    #[must_use]
    pub fn ready(&self) -> Vec<Ready> {
        let bridge = &self.switch.integration_bridge;
        let ready = |(id, tap): (&PortId, &Tap)| {
            let ofport = self.observed.port_of(bridge, *id, &tap.device)?.ofport?;
            let vlan = *self.vlans.get(&tap.network)?;
            let filtered = self.policy.ports.get(&tap.device);
            let is_open = self.policy.open.contains(&tap.device);
            let macs = filtered.map_or_else(|| BTreeSet::from([tap.mac]), |filtered| filtered.macs.clone());
            Some(Ready { device: tap.device.clone(), placed: Placed { ofport, vlan }, macs, is_open })
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
        // Tagged frames would be taken for those of another network.
        let from = Field::InPort(port.placed.ofport);
        add(&mut flows, table::LOCAL_SWITCHING, 9, [from, Field::Untagged], checked());
        let Placed { ofport, vlan } = port.placed;
        let mut actions = vec![Action::Load(PORT, ofport), Action::Load(NET, vlan.into())];
        actions.extend(begin);
        add(&mut flows, table::TRANSIENT, 100, [from], actions);
        for mac in &port.macs {
            let to = Field::EthDst(*mac);
            let load = [Action::Load(PORT, ofport), Action::Load(NET, vlan.into())];
            let deliver = [Action::StripVlan, Action::Resubmit(table::BASE_INGRESS)];
            let actions = load.into_iter().chain(deliver);
            add(&mut flows, table::TRANSIENT, 90, [Field::Vlan(vlan), to], actions);
            let actions = [Action::Load(PORT, ofport), Action::Resubmit(table::BASE_INGRESS)];
            let fields = [Field::Register(NET, vlan.into()), to];
            add(&mut flows, table::ACCEPT_OR_INGRESS, 100, fields, actions);
        }
    }
    flows
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
                let to = Action::Load(PORT, port.placed.ofport);
                Action::Clone(vec![to, Action::Resubmit(table::BASE_INGRESS)])
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
