//! Carries out steps. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use isospin_host_io::{HostError, Links, Place, sysctl};

use super::observe::{self, Observed};
use super::plan::Step;

/// What came of the steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub changes: u64,
    pub swept: u64,
    /// The first failure of each device.
    pub failures: BTreeMap<String, String>,
}

/// Does every step and reads the changed devices again, so that the next pass
/// starts from what is true.
pub async fn apply(links: &Links, place: &Place, observed: &mut Observed, steps: Vec<Step>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut touched = BTreeSet::new();
    for step in steps {
        touched.insert(step.device().to_owned());
        match one(links, place, &step).await {
            Ok(()) => {
                outcome.changes += 1;
                outcome.swept += u64::from(matches!(step, Step::Sweep { .. }));
                if let Step::AddAddress { name, net } = &step {
                    observed.addresses.entry(name.clone()).or_default().insert(*net);
                }
            }
            // The tap went away between looking and wiring: its port is down, not failed.
            Err(error)
                if error.is_not_found()
                    && matches!(step, Step::Change { .. })
                    && gone(links, &step).await => {}
            Err(error) => {
                let reason = error.reason();
                tracing::warn!(device = step.device(), error = %reason, "cannot wire a device");
                outcome.failures.entry(step.device().to_owned()).or_insert(reason);
            }
        }
    }
    if let Err(error) = observe::again(observed, links, place, touched).await {
        tracing::warn!(error = %error.reason(), "cannot read devices after changing them");
        outcome.failures.entry("netlink".to_owned()).or_insert(error.reason());
    }
    outcome
}

async fn gone(links: &Links, step: &Step) -> bool {
    step.device().starts_with("tap") && matches!(links.get(step.device()).await, Ok(None))
}

async fn one(links: &Links, place: &Place, step: &Step) -> Result<(), HostError> {
    match step {
        Step::CreateBridge { name, spec } => links.create_bridge(name, spec).await,
        Step::CreateVxlan { name, spec } => links.create_vxlan(name, spec).await,
        Step::DisableIpv6 { name } => switch_on(place, &observe::ipv6_setting(name)).await,
        Step::NoLinkLocal { name } => switch_on(place, &observe::link_local_setting(name)).await,
        Step::Change { name, change } => links.set(name, change).await,
        Step::AddAddress { name, net } => links.add_address(name, *net).await,
        Step::AddEntry { name, mac, peer } => links.append_fdb(name, *mac, *peer).await,
        Step::DeleteEntry { name, mac, peer } => links.delete_fdb(name, *mac, *peer).await,
        Step::CreateVlan { name, spec } => links.create_vlan(name, spec).await,
        Step::SetNeighbour { name, ip, mac } => links.replace_neighbour(name, *ip, *mac).await,
        Step::DeleteNeighbour { name, ip } => links.delete_neighbour(name, *ip).await,
        Step::Sweep { name } => links.delete(name).await,
    }
}

/// Sets a setting to 1, if the kernel has it: one without IPv6 has none of them.
async fn switch_on(place: &Place, setting: &str) -> Result<(), HostError> {
    match sysctl::set(place, setting, "1").await {
        Err(error) if error.is_not_found() => Ok(()),
        result => result.map(|_| ()),
    }
}
