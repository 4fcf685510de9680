//! Facts for tests, in few words.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use isospin_feed::facts::{
    ConntrackHelper, Facts, Fixed, FixedIp, FloatingIp, ForwardedPorts, Ipv6Mode, Network, Port,
    PortForwarding, Route, Router, Segment, Subnet,
};
use isospin_types::{FloatingIpId, MacAddr, NetworkId, PortId, RouterId, SubnetId};

/// An identifier made of a number: the same in every run, for golden texts.
pub fn id<T: From<uuid::Uuid>>(number: u128) -> T {
    // The first characters, which name devices, must differ too.
    T::from(uuid::Uuid::from_u128(number << 96 | number))
}

pub fn random<T: From<uuid::Uuid>>() -> T {
    T::from(uuid::Uuid::new_v4())
}

/// What is forwarded: protocol, external and internal range, inner address.
pub type Forwarded = (u8, Option<[(u16, u16); 2]>, &'static str);

/// One host with an external network and what a test adds to it.
#[derive(Debug, Clone)]
pub struct World {
    pub facts: Facts,
    pub host: String,
    pub external: NetworkId,
    pub external_subnet: SubnetId,
    /// Makes identifiers; counting ones for golden texts.
    next: Option<u128>,
}

impl World {
    /// With identifiers that count from 1.
    pub fn counted() -> Self {
        Self::build(Some(1), "host-1")
    }

    /// With identifiers nobody else uses.
    pub fn unique(host: &str) -> Self {
        Self::build(None, host)
    }

    fn build(next: Option<u128>, host: &str) -> Self {
        let mut world = Self {
            facts: Facts::default(),
            host: host.to_owned(),
            external: id(0),
            external_subnet: id(0),
            next,
        };
        world.external = world.network(1500, true);
        world.external_subnet = world.subnet(world.external, "172.24.0.0/16", Some("172.24.0.1"));
        world
    }

    fn id<T: From<uuid::Uuid>>(&mut self) -> T {
        match &mut self.next {
            None => random(),
            Some(next) => {
                *next += 1;
                id(*next)
            }
        }
    }

    pub fn network(&mut self, mtu: u32, external: bool) -> NetworkId {
        let id = self.id();
        let network = Network {
            id,
            name: "net".to_owned(),
            project_id: "p".to_owned(),
            segment: Segment::Local,
            mtu,
            admin_state_up: true,
            external,
            tunnel_peers: BTreeSet::new(),
        };
        self.facts.networks.insert(id, Arc::new(network));
        id
    }

    pub fn subnet(&mut self, network_id: NetworkId, cidr: &str, gateway: Option<&str>) -> SubnetId {
        let id = self.id();
        let subnet = Subnet {
            id,
            network_id,
            cidr: cidr.parse().expect("cidr"),
            gateway_ip: gateway.map(|ip| ip.parse().expect("ip")),
            enable_dhcp: true,
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            ipv6_ra_mode: None,
            ipv6_address_mode: None,
            address_scope_id: None,
        };
        self.facts.subnets.insert(id, Arc::new(subnet));
        id
    }

    pub fn scope(&mut self, subnet: SubnetId, scope: u128) {
        let subnet = self.facts.subnets.get_mut(&subnet).expect("subnet");
        Arc::make_mut(subnet).address_scope_id = Some(id(scope));
    }

    pub fn ra_mode(&mut self, subnet: SubnetId, mode: Ipv6Mode) {
        let subnet = self.facts.subnets.get_mut(&subnet).expect("subnet");
        Arc::make_mut(subnet).ipv6_ra_mode = Some(mode);
    }

    pub fn port(&mut self, owner: &str, network_id: NetworkId, ips: &[(SubnetId, &str)]) -> PortId {
        let id: PortId = self.id();
        let bytes = id.uuid().into_bytes();
        let fixed = |(subnet_id, ip): &(SubnetId, &str)| FixedIp {
            subnet_id: *subnet_id,
            ip_address: ip.parse().expect("ip"),
        };
        let port = Port {
            id,
            name: String::new(),
            network_id,
            project_id: "p".to_owned(),
            mac: MacAddr::new([0xfa, 0x16, 0x3e, bytes[0], bytes[1], bytes[3]]),
            fixed_ips: ips.iter().map(fixed).collect(),
            device_id: String::new(),
            device_owner: owner.to_owned(),
            admin_state_up: true,
            port_security_enabled: false,
            security_group_ids: BTreeSet::new(),
            allowed_address_pairs: Vec::new(),
            extra_dhcp_opts: Vec::new(),
            host: self.host.clone(),
            hostname: String::new(),
            tunnel_ip: None,
            qos: Default::default(),
            parent: None,
        };
        self.facts.ports.insert(id, Arc::new(port));
        id
    }

    pub fn router(&mut self) -> RouterId {
        let id = self.id();
        let router = Router {
            id,
            name: "router".to_owned(),
            project_id: "p".to_owned(),
            admin_state_up: true,
            enable_snat: true,
            gateway_port_id: None,
            interface_port_ids: BTreeSet::new(),
            routes: Vec::new(),
            conntrack_helpers: BTreeSet::new(),
            gateway_qos: Default::default(),
            metering: Default::default(),
        };
        self.facts.routers.insert(id, Arc::new(router));
        id
    }

    pub fn change(&mut self, router: RouterId, change: impl FnOnce(&mut Router)) {
        change(Arc::make_mut(self.facts.routers.get_mut(&router).expect("router")));
    }

    pub fn gateway(&mut self, router: RouterId, ip: &str) -> PortId {
        let subnet = self.external_subnet;
        let port = self.port("network:router_gateway", self.external, &[(subnet, ip)]);
        self.change(router, |router| router.gateway_port_id = Some(port));
        port
    }

    pub fn interface(&mut self, router: RouterId, subnets: &[(SubnetId, &str)]) -> PortId {
        let network = self.facts.subnets[&subnets[0].0].network_id;
        let port = self.port("network:router_interface", network, subnets);
        self.change(router, |router| {
            router.interface_port_ids.insert(port);
        });
        port
    }

    pub fn route(&mut self, router: RouterId, destination: &str, nexthop: &str) {
        let route =
            Route { destination: destination.parse().expect("net"), nexthop: nexthop.parse().expect("ip") };
        self.change(router, |router| router.routes.push(route));
    }

    pub fn floating(&mut self, router_id: RouterId, outer: &str, inner: &str) -> FloatingIpId {
        let id = self.id();
        let ip = |text: &str| -> IpAddr { text.parse().expect("ip") };
        let floating = FloatingIp {
            id,
            router_id,
            floating_ip_address: ip(outer),
            fixed: Some(Fixed { ip_address: ip(inner), port_id: random() }),
            floating_network_id: self.external,
            port_forwardings: Vec::new(),
            qos: Default::default(),
        };
        self.facts.floating_ips.insert(id, Arc::new(floating));
        id
    }

    pub fn change_floating(&mut self, id: FloatingIpId, change: impl FnOnce(&mut FloatingIp)) {
        change(Arc::make_mut(self.facts.floating_ips.get_mut(&id).expect("floating IP")));
    }

    /// A floating IP that forwards ports.
    pub fn forwarding(&mut self, router_id: RouterId, outer: &str, forwards: &[Forwarded]) -> FloatingIpId {
        let id = self.id();
        let forward = |(protocol, ports, inner): &Forwarded| PortForwarding {
            protocol: *protocol,
            internal_ip_address: inner.parse().expect("ip"),
            ports: ports.map(|[external, internal]| ForwardedPorts { external, internal }),
        };
        let floating = FloatingIp {
            id,
            router_id,
            floating_ip_address: outer.parse().expect("ip"),
            fixed: None,
            floating_network_id: self.external,
            port_forwardings: forwards.iter().map(forward).collect(),
            qos: Default::default(),
        };
        self.facts.floating_ips.insert(id, Arc::new(floating));
        id
    }

    /// Lets a router follow side connections.
    pub fn helper(&mut self, router: RouterId, helper: &str, protocol: u8, port: u16) {
        let helper = ConntrackHelper { helper: helper.to_owned(), protocol, port };
        self.change(router, |router| {
            router.conntrack_helpers.insert(helper);
        });
    }

    /// A tenant network 10.20.0.0/24, a router with a gateway, and one floating IP.
    pub fn usual(&mut self) -> Usual {
        let network = self.network(1450, false);
        let subnet = self.subnet(network, "10.20.0.0/24", Some("10.20.0.1"));
        let router = self.router();
        let interface = self.interface(router, &[(subnet, "10.20.0.1")]);
        let gateway = self.gateway(router, "172.24.2.252");
        let floating = self.floating(router, "172.24.0.76", "10.20.0.146");
        Usual { router, interface, gateway, floating }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Usual {
    pub router: RouterId,
    pub interface: PortId,
    pub gateway: PortId,
    pub floating: FloatingIpId,
}
