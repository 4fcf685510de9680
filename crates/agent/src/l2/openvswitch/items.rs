//! What the mechanism says of ports and rules. Pure.

use std::collections::BTreeMap;

use isospin_feed::facts::FactKey;
use isospin_types::{PortId, SecurityGroupRuleId};

use super::flows::{Numbered, View};
use super::intent;
use crate::converge::{Item, ItemState};
use crate::firewall::policy::Policy;

/// The state of every port of this host; the loop sends what is news.
pub fn items(
    view: &View<'_>,
    numbered: &[Numbered],
    failures: &BTreeMap<String, String>,
    unlimited: &BTreeMap<PortId, String>,
) -> Vec<Item> {
    let intent = view.intent;
    let numbers: BTreeMap<PortId, u32> = numbered.iter().map(|port| (port.id, port.ofport)).collect();
    let bridge = &view.switch.integration_bridge;
    let state = |id, tap: &intent::Tap| {
        let port = view.observed.carrier_of(bridge, id, tap);
        let number = port.and_then(|port| port.ofport);
        let error = port.map(|port| port.error.clone()).filter(|error| !error.is_empty());
        let carrier = tap.carrier.as_ref().map_or(&tap.device, |carrier| &carrier.device);
        let failure = failures.get(carrier).or_else(|| unlimited.get(&id)).cloned();
        match failure.or(error) {
            Some(reason) => ItemState::Failed(reason),
            None if number.is_some() && number == numbers.get(&id).copied() => ItemState::Up,
            None => ItemState::Down,
        }
    };
    let item = |id, state| Item { key: FactKey::Port(id), state };
    let taps = intent.taps.iter().map(|(id, tap)| item(*id, state(*id, tap)));
    let closed = intent.closed.keys().map(|id| item(*id, ItemState::Down));
    let impossible = intent.impossible.iter();
    let impossible = impossible.map(|(id, reason)| item(*id, ItemState::Failed(reason.clone())));
    taps.chain(closed).chain(impossible).collect()
}

/// A rule that allows nothing, for this reason.
pub fn rule_failed(id: SecurityGroupRuleId, reason: String) -> Item {
    Item { key: FactKey::SecurityGroupRule(id), state: ItemState::Failed(reason) }
}

/// Rules the policy left out, each with the reason.
pub fn left_out(policy: &Policy) -> Vec<Item> {
    policy.refused.iter().map(|(id, refusal)| rule_failed(*id, refusal.to_string())).collect()
}
