//! Groups folded once and kept: a pass folds again only what has changed since the last.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use isospin_feed::facts::{Direction, FactKey, Facts, IpVersion, SecurityGroupRule};
use isospin_types::{SecurityGroupId, SecurityGroupRuleId};

use super::members::{self, Members};
use super::shapes::Folding;
use super::{Group, Policy};
use crate::firewall::rule::{self, Named, OtherEnd, Refusal};

/// What is kept from one policy to the next.
#[derive(Debug, Default)]
pub struct Folds {
    /// `None`: nothing is known of what the facts were before.
    rules: Option<Rules>,
    groups: BTreeMap<SecurityGroupId, Folded>,
    members: BTreeMap<Named, Arc<Members>>,
}

/// The rules as they were last seen.
#[derive(Debug, Default)]
struct Rules {
    of_group: BTreeMap<SecurityGroupId, BTreeMap<SecurityGroupRuleId, Arc<SecurityGroupRule>>>,
    group_of: HashMap<SecurityGroupRuleId, SecurityGroupId>,
}

/// One group, both ways.
#[derive(Debug, Default)]
struct Folded {
    ingress: Arc<Group>,
    egress: Arc<Group>,
    refused: BTreeMap<SecurityGroupRuleId, Refusal>,
}

impl Folds {
    /// Knows all of these facts.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let mut folds = Self::default();
        folds.look(facts, None);
        folds
    }

    /// Trusts nothing any more: a pass failed, and with it perhaps the news of a change.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes in which facts have changed since the last look; `None`: all may have.
    pub fn look(&mut self, facts: &Facts, touched: Option<&BTreeSet<FactKey>>) {
        let (Some(rules), Some(touched)) = (&mut self.rules, touched) else {
            let mut rules = Rules::default();
            facts.security_group_rules.values().for_each(|rule| rules.insert(rule));
            *self = Self { rules: Some(rules), ..Self::default() };
            return;
        };
        for key in touched {
            match key {
                FactKey::SecurityGroupRule(id) => {
                    let was = rules.remove(id);
                    let now = facts.security_group_rules.get(id);
                    if let Some(rule) = now {
                        rules.insert(rule);
                    }
                    for group in was.into_iter().chain(now.map(|rule| rule.security_group_id)) {
                        self.groups.remove(&group);
                    }
                }
                FactKey::SecurityGroupMember(group, _) => {
                    self.members.remove(&Named::Members(*group));
                }
                FactKey::AddressGroup(group) => {
                    self.members.remove(&Named::Addresses(*group));
                }
                FactKey::Network(_)
                | FactKey::Subnet(_)
                | FactKey::Port(_)
                | FactKey::SecurityGroup(_)
                | FactKey::Router(_)
                | FactKey::FloatingIp(_)
                | FactKey::DhcpService(_) => {}
            }
        }
    }

    /// Gives the policy the groups its profiles use, and who is in those their rules name.
    pub(super) fn fill(&mut self, policy: &mut Policy, facts: &Facts) {
        let used: BTreeSet<SecurityGroupId> =
            policy.profiles.values().flat_map(|profile| profile.groups.iter().copied()).collect();
        self.groups.retain(|id, _| used.contains(id));
        let mut named = BTreeSet::new();
        for id in used {
            let rules = self.rules.as_ref().and_then(|rules| rules.of_group.get(&id));
            let folded = self.groups.entry(id).or_insert_with(|| Folded::of(rules));
            named.extend(folded.ingress.remotes.keys().chain(folded.egress.remotes.keys()).copied());
            policy.refused.extend(folded.refused.iter().map(|(id, refusal)| (*id, *refusal)));
            policy.groups.insert((id, Direction::Ingress), Arc::clone(&folded.ingress));
            policy.groups.insert((id, Direction::Egress), Arc::clone(&folded.egress));
        }
        self.members.retain(|name, _| named.contains(name));
        for name in named {
            let members = self.members.entry(name).or_insert_with(|| Arc::new(members::of(facts, name)));
            policy.members.insert(name, Arc::clone(members));
        }
    }
}

impl Rules {
    fn insert(&mut self, rule: &Arc<SecurityGroupRule>) {
        self.of_group.entry(rule.security_group_id).or_default().insert(rule.id, Arc::clone(rule));
        self.group_of.insert(rule.id, rule.security_group_id);
    }

    /// Forgets a rule; the group it was in.
    fn remove(&mut self, id: &SecurityGroupRuleId) -> Option<SecurityGroupId> {
        let group = self.group_of.remove(id)?;
        if let Some(rules) = self.of_group.get_mut(&group) {
            rules.remove(id);
            if rules.is_empty() {
                self.of_group.remove(&group);
            }
        }
        Some(group)
    }
}

impl Folded {
    fn of(rules: Option<&BTreeMap<SecurityGroupRuleId, Arc<SecurityGroupRule>>>) -> Self {
        let mut folded = Self::default();
        let rules: Vec<&SecurityGroupRule> =
            rules.into_iter().flat_map(BTreeMap::values).map(AsRef::as_ref).collect();
        folded.ingress = Arc::new(folded.one_way(&rules, Direction::Ingress));
        folded.egress = Arc::new(folded.one_way(&rules, Direction::Egress));
        folded
    }

    fn one_way(&mut self, rules: &[&SecurityGroupRule], direction: Direction) -> Group {
        let mut by_address: [Folding; 2] = Default::default();
        let mut by_group: BTreeMap<Named, [Folding; 2]> = BTreeMap::new();
        for rule in rules.iter().filter(|rule| rule.direction == direction) {
            match rule::check(rule) {
                Err(refusal) => {
                    self.refused.insert(rule.id, refusal);
                }
                Ok(checked) => {
                    let family = usize::from(checked.ip_version == IpVersion::V6);
                    let (folding, net) = match checked.other_end {
                        OtherEnd::Prefix(net) => (&mut by_address[family], net),
                        OtherEnd::OneOf(named) => (
                            &mut by_group.entry(named).or_default()[family],
                            rule::everything(checked.ip_version),
                        ),
                    };
                    folding.add(checked.traffic, net);
                }
            }
        }
        let [v4, v6] = by_address.map(Folding::finish);
        let remotes =
            by_group.into_iter().map(|(group, foldings)| (group, foldings.map(Folding::finish))).collect();
        Group { v4, v6, remotes }
    }
}
