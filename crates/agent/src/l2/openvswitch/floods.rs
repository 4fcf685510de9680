//! Frames of a network to its ports on this host: to one, and to all of them. Pure.
//!
//! A frame for all costs the switch as little as their rules allow, for each new instance
//! sends some, and the switch thinks about each anew when flows change:
//!
//! * ARP and neighbour discovery, which every port gets, leave by all of them at once (62);
//! * what belongs to no connection is judged once for each profile, and leaves by all of its
//!   ports at once (63);
//! * all else goes to each port through its own rules, as all does to ports whose frames
//!   are limited or tagged on their way out.

use std::collections::{BTreeMap, BTreeSet};

use isospin_host_io::openflow::{Action, Field, FlowTable};
use isospin_types::MacAddr;

use crate::firewall::openflow::register::{COPY, NET, PORT, PORTION, PROFILE, UNTRACKED};
use crate::firewall::openflow::{ALIKE, STATELESS, add, table};

/// Ports one flow floods to: their actions must fit one message.
const PORTION_SIZE: usize = 200;

/// A network, and who is on it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    pub vlan: u16,
    /// Port its frames leave by.
    pub way_out: Option<u32>,
    /// Of a physical network: the VLAN there, if any.
    pub outside: Option<Option<u16>>,
    pub receivers: Vec<Receiver>,
}

/// A port of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// As registers call it.
    pub number: u32,
    pub macs: BTreeSet<MacAddr>,
    /// What the profile register holds for it; `None` without filters.
    pub profile: Option<u32>,
    /// Frames for it leave by the port of that number as they are.
    pub is_plain: bool,
}

impl Around {
    /// Adds the flows.
    pub fn add(&self, flows: &mut FlowTable) {
        let vlan = self.vlan;
        if let (Some(outside), Some(port)) = (self.outside, self.way_out) {
            let (tag, translate) = match outside {
                Some(id) => (Field::Vlan(id), Action::SetVlan(vlan)),
                None => (Field::Untagged, Action::PushVlan(vlan)),
            };
            let actions = [translate, Action::Resubmit(table::PACKET_RATE_LIMIT)];
            add(flows, table::LOCAL_SWITCHING, 3, [Field::InPort(port), tag], actions);
        }
        self.ways(flows);
        self.floods(flows);
        for receiver in &self.receivers {
            receiver.add(flows, vlan);
        }
    }

    /// Where frames go that are not for one known port.
    fn ways(&self, flows: &mut FlowTable) {
        let vlan = self.vlan;
        for (priority, to_group) in [(80, true), (70, false)] {
            // From outside: to ports here only.
            let inward =
                [Action::Load(NET, vlan.into()), Action::StripVlan, Action::Resubmit(table::LOCAL_FLOOD)];
            add(flows, table::TRANSIENT, priority, [Field::Vlan(vlan), Field::ToGroup(to_group)], inward);
            let mut onward = vec![Action::Resubmit(table::LOCAL_FLOOD)];
            let outward = |port| [Action::PushVlan(vlan), Action::Output(port)];
            onward.extend(self.way_out.into_iter().flat_map(outward));
            add(flows, table::FORWARD, priority / 10, [self.net(), Field::ToGroup(to_group)], onward);
        }
    }

    fn net(&self) -> Field {
        Field::Register(NET, self.vlan.into())
    }

    fn floods(&self, flows: &mut FlowTable) {
        let net = self.net();
        let each = |to_group| {
            // An unknown receiver can only be behind a port without filters.
            let receivers = self.receivers.iter().filter(move |port| to_group || port.profile.is_none());
            receivers.map(Receiver::through_rules).collect()
        };
        for to_group in [true, false] {
            let fields = [net, Field::ToGroup(to_group)];
            in_portions(flows, (table::LOCAL_FLOOD, 10), &fields, each(to_group));
        }
        let at_once =
            self.receivers.iter().map(|port| port.at_once().unwrap_or_else(|| port.through_rules()));
        in_portions(flows, (table::FLOOD_TO_ALL, 10), &[net], at_once.collect());

        let mut profiles: BTreeMap<u32, Vec<Action>> = BTreeMap::new();
        let mut judged = Vec::new();
        for port in &self.receivers {
            match (port.at_once(), port.profile) {
                (Some(out), Some(profile)) => profiles.entry(profile | STATELESS).or_default().push(out),
                (Some(out), None) => judged.push(out),
                (None, _) => judged.push(port.through_rules()),
            }
        }
        for (profile, ports) in profiles {
            judged.push(Action::Clone(vec![
                Action::Load(PROFILE, profile),
                Action::Load(PORT, ALIKE),
                Action::Untrack,
                Action::Resubmit(table::RULES_INGRESS),
            ]));
            let fields = [net, Field::Register(PROFILE, profile)];
            in_portions(flows, (table::FLOOD_TO_ALIKE, 10), &fields, ports);
        }
        let untracked = [net, Field::ToGroup(true), Field::Register(UNTRACKED, 1)];
        in_portions(flows, (table::LOCAL_FLOOD, 15), &untracked, judged);
    }
}

/// A flow that does all of this, or several, each of which goes on with the next.
fn in_portions(flows: &mut FlowTable, (table, priority): (u8, u16), fields: &[Field], actions: Vec<Action>) {
    let count = actions.len().div_ceil(PORTION_SIZE);
    for (index, portion) in (0..).zip(actions.chunks(PORTION_SIZE)) {
        let mut actions = portion.to_vec();
        if (index as usize) + 1 < count {
            actions.push(Action::Clone(vec![Action::Load(PORTION, index + 1), Action::Resubmit(table)]));
        }
        let fields = fields.iter().copied().chain([Field::Register(PORTION, index)]);
        add(flows, table, priority, fields, actions);
    }
}

impl Receiver {
    /// A copy for it through its rules.
    fn through_rules(&self) -> Action {
        let to = Action::Load(PORT, self.number);
        Action::Clone(vec![to, Action::Load(COPY, 1), Action::Resubmit(table::BASE_INGRESS)])
    }

    /// The same for a frame it gets whatever its rules say. Nothing goes back to its sender.
    fn at_once(&self) -> Option<Action> {
        self.is_plain.then_some(Action::Output(self.number))
    }

    /// What is for its addresses. Two ports of a network may share one: these flows are the
    /// network's, and the first port stays.
    fn add(&self, flows: &mut FlowTable, vlan: u16) {
        for mac in &self.macs {
            let to = Field::EthDst(*mac);
            let load = [Action::Load(PORT, self.number), Action::Load(NET, vlan.into())];
            let deliver = [Action::StripVlan, Action::Resubmit(table::BASE_INGRESS)];
            add(flows, table::TRANSIENT, 90, [Field::Vlan(vlan), to], load.into_iter().chain(deliver));
            let actions = [Action::Load(PORT, self.number), Action::Resubmit(table::BASE_INGRESS)];
            add(flows, table::ACCEPT_OR_INGRESS, 100, [Field::Register(NET, vlan.into()), to], actions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(number: u32, profile: Option<u32>, is_plain: bool) -> Receiver {
        let macs = BTreeSet::from([MacAddr::new([0, 0, 0, 0, 0, number as u8])]);
        Receiver { number, macs, profile, is_plain }
    }

    fn flows(receivers: Vec<Receiver>) -> FlowTable {
        let mut flows = FlowTable::default();
        Around { vlan: 5, way_out: None, outside: None, receivers }.add(&mut flows);
        flows
    }

    fn outputs(flows: &FlowTable, table: u8) -> Vec<u32> {
        let actions = flows.of(table).flat_map(|(.., actions)| actions);
        actions
            .filter_map(|action| if let Action::Output(port) = action { Some(*port) } else { None })
            .collect()
    }

    #[test]
    fn what_all_get_leaves_at_once_by_all_that_are_not_limited() {
        let flows =
            flows(vec![receiver(1, Some(1), true), receiver(2, None, true), receiver(3, Some(1), false)]);
        assert_eq!(outputs(&flows, table::FLOOD_TO_ALL), [1, 2]);
        let (.., actions) = flows.of(table::FLOOD_TO_ALL).next().expect("a flow");
        assert!(matches!(actions, [_, _, Action::Clone(_)]), "{actions:?}");
    }

    #[test]
    fn rules_judge_once_for_all_ports_of_a_profile() {
        let alike = (1..=250).map(|number| receiver(number, Some(1), true));
        let flows = flows(alike.chain([receiver(251, Some(2), true), receiver(252, None, true)]).collect());
        let judged = flows.of(table::LOCAL_FLOOD).find(|(priority, ..)| *priority == 15).expect("a flow").2;
        assert!(matches!(judged, [Action::Output(252), Action::Clone(_), Action::Clone(_)]), "{judged:?}");
        assert_eq!(
            flows.of(table::FLOOD_TO_ALIKE).count(),
            3,
            "two portions of one profile, one of the other"
        );
        assert_eq!(outputs(&flows, table::FLOOD_TO_ALIKE).len(), 251);
    }
}
