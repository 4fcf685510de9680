//! Narrow doors to the host: namespaces, netlink, nftables, sysctl, conntrack,
//! child processes and the changes others make. Everything an agent does to a
//! kernel passes through here, so that one place knows how each call fails.
//!
//! A door is opened at a [`Place`]: the namespace of this process or a named
//! one; tests of mechanisms use namespaces of their own.

mod bpf;
pub mod conntrack;
pub mod error;
pub mod links;
pub mod netns;
mod nfnetlink;
pub mod nft;
pub mod openflow;
pub mod ovsdb;
pub mod packet;
pub mod process;
pub mod raw;
mod readiness;
pub mod sysctl;
#[cfg(test)]
mod tests;
pub mod watch;

pub use conntrack::{Conntrack, Flow, FlowFilter, Marked};
pub use error::HostError;
pub use links::{
    Address, AddressScope, BridgeSpec, DeviceFilters, FdbEntry, FilterLoss, Link, LinkChange, LinkEvent,
    LinkEventKind, LinkEvents, Links, Neighbour, PacketRule, RouteEntry, RouteScope, VethSpec, VlanSpec,
    VxlanSpec, checksums_in_software,
};
pub use netns::{Namespace, Place};
pub use nft::{Nft, NftEvent, NftEvents, SetChange, SetElement, SetValue, SetVerb};
pub use openflow::Switch;
pub use ovsdb::Ovsdb;
pub use process::Tools;
pub use watch::{NamespaceChange, NamespaceWatch, SettingWatch};
