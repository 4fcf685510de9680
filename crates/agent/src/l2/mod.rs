//! How ports of this host are wired: one folder for each driver, one line in [`driver`].
//!
//! A driver is a [`Mechanism`] of the party "l2": it makes bridges and tunnels, closes
//! and opens ports, and says of each whether it is up. What it is not told it leaves alone.

mod barrier;
mod bridge_firewall;
pub mod linuxbridge;
mod masquerade;
pub mod names;
pub mod openvswitch;
mod qos;
#[cfg(test)]
mod tests;

use isospin_feed::facts::{FactKey, Facts};
use isospin_host_io::{HostError, Place};

use crate::config::{AgentConfig, Wiring};
use crate::converge::{Item, ItemState, Mechanism, PassReport};
use crate::host_notices::HostNotices;

/// The driver this host is configured for. `notices` is where it puts what it watches.
#[must_use]
pub fn driver(config: &AgentConfig, place: Place, notices: &HostNotices) -> Box<dyn Mechanism> {
    match &config.wiring {
        Wiring::LinuxBridge => Box::new(linuxbridge::LinuxBridge::at(config, place)),
        Wiring::OpenVSwitch(switch) => {
            Box::new(openvswitch::OpenVSwitch::at(config, switch, place, notices.clone()))
        }
    }
}

/// Characters of an error a port's state quotes: a refused transaction is quoted line by
/// line, and ports need only its start.
const QUOTED: usize = 200;

/// The report of a pass that failed as a whole: every port of this host says why.
fn failed(facts: &Facts, config: &AgentConfig, error: &HostError) -> PassReport {
    let reason = error.reason();
    tracing::error!(error = %reason, mechanism = config.wiring.mechanism(), "the pass over ports failed");
    let reason: String = reason.chars().take(QUOTED).collect();
    let here = facts.ports.values().filter(|port| port.host == config.host);
    let failed = |id| Item { key: FactKey::Port(id), state: ItemState::Failed(reason.clone()) };
    let items = here.map(|port| failed(port.id)).collect();
    PassReport { items, retry: true, ..PassReport::default() }
}
