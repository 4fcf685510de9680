//! What one network's server knows: its subnets and the fixed addresses of every
//! port. Changing one port touches one entry, whatever the size of the network.
//!
//! A client is who its Ethernet address says (the bridge lets a port send only
//! from its own); unknown ones do not exist here.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use isospin_feed::facts::Port;
use isospin_types::{MacAddr, PortId, SubnetId};

use super::encode;
use super::extra::{self, Extra};
use super::wire4::RawOption;

/// A lease time that never ends (RFC 2131 §3.3).
pub const INFINITE: u32 = u32::MAX;

/// The server of one network, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Of the DHCP port.
    pub mac: MacAddr,
    /// Of the network, without the Ethernet header.
    pub mtu: u16,
    /// Seconds.
    pub lease_time: u32,
    /// Domain given to clients; "" for none.
    pub domain: String,
}

/// A subnet whose addresses are handed out by DHCPv4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet4 {
    pub prefix: Ipv4Net,
    /// The DHCP port's address here: who answers, and whom clients ask to renew.
    pub server: Ipv4Addr,
    /// What all its clients get, the most important first; no times, no host name.
    pub options: Vec<RawOption>,
}

/// A subnet served by DHCPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet6 {
    pub prefix: Ipv6Net,
    /// Addresses are handed out; otherwise only options.
    pub stateful: bool,
    pub dns: Vec<Ipv6Addr>,
}

/// Everything a network's clients are told apart from their own leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub server: Server,
    pub subnets4: BTreeMap<SubnetId, Subnet4>,
    pub subnets6: BTreeMap<SubnetId, Subnet6>,
}

/// What one port gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub port: PortId,
    /// In the order of the port's fixed IPs.
    pub addresses4: Vec<(SubnetId, Ipv4Addr)>,
    pub addresses6: Vec<(SubnetId, Ipv6Addr)>,
    /// "" when the address makes the name.
    pub host_name: String,
    pub extra4: Vec<Extra>,
    pub extra6: Vec<Extra>,
}

impl Lease {
    /// The lease of a port, and what of its extra options was refused, one line each.
    #[must_use]
    pub fn of(port: &Port) -> (Self, Vec<String>) {
        let mut lease = Self {
            port: port.id,
            addresses4: Vec::new(),
            addresses6: Vec::new(),
            host_name: String::new(),
            extra4: Vec::new(),
            extra6: Vec::new(),
        };
        if encode::is_name(&port.hostname) {
            port.hostname.trim_end_matches('.').clone_into(&mut lease.host_name);
        }
        for fixed in &port.fixed_ips {
            match fixed.ip_address {
                IpAddr::V4(address) => lease.addresses4.push((fixed.subnet_id, address)),
                IpAddr::V6(address) => lease.addresses6.push((fixed.subnet_id, address)),
            }
        }
        let mut refused = Vec::new();
        for option in &port.extra_dhcp_opts {
            match extra::parse(option) {
                Ok(extra) if option.ip_version == 6 => lease.extra6.push(extra),
                Ok(extra) => lease.extra4.push(extra),
                Err(error) => refused.push(error.to_string()),
            }
        }
        (lease, refused)
    }

    /// The host name for a client with this address: the port's, or the address
    /// written as Neutron does, `host-10-0-0-5`.
    #[must_use]
    pub fn host_name(&self, address: Ipv4Addr) -> String {
        if self.host_name.is_empty() {
            let [a, b, c, d] = address.octets();
            return format!("host-{a}-{b}-{c}-{d}");
        }
        self.host_name.split('.').next().unwrap_or_default().to_owned()
    }
}

/// The state of one network's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leases {
    service: Service,
    by_mac: HashMap<MacAddr, Lease>,
    mac_of: HashMap<PortId, MacAddr>,
}

impl Leases {
    /// A server without clients.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self { service, by_mac: HashMap::new(), mac_of: HashMap::new() }
    }

    /// What is the same for all clients.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// Changes what is the same for all clients; their leases stay.
    pub fn set_service(&mut self, service: Service) {
        self.service = service;
    }

    /// The lease of the client with this address.
    #[must_use]
    pub fn get(&self, mac: MacAddr) -> Option<&Lease> {
        self.by_mac.get(&mac)
    }

    /// Makes or replaces the lease of a port.
    pub fn set(&mut self, mac: MacAddr, lease: Lease) {
        let port = lease.port;
        if self.mac_of.get(&port).is_some_and(|before| *before != mac) {
            self.remove(port);
        }
        self.mac_of.insert(port, mac);
        self.by_mac.insert(mac, lease);
    }

    /// Forgets a port. A lease that another port took over with the same
    /// Ethernet address stays.
    pub fn remove(&mut self, port: PortId) {
        let Some(mac) = self.mac_of.remove(&port) else { return };
        if self.by_mac.get(&mac).is_some_and(|lease| lease.port == port) {
            self.by_mac.remove(&mac);
        }
    }

    /// Ports with a lease here.
    pub fn ports(&self) -> impl Iterator<Item = PortId> + '_ {
        self.mac_of.keys().copied()
    }

    /// A client's addresses in the subnets served here, its first first.
    pub fn addresses4<'a>(&'a self, lease: &'a Lease) -> impl Iterator<Item = (&'a Subnet4, Ipv4Addr)> + 'a {
        lease
            .addresses4
            .iter()
            .filter_map(|(subnet, address)| Some((self.service.subnets4.get(subnet)?, *address)))
    }

    /// As [`Leases::addresses4`], for version 6.
    pub fn addresses6<'a>(&'a self, lease: &'a Lease) -> impl Iterator<Item = (&'a Subnet6, Ipv6Addr)> + 'a {
        lease
            .addresses6
            .iter()
            .filter_map(|(subnet, address)| Some((self.service.subnets6.get(subnet)?, *address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::testing::{mac, port, service};

    #[test]
    fn a_port_that_takes_over_an_address_keeps_it_when_the_old_one_goes() {
        let mut leases = Leases::new(service());
        let (old, new) = (port("fa:16:3e:00:00:01", "10.0.0.5"), port("fa:16:3e:00:00:01", "10.0.0.6"));
        leases.set(old.mac, Lease::of(&old).0);
        leases.set(new.mac, Lease::of(&new).0);
        leases.remove(old.id);
        assert_eq!(leases.get(new.mac).map(|lease| lease.port), Some(new.id));
        leases.remove(new.id);
        assert_eq!(leases.get(new.mac), None);
        assert_eq!(leases.ports().count(), 0);
    }

    #[test]
    fn a_changed_ethernet_address_leaves_no_lease_behind() {
        let mut leases = Leases::new(service());
        let port = port("fa:16:3e:00:00:01", "10.0.0.5");
        leases.set(port.mac, Lease::of(&port).0);
        leases.set(mac("fa:16:3e:00:00:02"), Lease::of(&port).0);
        assert_eq!(leases.get(port.mac), None);
        assert_eq!(leases.get(mac("fa:16:3e:00:00:02")).map(|lease| lease.port), Some(port.id));
    }

    #[test]
    fn a_host_name_that_is_no_name_is_replaced_by_one_of_the_address() {
        let address = Ipv4Addr::new(10, 0, 0, 5);
        for (given, want) in [
            ("web", "web"),
            ("web.example.org.", "web"),
            ("", "host-10-0-0-5"),
            ("a b", "host-10-0-0-5"),
            ("x\nrouter=evil", "host-10-0-0-5"),
        ] {
            let mut port = port("fa:16:3e:00:00:01", "10.0.0.5");
            port.hostname = given.to_owned();
            assert_eq!(Lease::of(&port).0.host_name(address), want, "{given:?}");
        }
    }
}
