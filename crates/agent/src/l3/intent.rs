//! What the routers of this host should look like. Pure: facts in, values out.
//!
//! A router is this host's when one of its ports is bound here. What cannot be
//! made of its facts becomes a problem of that router and stops nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use isospin_feed::facts::{
    ConntrackHelper, Facts, FloatingIp, ForwardedPorts, Ipv6Mode, Network, Port, Qos, Router, Subnet,
};
use isospin_host_io::{RouteEntry, RouteScope};
use isospin_types::{FloatingIpId, MacAddr, RouterId};

use super::scopes::Scopes;
use super::table::Whole;
use super::{conntrack_helpers, metering, owned, qos};

/// Routers of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intents {
    /// To be served.
    pub(super) up: BTreeMap<RouterId, RouterIntent>,
    /// Switched off by their owner, with their floating IPs: no namespace.
    pub(super) down: BTreeMap<RouterId, BTreeSet<FloatingIpId>>,
}

/// One router as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouterIntent {
    pub(super) id: RouterId,
    /// By device name inside the namespace.
    pub(super) interfaces: BTreeMap<String, Interface>,
    /// Devices of ports we do not know enough of: left as they are.
    pub(super) unknown: BTreeSet<String>,
    pub(super) routes: BTreeSet<RouteEntry>,
    pub(super) nat: Nat,
    pub(super) helpers: BTreeSet<ConntrackHelper>,
    pub(super) scopes: Scopes,
    /// For what passes the gateway with one of these addresses.
    pub(super) qos: qos::Asked,
    /// What is counted of what passes the gateway.
    pub(super) metering: metering::Labels,
    /// By device name.
    pub(super) advertisements: BTreeMap<String, Advertisement>,
    /// What each floating IP needs, or why it cannot be had.
    pub(super) floating_ips: BTreeMap<FloatingIpId, Result<Ipv4Addr, String>>,
    /// Parts that cannot be made, one line each.
    pub(super) problems: Vec<String>,
}

impl RouterIntent {
    /// The table that keeps the limits of what passes the gateway, if there are any.
    pub(super) fn qos_table(&self) -> Option<Whole> {
        qos::table(&self.nat.gateway.as_ref()?.device, &self.qos)
    }
}

/// One port of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    /// The host's end of the pair.
    pub(super) tap: String,
    pub(super) mac: MacAddr,
    /// Bytes, without the Ethernet header.
    pub(super) mtu: u32,
    pub(super) addresses: BTreeSet<IpNet>,
    /// Whether the default IPv6 route is learned from the external network's own router.
    pub(super) accept_ra: bool,
}

/// Address translation of a router.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Nat {
    pub(super) gateway: Option<Gateway>,
    /// Floating address to fixed address.
    pub(super) floating: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// By floating address: the ports of it that lead somewhere.
    pub(super) forwarded: BTreeMap<Ipv4Addr, BTreeSet<Forward>>,
}

/// A protocol of a floating address, or ports of one, that leads to an inner address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Forward {
    /// IP protocol number.
    pub(super) protocol: u8,
    /// `None` for protocols without ports.
    pub(super) ports: Option<ForwardedPorts>,
    pub(super) inner: Ipv4Addr,
}

impl Nat {
    /// Where a new connection to a port of a floating address is led.
    pub(super) fn forward(
        &self,
        outer: Ipv4Addr,
        protocol: u8,
        port: Option<u16>,
    ) -> Option<(Ipv4Addr, Option<u16>)> {
        let of_address = self.forwarded.get(&outer)?.iter().filter(|forward| forward.protocol == protocol);
        of_address.into_iter().find_map(|forward| match (forward.ports, port) {
            (None, _) => Some((forward.inner, None)),
            (Some(ports), Some(port)) if (ports.external.0..=ports.external.1).contains(&port) => {
                let shift = if ports.internal.0 == ports.internal.1 { 0 } else { port - ports.external.0 };
                Some((forward.inner, Some(ports.internal.0 + shift)))
            }
            _ => None,
        })
    }
}

/// The way out of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) device: String,
    /// Source of everything that leaves without a floating IP; `None` when SNAT
    /// is off or the gateway has no IPv4 address.
    pub(super) snat: Option<Ipv4Addr>,
    /// Devices in the address scope of the external network: what they send is known
    /// there and leaves as it is.
    pub(super) direct: BTreeSet<String>,
}

/// What a router tells IPv6 hosts on one network (RFC 4861 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advertisement {
    pub(super) mac: MacAddr,
    pub(super) mtu: u32,
    /// Hosts get their addresses by DHCPv6.
    pub(super) managed: bool,
    /// Hosts get other settings by DHCPv6.
    pub(super) other: bool,
    /// Prefix and whether hosts make their own addresses in it.
    pub(super) prefixes: BTreeMap<ipnet::Ipv6Net, bool>,
    pub(super) dns: Vec<Ipv6Addr>,
}

/// The routers of `host` among `facts`.
pub(super) fn routers(facts: &Facts, host: &str) -> Intents {
    let mut intents = Intents::default();
    for router in facts.routers.values() {
        let ports = router.gateway_port_id.iter().chain(&router.interface_port_ids);
        let here = |id| facts.ports.get(id).is_some_and(|port| port.host == host);
        if !ports.into_iter().any(here) {
            continue;
        }
        if router.admin_state_up {
            intents.up.insert(router.id, Builder::new(facts, host, router).build());
        } else {
            let floating = facts.floating_ips.values().filter(|ip| ip.router_id == router.id);
            intents.down.insert(router.id, floating.map(|ip| ip.id).collect());
        }
    }
    intents
}

struct Builder<'a> {
    facts: &'a Facts,
    host: &'a str,
    router: &'a Router,
    intent: RouterIntent,
}

impl<'a> Builder<'a> {
    fn new(facts: &'a Facts, host: &'a str, router: &'a Router) -> Self {
        let intent = RouterIntent {
            id: router.id,
            interfaces: BTreeMap::new(),
            unknown: BTreeSet::new(),
            routes: BTreeSet::new(),
            nat: Nat::default(),
            helpers: router.conntrack_helpers.clone(),
            scopes: Scopes::default(),
            qos: qos::Asked::new(),
            metering: metering::Labels::new(),
            advertisements: BTreeMap::new(),
            floating_ips: BTreeMap::new(),
            problems: Vec::new(),
        };
        Self { facts, host, router, intent }
    }

    fn build(mut self) -> RouterIntent {
        for id in &self.router.interface_port_ids {
            let Some(port) = self.port_here(id) else { continue };
            self.internal(port);
        }
        let gateway = self.router.gateway_port_id.as_ref().and_then(|id| self.port_here(id));
        if let Some(port) = gateway {
            self.gateway(port);
        }
        self.floating_ips();
        self.extra_routes();
        let (_, problems) = conntrack_helpers::wanted(&self.intent.helpers);
        self.intent.problems.extend(problems);
        self.intent
    }

    fn port_here(&self, id: &isospin_types::PortId) -> Option<&'a Port> {
        self.facts.ports.get(id).map(AsRef::as_ref).filter(|port| port.host == self.host)
    }

    /// Adds the device of a port; `None`, with the problem noted, when its
    /// network or a subnet is not known.
    fn interface(&mut self, port: &Port, device: &str) -> Option<(&'a Network, Vec<(IpAddr, &'a Subnet)>)> {
        let facts = self.facts;
        let network = facts.networks.get(&port.network_id).map(AsRef::as_ref);
        let subnets: Option<Vec<_>> = port
            .fixed_ips
            .iter()
            .map(|ip| Some((ip.ip_address, facts.subnets.get(&ip.subnet_id)?.as_ref())))
            .collect();
        let Some((network, subnets)) = network.zip(subnets) else {
            self.intent.unknown.insert(device.to_owned());
            self.problem(format!("port {} is on a network or subnet this host has not been told", port.id));
            return None;
        };
        let mut addresses = BTreeSet::new();
        for (ip, subnet) in &subnets {
            let scopes = if ip.is_ipv4() { &mut self.intent.scopes.v4 } else { &mut self.intent.scopes.v6 };
            // All subnets of a network are of one scope.
            scopes.entry(device.to_owned()).or_insert(subnet.address_scope_id);
            match IpNet::new(*ip, subnet.cidr.prefix_len()) {
                // The kernel makes this one itself.
                Ok(net) if net.addr() == IpAddr::V6(port.mac.link_local()) => {}
                Ok(net) if ip.is_ipv4() == subnet.cidr.addr().is_ipv4() => {
                    addresses.insert(net);
                }
                _ => self.problem(format!("address {ip} of port {} does not fit {}", port.id, subnet.cidr)),
            }
        }
        let interface =
            Interface { tap: port.tap_name(), mac: port.mac, mtu: network.mtu, addresses, accept_ra: false };
        self.intent.interfaces.insert(device.to_owned(), interface);
        Some((network, subnets))
    }

    fn internal(&mut self, port: &Port) {
        let device = owned::internal_device(port.id);
        let Some((network, subnets)) = self.interface(port, &device) else { return };
        if let Some(advertisement) = advertisement(port.mac, network.mtu, &subnets) {
            self.intent.advertisements.insert(device, advertisement);
        }
    }

    fn gateway(&mut self, port: &Port) {
        let device = owned::gateway_device(port.id);
        let Some((network, subnets)) = self.interface(port, &device) else { return };
        let own: BTreeSet<_> = subnets.iter().map(|(_, subnet)| subnet.id).collect();
        for subnet in self.facts.subnets.values() {
            if subnet.network_id == network.id && !own.contains(&subnet.id) {
                self.route(subnet.cidr.trunc(), None, &device);
            }
        }
        for v4 in [true, false] {
            let with_gateway = subnets.iter().filter(|(ip, _)| ip.is_ipv4() == v4);
            let first = with_gateway.filter_map(|(_, subnet)| Some((subnet.gateway_ip?, *subnet))).next();
            if let Some((gateway_ip, subnet)) = first {
                if !subnet.cidr.contains(&gateway_ip) && !is_link_local(gateway_ip) {
                    self.route(IpNet::from(gateway_ip), None, &device);
                }
                self.route(default_of(v4), Some(gateway_ip), &device);
            } else if !v4 && subnets.iter().any(|(ip, _)| ip.is_ipv6()) {
                // Without a known gateway the external network announces its own.
                if let Some(interface) = self.intent.interfaces.get_mut(&device) {
                    interface.accept_ra = true;
                }
            }
        }
        let address = subnets.iter().find_map(|(ip, _)| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        if self.router.gateway_qos != Qos::default() {
            self.intent.qos.extend(address.map(|ip| (ip, self.router.gateway_qos.clone())));
        }
        self.intent.metering.clone_from(&self.router.metering);
        let snat = address.filter(|_| self.router.enable_snat);
        let scopes = &mut self.intent.scopes;
        scopes.translated = snat.map(|_| device.clone());
        let direct = scopes.beside(&device).into_iter().map(str::to_owned).collect();
        self.intent.nat.gateway = Some(Gateway { device, snat, direct });
    }

    fn floating_ips(&mut self) {
        let router = self.router.id;
        for floating in self.facts.floating_ips.values().filter(|ip| ip.router_id == router) {
            let fit = self.float(floating);
            self.intent.floating_ips.insert(floating.id, fit);
        }
    }

    fn float(&mut self, floating: &FloatingIp) -> Result<Ipv4Addr, String> {
        let v4 = |ip| match ip {
            IpAddr::V4(ip) => Ok(ip),
            IpAddr::V6(_) => Err("floating IPs are IPv4 only".to_owned()),
        };
        let outer = v4(floating.floating_ip_address)?;
        let fixed = floating.fixed.map(|fixed| v4(fixed.ip_address)).transpose()?;
        let forward = |it: &isospin_feed::facts::PortForwarding| {
            let inner = v4(it.internal_ip_address)?;
            Ok(Forward { protocol: it.protocol, ports: it.ports, inner })
        };
        let forwards: Result<BTreeSet<Forward>, String> =
            floating.port_forwardings.iter().map(forward).collect();
        let forwards = forwards?;
        let gateway = self.intent.nat.gateway.as_ref();
        let device = gateway.map(|gateway| &gateway.device);
        let interface = device.and_then(|device| self.intent.interfaces.get_mut(device));
        let interface = interface.ok_or("the router has no gateway on this host")?;
        interface.addresses.insert(IpNet::from(IpAddr::V4(outer)));
        self.intent.nat.floating.extend(fixed.map(|inner| (outer, inner)));
        if floating.qos != Qos::default() {
            self.intent.qos.insert(outer, floating.qos.clone());
        }
        if !forwards.is_empty() {
            self.intent.nat.forwarded.insert(outer, forwards);
        }
        Ok(outer)
    }

    fn extra_routes(&mut self) {
        for route in &self.router.routes {
            let (destination, nexthop) = (route.destination.trunc(), route.nexthop);
            if destination.addr().is_ipv4() != nexthop.is_ipv4() {
                self.problem(format!("route to {destination}: next hop {nexthop} is of the other family"));
                continue;
            }
            if self.is_connected(destination) {
                self.problem(format!("route to {destination}: the router is on that network itself"));
                continue;
            }
            match self.device_towards(nexthop) {
                Some(device) => {
                    // The owner's route wins over the one of the gateway.
                    self.intent.routes.retain(|other| other.destination != destination);
                    self.route(destination, Some(nexthop), &device);
                }
                None => self.problem(format!(
                    "route to {destination}: next hop {nexthop} is on no network of the router"
                )),
            }
        }
    }

    fn is_connected(&self, net: IpNet) -> bool {
        let mut addresses = self.intent.interfaces.values().flat_map(|interface| &interface.addresses);
        addresses.any(|address| address.trunc() == net)
    }

    /// Device whose network holds the address, the most specific one.
    fn device_towards(&self, ip: IpAddr) -> Option<String> {
        let connected = self.intent.interfaces.iter().flat_map(|(device, interface)| {
            interface.addresses.iter().map(move |net| (*net, device.as_str()))
        });
        let on_link = self.intent.routes.iter().filter(|route| route.via.is_none());
        let on_link = on_link.filter_map(|route| Some((route.destination, route.link.as_deref()?)));
        let fitting = connected.chain(on_link).filter(|(net, _)| net.contains(&ip) && net.addr() != ip);
        fitting.max_by_key(|(net, _)| net.prefix_len()).map(|(_, device)| device.to_owned())
    }

    fn route(&mut self, destination: IpNet, via: Option<IpAddr>, device: &str) {
        // IPv6 knows no scopes of routes.
        let direct = via.is_none() && destination.addr().is_ipv4();
        self.intent.routes.insert(RouteEntry {
            destination,
            via,
            link: Some(device.to_owned()),
            protocol: owned::ROUTE_PROTOCOL,
            scope: if direct { RouteScope::Link } else { RouteScope::Global },
        });
    }

    fn problem(&mut self, text: String) {
        self.intent.problems.push(text);
    }
}

fn default_of(v4: bool) -> IpNet {
    if v4 { IpNet::V4(ipnet::Ipv4Net::default()) } else { IpNet::V6(ipnet::Ipv6Net::default()) }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// What to announce on a port with these subnets; `None` when no subnet asks for it.
fn advertisement(mac: MacAddr, mtu: u32, subnets: &[(IpAddr, &Subnet)]) -> Option<Advertisement> {
    let mut wanted =
        Advertisement { mac, mtu, managed: false, other: false, prefixes: BTreeMap::new(), dns: Vec::new() };
    for (_, subnet) in subnets {
        let (Some(mode), IpNet::V6(prefix)) = (subnet.ipv6_ra_mode, subnet.cidr) else { continue };
        wanted.managed |= mode == Ipv6Mode::Dhcpv6Stateful;
        wanted.other |= mode == Ipv6Mode::Dhcpv6Stateless;
        wanted.prefixes.insert(prefix.trunc(), mode != Ipv6Mode::Dhcpv6Stateful);
        if mode == Ipv6Mode::Slaac {
            wanted.dns.extend(subnet.dns_nameservers.iter().filter_map(|ip| match ip {
                IpAddr::V6(ip) => Some(*ip),
                IpAddr::V4(_) => None,
            }));
        }
    }
    // Hosts need not remember more than three (RFC 8106 §5.3.1).
    wanted.dns.truncate(3);
    (!wanted.prefixes.is_empty()).then_some(wanted)
}
