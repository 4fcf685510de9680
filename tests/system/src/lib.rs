//! The real binary with real packets, on a host of its own.
//!
//! Each test calls [`Host::enter`] first: it moves to a fresh network and mount
//! namespace that looks like a host nobody has used yet. So tests meet neither each
//! other nor an Isospin that runs on this machine, and all they make (bridges,
//! tables, namespaces, files in /etc and /var/lib) ends with them, also when they fail.

mod cloud;
mod host;
mod inside;
mod ping;
mod probes;
mod region;
mod shape;
mod stream;
mod switch;
mod wait;

pub use cloud::{Cloud, DEMO, Halted, metadata};
pub use host::{Host, run};
pub use inside::inside;
pub use ping::{Ping, Pinged};
pub use probes::{OPEN, Probes, Seen};
pub use region::{Guest, Region};
pub use shape::{same_shape, shape};
pub use stream::{Stream, Streamed};
pub use switch::Switch;
pub use wait::until;
