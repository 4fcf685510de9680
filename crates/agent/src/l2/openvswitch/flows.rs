//! How frames are switched: the integration bridge and those of physical networks. Pure.
//!
//! Every frame's way is explicit: nothing is learned on the integration bridge and no
//! action is NORMAL, so a port nobody knows gets nothing, whatever its VLAN tag.
//! Multicast goes to each port of the network its rules let it through to ([`super::floods`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isospin_host_io::openflow::{Action, Field, FlowTable};
use isospin_types::{MacAddr, NetworkId, PortId};

use super::floods::{Around, Receiver};
use super::intent::{Intent, Tap, Way};
use super::layers::{Layer, Source};
use super::observe::Observed;
use super::shaping::{Shaped, Shaping};
use super::{OpenVSwitchConfig, names};
use crate::firewall::openflow::register::{NET, PORT, SENDER};
use crate::firewall::openflow::{self, Judged, Placed, Rules, add, table};
use crate::firewall::policy::Policy;

/// Everything flows are made from.
#[derive(Debug)]
pub struct View<'a> {
    pub intent: &'a Intent,
    pub observed: &'a Observed,
    pub switch: &'a OpenVSwitchConfig,
    pub vlans: &'a BTreeMap<NetworkId, u16>,
    /// Of ports on the integration bridge.
    pub numbers: &'a BTreeMap<PortId, u32>,
    pub policy: &'a Arc<Policy>,
    pub shaping: &'a Shaping,
}

/// A port that may pass frames on the bridge, as soon as the switch has its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
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
}

impl Numbered {
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
    /// The ports that may pass frames.
    #[must_use]
    pub fn numbered(&self) -> Vec<Numbered> {
        let carriers = || self.intent.taps.values().filter_map(|tap| tap.carrier.as_ref());
        let shared: BTreeSet<PortId> = carriers().map(|carrier| carrier.port).collect();
        let numbered = |(id, tap): (&PortId, &Tap)| {
            let by = tap.carrier.as_ref().map_or(id, |carrier| &carrier.port);
            let ofport = *self.numbers.get(by)?;
            let tag = tap.carrier.as_ref().map(|carrier| carrier.vlan);
            // Numbers of ports have 16 bits.
            let number = tag.map_or(0, |tag| u32::from(tag) << 16) | ofport;
            let is_shared = tag.is_some() || shared.contains(id);
            let vlan = *self.vlans.get(&tap.network)?;
            let filtered = self.policy.ports.get(&tap.device);
            let macs = filtered.map_or_else(|| BTreeSet::from([tap.mac]), |filtered| filtered.macs.clone());
            let (id, device, placed) = (*id, tap.device.clone(), Placed { number, vlan });
            Some(Numbered { id, device, ofport, tag, is_shared, placed, macs })
        };
        let mut taken = BTreeSet::new();
        // Of two that would be the same to the switch the first stays.
        let numbered = self.intent.taps.iter().filter_map(numbered);
        numbered.filter(|port| taken.insert(port.placed.number)).collect()
    }

    fn way_out(&self, way: &Way) -> Option<u32> {
        match way {
            Way::None => None,
            Way::Physical { bridge, .. } => self.observed.ofport(&names::patch("int", bridge)),
            Way::Tunnel { .. } => self.observed.ofport(names::PATCH_TUN),
        }
    }
}

/// What the flows of a layer of the integration bridge are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Ports that lead to the tunnel bridge and to those of physical networks.
    Base {
        from_tunnels: Option<u32>,
        from_outside: BTreeSet<u32>,
    },
    Network(Around),
    Port {
        port: Numbered,
        judged: Judged,
        shaped: Option<Shaped>,
    },
    Rules(Rules),
}

/// The integration bridge. Ports the policy does not know get no flows: they stay closed.
#[must_use]
pub fn integration(view: &View<'_>, ports: &[Numbered]) -> BTreeMap<Layer, Part> {
    let mut parts: BTreeMap<Layer, Part> =
        Rules::of(view.policy).map(|(number, rules)| (Layer::Rules(number), Part::Rules(rules))).collect();
    let mut on_network: BTreeMap<u16, Vec<Receiver>> = BTreeMap::new();
    for port in ports {
        let Some(judged) = Judged::of(view.policy, &port.device) else { continue };
        let shaped = view.shaping.of_port(port.id).cloned();
        let receiver = Receiver {
            number: port.placed.number,
            macs: port.macs.clone(),
            profile: judged.profile(),
            is_plain: shaped.is_none() && !port.is_shared,
        };
        on_network.entry(port.placed.vlan).or_default().push(receiver);
        parts.insert(Layer::Port(port.id), Part::Port { port: port.clone(), judged, shaped });
    }
    let mut from_outside = BTreeSet::new();
    for (id, way) in &view.intent.networks {
        let Some(&vlan) = view.vlans.get(id) else { continue };
        let way_out = view.way_out(way);
        let outside = if let Way::Physical { vlan, .. } = way { Some(*vlan) } else { None };
        from_outside.extend(way_out.filter(|_| outside.is_some()));
        let receivers = on_network.remove(&vlan).unwrap_or_default();
        parts.insert(Layer::Network(*id), Part::Network(Around { vlan, way_out, outside, receivers }));
    }
    let from_tunnels = view.observed.ofport(names::PATCH_TUN);
    parts.insert(Layer::Base, Part::Base { from_tunnels, from_outside });
    parts
}

impl Source for Part {
    fn add(&self, flows: &mut FlowTable) {
        match self {
            Self::Base { from_tunnels, from_outside } => {
                openflow::base(flows);
                if let Some(port) = from_tunnels {
                    let checked = [Action::Resubmit(table::PACKET_RATE_LIMIT)];
                    add(flows, table::LOCAL_SWITCHING, 3, [Field::InPort(*port)], checked);
                }
                for port in from_outside {
                    add(flows, table::LOCAL_SWITCHING, 2, [Field::InPort(*port)], []);
                }
            }
            Self::Network(around) => around.add(flows),
            Self::Port { port, judged, shaped } => {
                let begin = judged.add(flows, port.placed);
                from(flows, port, begin);
                let out = port.way_to();
                if port.is_shared {
                    let to = Field::Register(PORT, port.placed.number);
                    add(flows, table::DELIVER_BANDWIDTH, 5, [to], out.clone());
                }
                if let Some(shaped) = shaped {
                    shaped.add(flows, port.placed.number, &out);
                }
            }
            Self::Rules(rules) => rules.add(flows),
        }
    }
}

/// What a port sends. Tagged frames would be taken for those of another network, so the
/// tag of a part of a trunk ends here, and no other passes.
fn from(flows: &mut FlowTable, port: &Numbered, begin: Vec<Action>) {
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
