//! Facts for several hosts, and the drivers that follow them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use isospin_agent::config::{AgentConfig, OpenVSwitchConfig, PhysicalNetwork, Role, TunnelType, Wiring};
use isospin_agent::converge::{ItemState, Mechanism, PassReport, Scope};
use isospin_agent::host_notices::HostNotices;
use isospin_agent::l2;
use isospin_feed::facts::{
    Direction, Facts, FixedIp, IpVersion, Network, Port, Remote, SecurityGroup, SecurityGroupRule, Segment,
};
use isospin_testkit::lab::{Guest, Host, PROVIDER_NIC, Underlay};
use isospin_types::{MacAddr, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId, SubnetId};

/// The physical network both hosts are on.
pub const PHYSICAL: &str = "physnet1";

/// A host with its driver.
pub struct Node {
    pub name: String,
    pub host: Host,
    pub driver: Box<dyn Mechanism>,
    pub notices: HostNotices,
    config: AgentConfig,
}

/// What the server would know.
#[derive(Default)]
pub struct Cloud {
    pub facts: Facts,
}

impl Node {
    pub fn start(underlay: &Underlay, number: u8) -> Self {
        let host = underlay.host(number);
        let switch = OpenVSwitchConfig {
            run_dir: host.switch.run_dir(),
            datapath_type: "netdev".to_owned(),
            tunnel_types: BTreeSet::from(TunnelType::ALL),
            ..OpenVSwitchConfig::default()
        };
        let physical = PhysicalNetwork {
            bridge: "br-ex".to_owned(),
            interface: Some(PROVIDER_NIC.to_owned()),
            ..PhysicalNetwork::default()
        };
        let config = AgentConfig {
            host: format!("host{number}"),
            roles: BTreeSet::from([Role::L2]),
            state_dir: "/nonexistent".into(),
            tunnel_ip: Some(host.tunnel_ip.into()),
            vxlan_port: 4789,
            physical_networks: [(PHYSICAL.to_owned(), physical)].into(),
            availability_zone: String::new(),
            dhcp_lease_duration: 86_400,
            dns_domain: String::new(),
            wiring: Wiring::OpenVSwitch(switch),
        };
        let notices = HostNotices::new();
        let driver = l2::driver(&config, host.namespace.place(), &notices);
        Self { name: config.host.clone(), host, driver, notices, config }
    }

    /// Another life of the agent.
    pub fn restart_agent(&mut self) {
        self.notices = HostNotices::new();
        self.driver = l2::driver(&self.config, self.host.namespace.place(), &self.notices);
    }

    pub async fn pass(&mut self, cloud: &Cloud) -> PassReport {
        let facts = cloud.of(self);
        self.driver.pass(&facts, &Scope::Everything, true).await
    }

    /// Passes, woken by what the switch says, until every port is up.
    pub async fn settle(&mut self, cloud: &Cloud) {
        let facts = cloud.of(self);
        let mut report = self.driver.pass(&facts, &Scope::Everything, true).await;
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let done = report.changes == 0
                && !report.retry
                && report.items.iter().all(|item| item.state == ItemState::Up);
            if done {
                return;
            }
            assert!(std::time::Instant::now() < end, "{} does not settle: {report:?}", self.name);
            let wait = std::time::Duration::from_millis(200);
            let _ = tokio::time::timeout(wait, self.notices.changed()).await;
            let _ = self.notices.take();
            report = self.driver.pass(&facts, &Scope::Everything, true).await;
        }
    }

    pub fn plug(&self, cloud: &Cloud, id: PortId) -> Guest {
        let port = &cloud.facts.ports[&id];
        let addresses: Vec<IpAddr> = port.fixed_ips.iter().map(|fixed| fixed.ip_address).collect();
        let mtu = cloud.facts.networks[&port.network_id].mtu;
        self.host.plug(&port.tap_name(), &port.mac.to_string(), &addresses, mtu)
    }
}

impl Cloud {
    pub fn network(&mut self, segment: Segment, mtu: u32) -> NetworkId {
        let id = NetworkId::random();
        let network = Network {
            id,
            name: String::new(),
            project_id: String::new(),
            segment,
            mtu,
            admin_state_up: true,
            external: false,
            tunnel_peers: BTreeSet::new(),
        };
        self.facts.networks.insert(id, Arc::new(network));
        id
    }

    /// A group that lets everything out, and ICMP in.
    pub fn group(&mut self) -> SecurityGroupId {
        let id = SecurityGroupId::random();
        self.facts.security_groups.insert(id, Arc::new(SecurityGroup { id, stateful: true }));
        for (ip_version, icmp) in [(IpVersion::V4, 1), (IpVersion::V6, 58)] {
            self.rule(id, Direction::Egress, ip_version, None);
            self.rule(id, Direction::Ingress, ip_version, Some(icmp));
        }
        id
    }

    pub fn rule(
        &mut self,
        group: SecurityGroupId,
        direction: Direction,
        ip_version: IpVersion,
        protocol: Option<u8>,
    ) -> SecurityGroupRuleId {
        let id = SecurityGroupRuleId::random();
        let rule = SecurityGroupRule {
            id,
            security_group_id: group,
            direction,
            ip_version,
            protocol,
            port_range_min: None,
            port_range_max: None,
            remote: Remote::Any,
        };
        self.facts.security_group_rules.insert(id, Arc::new(rule));
        id
    }

    /// A port on a host, with these last octets and groups.
    pub fn port(
        &mut self,
        node: &Node,
        network_id: NetworkId,
        ips: [IpAddr; 2],
        group: SecurityGroupId,
    ) -> PortId {
        let id = PortId::random();
        let bytes = id.uuid().into_bytes();
        let port = Port {
            id,
            name: String::new(),
            network_id,
            project_id: String::new(),
            mac: MacAddr::new([0xfa, 0x16, 0x3e, bytes[0], bytes[1], bytes[2]]),
            fixed_ips: ips.map(|ip_address| FixedIp { subnet_id: SubnetId::random(), ip_address }).to_vec(),
            device_id: "instance".to_owned(),
            device_owner: "compute:nova".to_owned(),
            admin_state_up: true,
            port_security_enabled: true,
            security_group_ids: BTreeSet::from([group]),
            allowed_address_pairs: Vec::new(),
            extra_dhcp_opts: Vec::new(),
            host: node.name.clone(),
            hostname: String::new(),
            tunnel_ip: Some(node.host.tunnel_ip.into()),
            qos: Default::default(),
        };
        self.facts.ports.insert(id, Arc::new(port));
        id
    }

    /// What a server tells this host: peers are the others with a port on the network.
    fn of(&self, node: &Node) -> Facts {
        let mut facts = self.facts.clone();
        for network in facts.networks.values_mut() {
            let others = self.facts.ports.values().filter(|port| port.network_id == network.id);
            let others = others.filter(|port| port.host != node.name);
            let peers = others.filter_map(|port| port.tunnel_ip).collect();
            Arc::make_mut(network).tunnel_peers = peers;
        }
        facts
    }
}

/// 10.1.`net`.`host` and its sister of IPv6.
pub fn addresses(net: u8, host: u8) -> [IpAddr; 2] {
    let v6: IpAddr = format!("fd00:{net}::{host}").parse().expect("an address");
    [IpAddr::from([10, 1, net, host]), v6]
}
