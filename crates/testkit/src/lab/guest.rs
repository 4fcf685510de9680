//! Instances: namespaces with one interface.

use std::net::IpAddr;

use super::{Host, Temporary};

/// An instance with eth0.
#[derive(Debug)]
pub struct Guest {
    pub namespace: Temporary,
}

impl Host {
    /// Makes the tap of a port, with an instance behind it, as a hypervisor does.
    #[must_use]
    pub fn plug(&self, tap: &str, mac: &str, addresses: &[IpAddr], mtu: u32) -> Guest {
        let namespace = Temporary::new("guest");
        let guest = namespace.name();
        self.namespace.run(&format!(
            "ip link add {tap} type veth peer name eth0 address {mac} mtu {mtu} netns {guest}"
        ));
        namespace.run("ip link set lo up");
        namespace.run("ip link set eth0 up");
        for ip in addresses {
            let (length, how) = if ip.is_ipv4() { (24, "") } else { (64, "nodad") };
            namespace.run(&format!("ip address add {ip}/{length} dev eth0 {how}"));
        }
        Guest { namespace }
    }
}

impl Guest {
    /// Whether an answer comes within a few tries.
    #[must_use]
    pub fn reaches(&self, ip: IpAddr) -> bool {
        self.namespace.succeeds(&format!("ping -c 1 -W 1 {ip}"))
            || self.namespace.succeeds(&format!("ping -c 3 -i 0.3 -W 1 {ip}"))
    }

    /// Whether nothing comes back.
    #[must_use]
    pub fn misses(&self, ip: IpAddr) -> bool {
        !self.namespace.succeeds(&format!("ping -c 2 -i 0.2 -W 1 {ip}"))
    }
}
