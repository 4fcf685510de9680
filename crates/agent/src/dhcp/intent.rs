//! What a network served here should look like: pure, from facts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use isospin_feed::facts::{Facts, Ipv6Mode, Network, Port, Subnet};
use isospin_types::{MacAddr, NetworkId, SubnetId};

use super::encode;
use super::isolation::RouterAddresses;
use super::leases::{Server, Service, Subnet4, Subnet6};
use super::observe::mark;
use super::wire4::{RawOption, code};
use crate::config::{AgentConfig, Role};

/// Where instances ask for metadata.
pub const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What of the configuration matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub host: String,
    /// What shows that a namespace was made by this host's agent.
    pub mark: String,
    /// Seconds; all ones never end.
    pub lease_time: u32,
    pub domain: String,
    /// Whether metadata is served on this host.
    pub metadata: bool,
}

impl Settings {
    /// Taken from the agent's configuration.
    #[must_use]
    pub fn of(config: &AgentConfig) -> Self {
        Self {
            host: config.host.clone(),
            mark: mark(&config.host),
            lease_time: config.dhcp_lease_duration,
            domain: config.dns_domain.clone(),
            metadata: config.roles.contains(&Role::Metadata),
        }
    }
}

/// Whether this host serves a network.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// With this port.
    Here(Arc<Network>, Arc<Port>),
    /// Not, or not any more.
    Not,
    /// The facts it depends on have not arrived.
    Unknown,
}

/// Decides whether this host serves the network. A network that is down is not served.
#[must_use]
pub fn wanted(facts: &Facts, network: NetworkId, host: &str) -> Wanted {
    let Some(service) = facts.dhcp_services.get(&network) else { return Wanted::Not };
    let (Some(network), Some(port)) = (facts.networks.get(&network), facts.ports.get(&service.port_id))
    else {
        return Wanted::Unknown;
    };
    if port.host == host && network.admin_state_up {
        Wanted::Here(network.clone(), port.clone())
    } else {
        Wanted::Not
    }
}

/// `qdhcp-<network id>`.
#[must_use]
pub fn namespace_name(network: NetworkId) -> String {
    format!("qdhcp-{network}")
}

/// The network's namespace, devices and server as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkIntent {
    pub namespace: String,
    /// What shows that the namespace is ours.
    pub mark: String,
    /// The end on the host, for the network's bridge.
    pub tap: String,
    /// The end in the namespace.
    pub inside: String,
    pub mac: MacAddr,
    pub mtu: u32,
    pub addresses: BTreeSet<IpNet>,
    pub service: Service,
}

/// The intent for a network served by `port`, of whose subnets these are all.
#[must_use]
pub fn intent(
    network: &Network,
    port: &Port,
    subnets: &[Arc<Subnet>],
    routers: &RouterAddresses,
    settings: &Settings,
) -> NetworkIntent {
    let mtu = u16::try_from(network.mtu).unwrap_or(u16::MAX);
    let by_id: BTreeMap<SubnetId, &Subnet> = subnets.iter().map(|subnet| (subnet.id, &**subnet)).collect();
    let mut addresses = BTreeSet::new();
    let mut subnets4 = BTreeMap::new();
    for fixed in &port.fixed_ips {
        let Some(subnet) = by_id.get(&fixed.subnet_id) else { continue };
        if let Ok(net) = IpNet::new(fixed.ip_address, subnet.cidr.prefix_len()) {
            addresses.insert(net);
        }
        let (IpNet::V4(prefix), IpAddr::V4(server), true) =
            (subnet.cidr, fixed.ip_address, subnet.enable_dhcp)
        else {
            continue;
        };
        let isolated = routers.is_isolated(subnet) && settings.metadata;
        if isolated {
            addresses.insert(IpNet::from(IpAddr::V4(METADATA_ADDRESS)));
        }
        let options = subnet_options(subnet, prefix, server, isolated, subnets, mtu);
        subnets4.entry(subnet.id).or_insert(Subnet4 { prefix, server, options });
    }
    let server =
        Server { mac: port.mac, mtu, lease_time: settings.lease_time, domain: settings.domain.clone() };
    NetworkIntent {
        namespace: namespace_name(network.id),
        mark: settings.mark.clone(),
        tap: port.tap_name(),
        inside: format!("ns-{}", port.id.device_suffix()),
        mac: port.mac,
        mtu: network.mtu,
        addresses,
        service: Service { server, subnets4, subnets6: subnets6(subnets) },
    }
}

/// Subnets whose clients ask a DHCPv6 server; `slaac` ones have none.
fn subnets6(subnets: &[Arc<Subnet>]) -> BTreeMap<SubnetId, Subnet6> {
    let served = |subnet: &Arc<Subnet>| {
        let stateful = match subnet.ipv6_address_mode? {
            Ipv6Mode::Slaac => return None,
            Ipv6Mode::Dhcpv6Stateless => false,
            Ipv6Mode::Dhcpv6Stateful => true,
        };
        let IpNet::V6(prefix) = subnet.cidr else { return None };
        let dns: Vec<Ipv6Addr> = subnet.dns_nameservers.iter().filter_map(version6).collect();
        let dns = if dns == [Ipv6Addr::UNSPECIFIED] { Vec::new() } else { dns };
        subnet.enable_dhcp.then_some((subnet.id, Subnet6 { prefix, stateful, dns }))
    };
    subnets.iter().filter_map(served).collect()
}

const fn version6(address: &IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    }
}

const fn version4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

/// What every client of the subnet is told, the most important first. Without
/// name servers there is no DNS option, for no DNS server runs here.
fn subnet_options(
    subnet: &Subnet,
    prefix: Ipv4Net,
    server: Ipv4Addr,
    isolated: bool,
    subnets: &[Arc<Subnet>],
    mtu: u16,
) -> Vec<RawOption> {
    let gateway = gateway(subnet);
    let mut options = vec![RawOption::new(code::SUBNET_MASK, prefix.netmask().octets())];
    if let Some(gateway) = gateway {
        options.push(RawOption::new(code::ROUTER, gateway.octets()));
    }
    options.push(RawOption::new(code::MTU, mtu.to_be_bytes()));
    options.push(RawOption::new(code::BROADCAST, prefix.broadcast().octets()));
    let dns: Vec<Ipv4Addr> = subnet.dns_nameservers.iter().filter_map(version4).collect();
    if !dns.is_empty() && dns != [Ipv4Addr::UNSPECIFIED] {
        options.push(RawOption::new(code::DNS_SERVER, encode::addresses4(&dns)));
    }
    let metadata_via = if isolated { Some(server) } else { gateway };
    let routes = routes(subnet, prefix, gateway, metadata_via, subnets);
    if !routes.is_empty() {
        let routes = encode::routes(&routes);
        options.push(RawOption::new(code::CLASSLESS_ROUTES, routes.clone()));
        options.push(RawOption::new(code::CLASSLESS_ROUTES_MS, routes));
    }
    options
}

/// The subnet's gateway, or the next hop of a host route for everything.
fn gateway(subnet: &Subnet) -> Option<Ipv4Addr> {
    let everything = subnet.host_routes.iter().filter(|route| route.destination.prefix_len() == 0);
    subnet
        .gateway_ip
        .as_ref()
        .and_then(version4)
        .or_else(|| everything.map(|route| route.nexthop).find_map(|hop| version4(&hop)))
}

/// Other subnets of the network on-link, the host routes, metadata, and the
/// default route again, since a client with these ignores the router option (RFC 3442).
fn routes(
    subnet: &Subnet,
    prefix: Ipv4Net,
    gateway: Option<Ipv4Addr>,
    metadata_via: Option<Ipv4Addr>,
    subnets: &[Arc<Subnet>],
) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let mut routes = Vec::new();
    for other in subnets.iter().filter(|other| other.id != subnet.id) {
        if let IpNet::V4(net) = other.cidr
            && net != prefix
        {
            routes.push((net.trunc(), Ipv4Addr::UNSPECIFIED));
        }
    }
    for route in &subnet.host_routes {
        if let (IpNet::V4(net), IpAddr::V4(hop)) = (route.destination, route.nexthop)
            && net.prefix_len() > 0
        {
            routes.push((net.trunc(), hop));
        }
    }
    if let Some(via) = metadata_via {
        routes.push((Ipv4Net::from(METADATA_ADDRESS), via));
    }
    if let (false, Some(gateway)) = (routes.is_empty(), gateway) {
        routes.push((Ipv4Net::default(), gateway));
    }
    routes
}
