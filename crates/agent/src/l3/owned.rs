//! How an agent recognises its own routers on a host, also after a restart with
//! nothing remembered. Decided before anything is written:
//!
//! - a namespace is ours when its name is `qrouter-<router id>` and the alias of
//!   its `lo` is our mark, which names the host: two agents on one machine leave
//!   each other's routers alone. A crash between making the namespace and marking
//!   it leaves an empty unmarked one; it is marked when its router is wanted
//!   again, and left alone otherwise;
//! - inside, devices named `qr-*` and `qg-*`, routes with our protocol number and
//!   the tables [`TABLE`], [`SCOPES_TABLE`], [`QOS_TABLE`], [`METERING_TABLE`] and [`HELPER_PREFIX`]`*`
//!   are ours; everything else there is somebody else's;
//! - outside, `tap<port id>` of a router port is ours when it is a veth device.

use isospin_types::{PortId, RouterId};

/// Protocol number of routes we make (rtnetlink(7), rtm_protocol); unassigned
/// in iproute2's rt_protos.
pub(super) const ROUTE_PROTOCOL: u8 = 73;

/// The nftables table of family `ip` we keep in each router's namespace.
pub(super) const TABLE: &str = "isospin_router";

/// What the names of the tables of conntrack helpers begin with, of the same family.
pub(super) const HELPER_PREFIX: &str = "isospin_helper_";
/// The nftables table of family `inet` there that keeps address scopes apart.
pub(super) const SCOPES_TABLE: &str = "isospin_scopes";
/// The nftables table of family `ip` there that limits what passes the gateway.
pub(super) const QOS_TABLE: &str = "isospin_qos";
/// The nftables table of family `inet` there that counts what passes the gateway.
pub(super) const METERING_TABLE: &str = "isospin_metering";

/// What the names of routers' namespaces begin with.
pub(super) const NAMESPACE_PREFIX: &str = "qrouter-";

pub(super) const INTERNAL_PREFIX: &str = "qr-";
pub(super) const GATEWAY_PREFIX: &str = "qg-";

pub(super) fn namespace_name(router: RouterId) -> String {
    format!("{NAMESPACE_PREFIX}{router}")
}

/// The router a namespace belongs to by its name.
pub(super) fn router_of(namespace: &str) -> Option<RouterId> {
    namespace.strip_prefix(NAMESPACE_PREFIX)?.parse().ok()
}

/// The alias of `lo` that marks a namespace as made by the agent of `host`.
pub(super) fn mark(host: &str) -> String {
    // The kernel takes 255 octets.
    let mut text = format!("isospin l3 {host}");
    while text.len() > 255 {
        text.pop();
    }
    text
}

pub(super) fn internal_device(port: PortId) -> String {
    format!("{INTERNAL_PREFIX}{}", port.device_suffix())
}

pub(super) fn gateway_device(port: PortId) -> String {
    format!("{GATEWAY_PREFIX}{}", port.device_suffix())
}

/// Whether a device inside a router's namespace is ours.
pub(super) fn is_router_device(name: &str) -> bool {
    name.starts_with(INTERNAL_PREFIX) || name.starts_with(GATEWAY_PREFIX)
}

/// The host's end of the pair whose other end is `device`.
pub(super) fn tap_of(device: &str) -> String {
    let suffix = device.strip_prefix(INTERNAL_PREFIX).or_else(|| device.strip_prefix(GATEWAY_PREFIX));
    format!("tap{}", suffix.unwrap_or(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_are_made_of() {
        let router = RouterId::random();
        assert_eq!(router_of(&namespace_name(router)), Some(router));
        assert_eq!(router_of("qrouter-mine"), None);
        assert_eq!(router_of("qdhcp-7a0cd1a9-4f2b-4b5e-8d8e-3c1f6d1a2b3c"), None);
        let port: PortId = "d3cfe9f0-33aa-4b5e-8d8e-3c1f6d1a2b3c".parse().expect("id");
        assert_eq!(internal_device(port), "qr-d3cfe9f0-33");
        assert_eq!(tap_of(&internal_device(port)), "tapd3cfe9f0-33");
        assert_eq!(tap_of(&gateway_device(port)), "tapd3cfe9f0-33");
    }

    #[test]
    fn the_mark_fits_into_an_alias_and_names_the_host() {
        assert_ne!(mark("a"), mark("b"));
        assert_eq!(mark(&"h".repeat(400)).len(), 255);
    }
}
