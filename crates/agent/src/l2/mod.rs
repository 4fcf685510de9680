//! How ports of this host are wired: one folder for each driver, with its [`Wiring`].
//!
//! A driver is a [`Mechanism`] of the party "l2": it makes bridges and tunnels, closes
//! and opens ports, and says of each whether it is up. What it is not told it leaves alone.

mod barrier;
mod bridge_firewall;
pub mod linuxbridge;
mod masquerade;
pub mod openvswitch;
mod qos;
#[cfg(test)]
mod tests;

use std::fmt;

use isospin_feed::facts::{FactKey, Facts};
use isospin_host_io::{HostError, Place};
use serde_json::Value;

use crate::config::AgentConfig;
use crate::converge::{Item, ItemState, Mechanism, PassReport};
use crate::host_notices::HostNotices;

/// A way to wire ports, as it is configured: all the rest of the agent knows of it.
pub trait Wiring: fmt::Debug + Send + Sync {
    /// Name of the mechanism, as the server knows it.
    fn mechanism(&self) -> &'static str;

    /// Whether frames pass a switch in userspace, which hands checksums on as they are.
    fn is_in_userspace(&self) -> bool;

    /// Whether ports can be wired so on a host that is configured so.
    ///
    /// # Errors
    /// Which key cannot be what it is.
    fn check(&self, config: &AgentConfig) -> Result<(), String>;

    /// What the host says of itself: `configurations` of its agent, with the keys operators
    /// know (reference/agents-and-dataplane §9).
    fn configurations(&self, config: &AgentConfig) -> Value;

    /// The driver for a host that is a namespace, or this one. `notices` is where it puts
    /// what it watches.
    fn driver(&self, config: &AgentConfig, place: Place, notices: &HostNotices) -> Box<dyn Mechanism>;
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
