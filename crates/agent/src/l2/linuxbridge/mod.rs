//! Kernel bridge per network, VXLAN device per tunnelled network, taps as ports.
//! Needs no daemon.

pub mod apply;
pub mod intent;
mod mechanism;
pub mod observe;
pub mod owned;
pub mod plan;
mod sides;
#[cfg(test)]
mod tests;

pub use intent::Intent;
pub use mechanism::LinuxBridge;
pub use observe::Observed;
