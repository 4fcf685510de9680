//! How ports of this host are wired: one folder for each driver, one line in [`driver`].
//!
//! A driver is a [`Mechanism`] of the party "l2": it makes bridges and tunnels, closes
//! and opens ports, and says of each whether it is up. What it is not told it leaves alone.

mod barrier;
pub mod linuxbridge;
mod masquerade;
pub mod names;
pub mod openvswitch;
mod qos;
#[cfg(test)]
mod tests;

use isospin_host_io::Place;

use crate::config::{AgentConfig, Wiring};
use crate::converge::Mechanism;
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
