//! The host agent: makes what the server says true on this host.
//!
//! Data flows one way: feed -> facts -> intent (pure) -> plan (pure) -> apply.
//! Every mechanism (bridges and taps, firewall, routers, DHCP, metadata) is one
//! folder and implements [`converge::Mechanism`].

pub mod config;
pub mod converge;
pub mod dhcp;
pub mod firewall;
pub mod host_notices;
pub mod l2;
pub mod l3;
pub mod limits;
pub mod metadata;
pub mod session;
pub mod simulated;
pub mod status;

pub use converge::{AgentError, run};
