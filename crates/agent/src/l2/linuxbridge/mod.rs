//! Kernel bridge per network, VXLAN device per tunnelled network, taps as ports.
//! Needs no daemon.

pub mod apply;
mod config;
pub mod intent;
mod mechanism;
mod names;
pub mod observe;
pub mod owned;
pub mod plan;
mod sides;
#[cfg(test)]
mod tests;

pub use config::LinuxBridgeConfig;
pub use intent::Intent;
pub use mechanism::LinuxBridge;
pub use observe::Observed;
