//! Numbers of ports on the integration bridge. Pure.
//!
//! A port is given its number as soon as it is wanted here, and its row asks the switch for it
//! (`ofport_request`): its flows are there before its device is, and once the switch has taken
//! the device nothing is left to do. What somebody else puts into the bridge, as os-vif does,
//! has the number the switch gives it, and flows follow that.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use isospin_types::PortId;

use super::intent::Intent;
use super::observe::Observed;
use crate::firewall::policy::numbering;

/// The switch leaves the upper half of its numbers to who asks for one of them; the highest
/// have names (`OFPP_MAX`).
const NUMBERS: RangeInclusive<u32> = 0x8000..=0xfeff;

/// The number of each port that has a device of its own on the bridge, or will. One that is to
/// come is made from the port's identifier, so it stays when the agent starts anew.
#[must_use]
pub fn numbers(intent: &Intent, observed: &Observed, bridge: &str) -> BTreeMap<PortId, u32> {
    let on_bridge = observed.ports.values().filter(|port| port.bridge == bridge);
    let mut taken: BTreeSet<u32> = on_bridge.filter_map(|port| port.ofport).collect();
    let (mut numbers, mut asked, mut to_come) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (id, tap) in intent.taps.iter().filter(|(_, tap)| tap.carrier.is_none()) {
        let port = observed.port_of(bridge, *id, &tap.device);
        match port.map(|port| (port.ofport, port.requested)) {
            Some((Some(given), _)) => numbers.extend([(*id, given)]),
            Some((None, Some(number))) => asked.push((*id, number)),
            Some((None, None)) | None => to_come.push(*id),
        }
    }
    for (id, number) in asked {
        match taken.insert(number) {
            true => numbers.extend([(id, number)]),
            // The switch will give it another, or none.
            false => to_come.push(id),
        }
    }
    let made = |id: PortId| Some((id, numbering::free(&id.to_string(), &NUMBERS, &mut taken)?));
    numbers.extend(to_come.into_iter().filter_map(made));
    numbers
}

#[cfg(test)]
mod tests {
    use isospin_types::{MacAddr, NetworkId};

    use super::super::intent::Tap;
    use super::super::observe::Port;
    use super::*;

    fn wanted(count: usize) -> Intent {
        let mut intent = Intent::default();
        for index in 0..count {
            let tap = Tap {
                device: format!("tap{index}"),
                network: NetworkId::random(),
                mac: MacAddr::new([2, 0, 0, 0, 0, 1]),
                mtu: 1500,
                carrier: None,
            };
            intent.taps.insert(PortId::random(), tap);
        }
        intent
    }

    fn there(name: &str, ofport: Option<u32>, requested: Option<u32>) -> (String, Port) {
        let (name, bridge) = (name.to_owned(), "br-int".to_owned());
        (name.clone(), Port { name, bridge, ofport, requested, ..Port::default() })
    }

    #[test]
    fn each_port_to_come_has_a_number_of_its_own_that_stays() {
        let mut intent = wanted(2000);
        let first = numbers(&intent, &Observed::default(), "br-int");
        let distinct: BTreeSet<u32> = first.values().copied().collect();
        assert_eq!(distinct.len(), 2000);
        assert!(distinct.iter().all(|number| NUMBERS.contains(number)));
        assert_eq!(numbers(&intent, &Observed::default(), "br-int"), first);
        // Who has gone leaves its number; all but a few that had met it keep theirs.
        let gone = *intent.taps.keys().next().expect("a port");
        intent.taps.remove(&gone);
        let after = numbers(&intent, &Observed::default(), "br-int");
        assert!(after.iter().filter(|(id, number)| first.get(id) != Some(number)).count() < 100);
    }

    #[test]
    fn what_the_switch_has_given_counts_and_then_what_it_was_asked_for() {
        let intent = wanted(3);
        let ids: Vec<PortId> = intent.taps.keys().copied().collect();
        let devices: Vec<&str> = intent.taps.values().map(|tap| tap.device.as_str()).collect();
        let alone = numbers(&intent, &Observed::default(), "br-int");
        let (given, asked) = (alone[&ids[2]], 0x9000);
        let observed = Observed {
            ports: [there(devices[0], Some(given), Some(7)), there(devices[1], None, Some(asked))].into(),
            ..Observed::default()
        };
        let numbers = numbers(&intent, &observed, "br-int");
        assert_eq!((numbers[&ids[0]], numbers[&ids[1]]), (given, asked));
        assert!(![given, asked].contains(&numbers[&ids[2]]), "no two have the same");
    }
}
