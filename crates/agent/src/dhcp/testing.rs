//! Values the tests of this folder share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use isospin_feed::facts::{DhcpService, Facts, FixedIp, Network, Port, Segment, Subnet};
use isospin_host_io::{BridgeSpec, LinkChange, Links, Namespace, Place, VethSpec};
use isospin_types::{MacAddr, NetworkId, PortId, SubnetId};

use super::leases::{Server, Service, Subnet4};
use super::namespace_name;
use super::wire4::{RawOption, code};
use crate::config::{AgentConfig, Role};

pub fn mac(text: &str) -> MacAddr {
    text.parse().expect("mac")
}

/// The one subnet of [`service`], 10.0.0.0/24.
pub fn subnet_id() -> SubnetId {
    "5b3c3a52-0f34-4f5e-a8e1-2f43c0d9d001".parse().expect("id")
}

/// An instance's port with one address.
pub fn port(mac: &str, address: &str) -> Port {
    let fixed = FixedIp { subnet_id: subnet_id(), ip_address: address.parse().expect("address") };
    Port {
        id: PortId::random(),
        name: String::new(),
        network_id: NetworkId::random(),
        project_id: "project".to_owned(),
        mac: self::mac(mac),
        fixed_ips: vec![fixed],
        device_id: "instance".to_owned(),
        device_owner: "compute:nova".to_owned(),
        admin_state_up: true,
        port_security_enabled: true,
        security_group_ids: BTreeSet::new(),
        allowed_address_pairs: Vec::new(),
        extra_dhcp_opts: Vec::new(),
        host: "host-a".to_owned(),
        hostname: String::new(),
        tunnel_ip: None,
        qos: Default::default(),
        parent: None,
    }
}

/// A server at 10.0.0.2 with one subnet.
pub fn service() -> Service {
    let subnet = Subnet4 {
        prefix: "10.0.0.0/24".parse().expect("prefix"),
        server: Ipv4Addr::new(10, 0, 0, 2),
        options: vec![
            RawOption::new(code::SUBNET_MASK, [255, 255, 255, 0]),
            RawOption::new(code::ROUTER, [10, 0, 0, 1]),
            RawOption::new(code::MTU, 1450u16.to_be_bytes()),
            RawOption::new(code::BROADCAST, [10, 0, 0, 255]),
            RawOption::new(code::DNS_SERVER, [9, 9, 9, 9]),
        ],
    };
    Service {
        server: Server {
            mac: mac("fa:16:3e:00:00:fe"),
            mtu: 1450,
            lease_time: 86_400,
            domain: "openstacklocal".to_owned(),
        },
        subnets4: BTreeMap::from([(subnet_id(), subnet)]),
        subnets6: BTreeMap::new(),
    }
}

/// A network served here with one subnet, [`subnet_id`], and its DHCP port.
pub struct Cloud {
    pub facts: Facts,
    pub network: NetworkId,
    pub dhcp_port: PortId,
}

/// The host of [`Cloud`]; different in every test, so that none sweeps what
/// another made.
pub fn host() -> String {
    format!("host-{}-{:?}", std::process::id(), std::thread::current().id())
}

/// Configuration of the agent on [`host`].
pub fn config() -> AgentConfig {
    AgentConfig {
        host: host(),
        roles: BTreeSet::from([Role::Dhcp, Role::Metadata]),
        state_dir: PathBuf::new(),
        tunnel_ip: None,
        vxlan_port: 4789,
        vxlan_group: None,
        wiring: Arc::new(crate::l2::linuxbridge::LinuxBridgeConfig),
        physical_networks: BTreeMap::new(),
        availability_zone: "nova".to_owned(),
        dhcp_lease_duration: 86_400,
        dns_domain: "openstacklocal".to_owned(),
    }
}

impl Cloud {
    /// Network with MTU 1450, subnet 10.0.0.0/24 with gateway 10.0.0.1 that no
    /// router holds, DHCP at 10.0.0.2.
    pub fn new() -> Self {
        let network = NetworkId::random();
        let mut cloud = Self { facts: Facts::default(), network, dhcp_port: PortId::random() };
        cloud.facts.networks.insert(
            network,
            Arc::new(Network {
                id: network,
                name: "demo-net".to_owned(),
                project_id: "project".to_owned(),
                segment: Segment::Local,
                mtu: 1450,
                admin_state_up: true,
                external: false,
                tunnel_peers: BTreeSet::new(),
            }),
        );
        cloud.add_subnet(subnet_id(), "10.0.0.0/24", |subnet| {
            subnet.gateway_ip = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
            subnet.dns_nameservers = vec![IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9))];
        });
        let mut served = port("fa:16:3e:00:00:fe", "10.0.0.2");
        served.id = cloud.dhcp_port;
        served.device_owner = "network:dhcp".to_owned();
        served.host = host();
        cloud.add_port(served);
        let service = DhcpService { network_id: network, port_id: cloud.dhcp_port };
        cloud.facts.dhcp_services.insert(network, service);
        cloud
    }

    pub fn add_subnet(&mut self, id: SubnetId, cidr: &str, change: impl FnOnce(&mut Subnet)) {
        let mut subnet = Subnet {
            id,
            network_id: self.network,
            cidr: cidr.parse().expect("cidr"),
            gateway_ip: None,
            enable_dhcp: true,
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            ipv6_ra_mode: None,
            ipv6_address_mode: None,
            address_scope_id: None,
        };
        change(&mut subnet);
        self.facts.subnets.insert(id, Arc::new(subnet));
    }

    pub fn add_port(&mut self, mut port: Port) -> PortId {
        port.network_id = self.network;
        let id = port.id;
        self.facts.ports.insert(id, Arc::new(port));
        id
    }

    /// An instance's port.
    pub fn add_instance(&mut self, mac: &str, address: &str) -> PortId {
        self.add_port(port(mac, address))
    }

    /// A router's leg at the gateway address.
    pub fn add_router(&mut self) -> PortId {
        let mut leg = port("fa:16:3e:00:00:01", "10.0.0.1");
        leg.device_owner = "network:router_interface".to_owned();
        self.add_port(leg)
    }

    pub fn change_port(&mut self, id: PortId, change: impl FnOnce(&mut Port)) {
        change(Arc::make_mut(self.facts.ports.get_mut(&id).expect("port")));
    }

    pub fn change_subnet(&mut self, change: impl FnOnce(&mut Subnet)) {
        change(Arc::make_mut(self.facts.subnets.get_mut(&subnet_id()).expect("subnet")));
    }

    pub fn namespace(&self) -> String {
        namespace_name(self.network)
    }

    pub fn tap(&self) -> String {
        format!("tap{}", self.dhcp_port.device_suffix())
    }

    pub fn inside(&self) -> String {
        format!("ns-{}", self.dhcp_port.device_suffix())
    }
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A bridge on this machine with clients in their own namespaces. Everything is
/// gone when it is dropped, what the mechanism made for its clouds too.
pub struct Lab {
    pub bridge: String,
    host: Links,
    namespaces: Vec<String>,
    links: Vec<String>,
    pub folder: tempfile::TempDir,
}

impl Lab {
    /// `None`, said aloud, where the test cannot run.
    pub async fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root to make network namespaces");
            return None;
        }
        let bridge = format!("dt{}x{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let host = Links::open(&Place::Host).await.expect("netlink");
        host.create_bridge(&bridge, &BridgeSpec::default()).await.expect("bridge");
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        host.set(&bridge, &up).await.expect("up");
        let folder = tempfile::tempdir().expect("folder");
        Some(Self { links: vec![bridge.clone()], bridge, host, namespaces: Vec::new(), folder })
    }

    /// Makes sure what the mechanism makes for the cloud is removed in the end.
    pub fn owns(&mut self, cloud: &Cloud) {
        self.namespaces.push(cloud.namespace());
        self.links.push(cloud.tap());
    }

    /// Does what the bridge mechanism does with the DHCP port's tap.
    pub async fn wire(&self, cloud: &Cloud) {
        let change =
            LinkChange { up: Some(true), master: Some(Some(self.bridge.clone())), ..LinkChange::default() };
        self.host.set(&cloud.tap(), &change).await.expect("tap in bridge");
    }

    /// A namespace whose `eth0` is on the bridge.
    pub async fn client(&mut self, mac: MacAddr) -> Namespace {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("dhcp-test-{}-{number}", std::process::id());
        let namespace = Namespace::create(&name).expect("namespace");
        self.namespaces.push(name);
        let near = format!("dc{}x{number}", std::process::id());
        let pair = VethSpec {
            name: near.clone(),
            mac: None,
            mtu: None,
            alias: None,
            peer_name: "eth0".to_owned(),
            peer_mac: Some(mac),
            peer_namespace: Some(namespace.clone()),
        };
        self.host.create_veth(&pair).await.expect("pair");
        let near_change =
            LinkChange { up: Some(true), master: Some(Some(self.bridge.clone())), ..LinkChange::default() };
        self.host.set(&near, &near_change).await.expect("in bridge");
        self.links.push(near);
        let inside = Links::open(&Place::Namespace(namespace.clone())).await.expect("netlink");
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        inside.set("lo", &up).await.expect("up");
        inside.set("eth0", &up).await.expect("up");
        namespace
    }

    /// Makes sure a namespace the test makes is removed in the end.
    pub fn remove_in_the_end(&mut self, namespace: &str) {
        self.namespaces.push(namespace.to_owned());
    }

    /// The host's devices.
    pub const fn host(&self) -> &Links {
        &self.host
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for link in &self.links {
            let _ = Command::new("ip").args(["link", "delete", link]).stderr(Stdio::null()).status();
        }
        for name in &self.namespaces {
            let _ = Namespace::delete(name);
        }
    }
}
