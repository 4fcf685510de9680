//! Real packets: each test is a host in a namespace with guests behind taps.

mod busy;
mod closing;
mod corpus;
mod facts;
mod flows;
mod flush;
mod frames;
mod groups;
mod lab;
mod meters;
mod networks;
mod qos;
mod scale;
mod spoofing;
mod trunks;
mod tunnels;
mod wiring;

use nix::unistd::geteuid;

/// Whether namespaces can be made; says aloud when they cannot.
fn can_run() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: needs root to make network namespaces");
    }
    root
}
