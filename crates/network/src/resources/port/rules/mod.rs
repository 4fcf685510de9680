//! Pure decisions about ports.

pub mod addresses;
pub mod checks;
pub mod reach;
pub mod references;
pub mod security;

pub use addresses::{Demand, demands};
