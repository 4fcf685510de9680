//! What the firewall of this host must let through, as typed values.
//!
//! Pure: facts and configuration in, [`Policy`] out. Ports with the same groups
//! share a profile, so adding a port to a host adds set elements, never rules.

mod difference;
mod folds;
mod members;
pub(crate) mod numbering;
mod shapes;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isospin_feed::facts::{Direction, Facts, Port};
use isospin_types::{MacAddr, PortId, SecurityGroupId, SecurityGroupRuleId};

pub use folds::Folds;
pub use members::Members;
pub use numbering::{ProfileNumbers, ZONES};
pub use shapes::{Folding, IcmpBox, Numbers, PortBox, Shapes, Span, merged};
pub use sources::Sources;

use crate::config::AgentConfig;
use crate::firewall::rule::{Named, Refusal};

/// The groups of a port, and whether running connections carry answers back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Profile {
    /// False when any of the groups is stateless: then every packet needs a rule
    /// of its own, whichever way it goes.
    pub stateful: bool,
    pub groups: BTreeSet<SecurityGroupId>,
}

/// What one group allows in one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub v4: Shapes,
    pub v6: Shapes,
    /// Other ends that are of a group: IPv4, IPv6. The spans in these shapes are
    /// whole address families.
    pub remotes: BTreeMap<Named, [Shapes; 2]>,
}

/// A port whose packets are filtered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilteredPort {
    pub port: PortId,
    /// The bridge it is on.
    pub bridge: String,
    /// Number of its profile.
    pub profile: u32,
    /// MACs it may send from and is reached at.
    pub macs: BTreeSet<MacAddr>,
    pub sources: Sources,
}

/// Everything the kernel must be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// By device name.
    pub ports: BTreeMap<String, FilteredPort>,
    /// Devices of ports of ours without filters: owned by the cloud itself, or
    /// with port security off.
    pub open: BTreeSet<String>,
    /// `tap*` devices on bridges that are not ours; they are left alone.
    pub foreign: BTreeSet<String>,
    /// Bridges of networks with their conntrack zone. `None`: the host itself is
    /// on this network, and its packets are in the host's own zone.
    pub bridges: BTreeMap<String, Option<u16>>,
    pub profiles: BTreeMap<u32, Profile>,
    pub groups: BTreeMap<(SecurityGroupId, Direction), Arc<Group>>,
    /// Addresses of the groups that rules name as the other end.
    pub members: BTreeMap<Named, Arc<Members>>,
    /// Rules left out, with the reason.
    pub refused: BTreeMap<SecurityGroupRuleId, Refusal>,
}

/// What the kernel holds already and should keep its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Conntrack zone by bridge: a new number would forget its connections.
    pub zones: BTreeMap<String, u16>,
}

impl Kept {
    /// The numbers a policy uses.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let zones = policy.bridges.iter().filter_map(|(bridge, zone)| Some((bridge.clone(), (*zone)?)));
        Self { zones: zones.collect() }
    }
}

impl Policy {
    /// The policy for the ports bound to this host, with what keeps each apart from ports
    /// it has nothing to do with; ports that are on none are left out. `folds` must have
    /// looked at these facts.
    #[must_use]
    pub fn of(
        facts: &Facts,
        config: &AgentConfig,
        bridge_of: impl Fn(&Port) -> Option<String>,
        foreign: BTreeSet<String>,
        kept: &Kept,
        folds: &mut Folds,
    ) -> Self {
        let mut policy = Self { foreign, ..Self::default() };
        let mut profiles = ProfileNumbers::default();
        let mut wanted: Vec<(&Port, String, Profile)> = Vec::new();
        for port in local_ports(facts, config) {
            let Some(bridge) = bridge_of(port) else { continue };
            if !policy.bridges.contains_key(&bridge) {
                policy.bridges.insert(bridge.clone(), None);
            }
            if port.is_trusted() || !port.port_security_enabled {
                policy.open.insert(port.tap_name());
            } else {
                wanted.push((port, bridge, profile_of(facts, port)));
            }
        }
        policy.set_zones(config, kept);
        let numbers = profiles.assign(wanted.iter().map(|(_, _, profile)| profile.clone()).collect());
        for (port, bridge, profile) in wanted {
            let Some(&number) = numbers.get(&profile) else { continue };
            policy.profiles.insert(number, profile);
            policy.ports.insert(port.tap_name(), filtered(port, bridge, number));
        }
        folds.fill(&mut policy, facts);
        policy
    }

    fn set_zones(&mut self, config: &AgentConfig, kept: &Kept) {
        let of_host: BTreeSet<&str> = config
            .physical_networks
            .values()
            .filter(|physical| !physical.addresses.is_empty())
            .map(|physical| physical.bridge.as_str())
            .collect();
        let separate = self.bridges.keys().filter(|bridge| !of_host.contains(bridge.as_str())).cloned();
        for (bridge, zone) in numbering::zones(separate.collect(), &kept.zones) {
            self.bridges.insert(bridge, Some(zone));
        }
    }

    /// Conntrack zone of a port's connections.
    #[must_use]
    pub fn zone_of(&self, port: &FilteredPort) -> u16 {
        self.bridges.get(&port.bridge).copied().flatten().unwrap_or(0)
    }

    /// Whether the host itself is on this port's network and may send to it.
    #[must_use]
    pub fn is_beside_host(&self, port: &FilteredPort) -> bool {
        matches!(self.bridges.get(&port.bridge), Some(None))
    }
}

/// Ports bound here that may pass packets at all.
fn local_ports<'a>(facts: &'a Facts, config: &'a AgentConfig) -> impl Iterator<Item = &'a Port> {
    facts.ports.values().map(AsRef::as_ref).filter(|port| port.host == config.host && port.admin_state_up)
}

/// The profile a port has.
#[must_use]
pub fn profile_of(facts: &Facts, port: &Port) -> Profile {
    let stateful = |id: &SecurityGroupId| facts.security_groups.get(id).is_none_or(|group| group.stateful);
    Profile {
        stateful: port.security_group_ids.iter().all(stateful),
        groups: port.security_group_ids.clone(),
    }
}

fn filtered(port: &Port, bridge: String, profile: u32) -> FilteredPort {
    let mut macs = BTreeSet::from([port.mac]);
    macs.extend(port.allowed_address_pairs.iter().map(|pair| pair.mac));
    let sources = Sources::of(port);
    FilteredPort { port: port.id, bridge, profile, macs, sources }
}
