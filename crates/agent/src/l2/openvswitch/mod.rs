//! Open vSwitch: `br-int` with all ports of the host, `br-tun` with the tunnels to other
//! hosts, and a bridge for each physical network, joined by patch ports.
//!
//! Bridges and ports are rows of its database ([`plan`]), what they do with frames is
//! flows ([`flows`], and the firewall's in `firewall/openflow`). Ports and the switch
//! itself are watched: a port that appears, an `ovs-vswitchd` that restarts, wake the
//! loop. Why it is built this way: `docs/adr/0006-open-vswitch.md`.

mod config;
mod floods;
mod flows;
mod guard;
mod hybrid;
pub mod intent;
mod items;
mod layers;
mod mechanism;
mod names;
mod numbers;
pub mod observe;
mod plan;
mod programmer;
mod shaping;
#[cfg(test)]
mod tests;
mod tunnels;
mod watch;

pub use config::{DatapathType, OpenVSwitchConfig, SwitchFirewall, TunnelType};
pub use mechanism::OpenVSwitch;
