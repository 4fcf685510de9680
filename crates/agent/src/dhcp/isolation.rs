//! Which subnets have no router: their clients reach the metadata service
//! through the DHCP port.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use isospin_feed::facts::{Port, Subnet};
use isospin_types::{NetworkId, PortId};

/// Owners of ports that are a router's leg in a network.
const ROUTER_INTERFACES: [&str; 3] = [
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
];

/// The addresses routers hold in each network, kept up to date port by port.
#[derive(Debug, Default)]
pub struct RouterAddresses {
    by_network: HashMap<NetworkId, BTreeMap<PortId, Vec<IpAddr>>>,
    network_of: HashMap<PortId, NetworkId>,
}

impl RouterAddresses {
    /// Learns a port; returns whether its network's router addresses changed.
    pub fn set(&mut self, port: &Port) -> bool {
        if !ROUTER_INTERFACES.contains(&port.device_owner.as_str()) {
            return self.remove(port.id).is_some();
        }
        let addresses: Vec<IpAddr> = port.fixed_ips.iter().map(|fixed| fixed.ip_address).collect();
        self.network_of.insert(port.id, port.network_id);
        let ports = self.by_network.entry(port.network_id).or_default();
        ports.insert(port.id, addresses.clone()) != Some(addresses)
    }

    /// Forgets a port; returns its network when it was a router's.
    pub fn remove(&mut self, port: PortId) -> Option<NetworkId> {
        let network = self.network_of.remove(&port)?;
        if let Some(ports) = self.by_network.get_mut(&network) {
            ports.remove(&port);
        }
        Some(network)
    }

    /// Whether the subnet is version 4 and no router holds its gateway address.
    #[must_use]
    pub fn is_isolated(&self, subnet: &Subnet) -> bool {
        let held = |gateway: IpAddr| {
            let ports = self.by_network.get(&subnet.network_id);
            ports.is_some_and(|ports| ports.values().flatten().any(|address| *address == gateway))
        };
        subnet.cidr.addr().is_ipv4() && !subnet.gateway_ip.is_some_and(held)
    }
}
