//! Names of ports (reference/agents-and-dataplane §1.2).

use std::net::IpAddr;

use isospin_types::PortId;

use crate::firewall::policy::numbering::hash;

/// Longest name the kernel takes.
const LONGEST: usize = 15;

/// End at the tunnel bridge of the pair between it and the integration bridge.
pub const PATCH_INT: &str = "patch-int";
/// Its other end.
pub const PATCH_TUN: &str = "patch-tun";

/// The devices of a port that is plugged in by way of a kernel bridge of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HybridNames {
    pub tap: String,
    pub bridge: String,
    /// Pair between the two: its end in the kernel bridge, and the one in the switch.
    pub near: String,
    pub far: String,
}

impl HybridNames {
    /// Those of a port, as os-vif makes them.
    #[must_use]
    pub fn of(port: PortId) -> Self {
        let suffix = port.device_suffix();
        let [tap, bridge, near, far] = ["tap", "qbr", "qvb", "qvo"].map(|prefix| format!("{prefix}{suffix}"));
        Self { tap, bridge, near, far }
    }

    /// Those that are no ports of the switch.
    #[must_use]
    pub fn before_switch(self) -> [String; 3] {
        [self.tap, self.bridge, self.near]
    }
}

/// Whether a device has the name of a port's tap: nobody else gives such names.
#[must_use]
pub fn is_tap(device: &str) -> bool {
    let is_hex = |part: &str, length| part.len() == length && part.bytes().all(|it| it.is_ascii_hexdigit());
    let suffix = device.strip_prefix("tap").and_then(|suffix| suffix.split_once('-'));
    suffix.is_some_and(|(first, rest)| is_hex(first, 8) && is_hex(rest, 2))
}

/// `int-<bridge>` or `phy-<bridge>`; long ones end in a hash.
#[must_use]
pub fn patch(prefix: &str, bridge: &str) -> String {
    let name = format!("{prefix}-{bridge}");
    if name.len() <= LONGEST {
        return name;
    }
    let kept: String = name.chars().take(LONGEST - 6).collect();
    format!("{kept}{:06x}", hash(bridge) & 0xff_ffff)
}

/// `vxlan-0a000005`: the kind and the address of the other end.
#[must_use]
pub fn tunnel(kind: &str, remote: IpAddr) -> String {
    match remote {
        IpAddr::V4(ip) => format!("{kind}-{:08x}", u32::from(ip)),
        IpAddr::V6(ip) => {
            let hash = hash(&ip.to_string());
            format!("{kind}-{:08x}", (hash ^ hash >> 32) & 0xffff_ffff)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_of_ports_are_told_from_those_of_others() {
        let port: PortId = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".parse().expect("id");
        assert!(is_tap(&HybridNames::of(port).tap));
        for other in ["tap0", "tap-vpn", "tap0f1e2d3c-4", "tap0f1e2d3c-4g", "qvo0f1e2d3c-4b", "eth0"] {
            assert!(!is_tap(other), "{other}");
        }
    }
}
