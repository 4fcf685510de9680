//! Facts for tests, in few words.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use isospin_feed::facts::{
    AddressPair, Direction, Facts, FixedIp, IpVersion, Network, Port, Remote, SecurityGroup,
    SecurityGroupMember, SecurityGroupRule, Segment,
};
use isospin_types::{MacAddr, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId, SubnetId};

use crate::config::{AgentConfig, Role};

pub const HOST: &str = "compute-1";

pub fn config() -> AgentConfig {
    AgentConfig {
        host: HOST.to_owned(),
        roles: BTreeSet::from([Role::L2]),
        state_dir: "/nonexistent".into(),
        tunnel_ip: None,
        vxlan_port: 4789,
        vxlan_group: None,
        wiring: Arc::new(crate::l2::linuxbridge::LinuxBridgeConfig),
        physical_networks: Default::default(),
        availability_zone: "nova".to_owned(),
        dhcp_lease_duration: 86_400,
        dns_domain: "openstacklocal".to_owned(),
    }
}

pub fn network(facts: &mut Facts, segment: Segment) -> NetworkId {
    let id = NetworkId::random();
    let network = Network {
        id,
        name: "net".to_owned(),
        project_id: "p".to_owned(),
        segment,
        mtu: 1450,
        admin_state_up: true,
        external: false,
        tunnel_peers: BTreeSet::new(),
    };
    facts.networks.insert(id, Arc::new(network));
    id
}

/// A port of this host; the last octets of its MAC are those of its id.
pub fn port(facts: &mut Facts, network_id: NetworkId, ips: &[&str], groups: &[SecurityGroupId]) -> PortId {
    let id = PortId::random();
    let bytes = id.uuid().into_bytes();
    let port = Port {
        id,
        name: String::new(),
        network_id,
        project_id: "p".to_owned(),
        mac: MacAddr::new([0xfa, 0x16, 0x3e, bytes[13], bytes[14], bytes[15]]),
        fixed_ips: ips
            .iter()
            .map(|ip| FixedIp { subnet_id: SubnetId::random(), ip_address: ip.parse().expect("ip") })
            .collect(),
        device_id: "vm".to_owned(),
        device_owner: "compute:nova".to_owned(),
        admin_state_up: true,
        port_security_enabled: true,
        security_group_ids: groups.iter().copied().collect(),
        allowed_address_pairs: Vec::new(),
        extra_dhcp_opts: Vec::new(),
        host: HOST.to_owned(),
        hostname: String::new(),
        tunnel_ip: None,
        qos: Default::default(),
        parent: None,
    };
    let addresses: BTreeSet<IpNet> =
        port.fixed_ips.iter().map(|fixed| IpNet::from(fixed.ip_address)).collect();
    for group in groups {
        let member =
            SecurityGroupMember { security_group_id: *group, port_id: id, addresses: addresses.clone() };
        facts.security_group_members.insert((*group, id), Arc::new(member));
    }
    facts.ports.insert(id, Arc::new(port));
    id
}

pub fn change(facts: &mut Facts, id: PortId, change: impl FnOnce(&mut Port)) {
    let port = facts.ports.get_mut(&id).expect("port");
    change(Arc::make_mut(port));
}

pub fn pair(ip: &str, mac: MacAddr) -> AddressPair {
    let ip: IpNet = ip.parse().unwrap_or_else(|_| IpNet::from(ip.parse::<IpAddr>().expect("ip")));
    AddressPair { ip, mac }
}

pub fn group(facts: &mut Facts) -> SecurityGroupId {
    let id = SecurityGroupId::random();
    facts.security_groups.insert(id, Arc::new(SecurityGroup { id, stateful: true }));
    id
}

/// As every project gets it: everything out, in from its own members.
pub fn default_group(facts: &mut Facts) -> SecurityGroupId {
    let id = group(facts);
    for ip_version in [IpVersion::V4, IpVersion::V6] {
        rule(facts, id, |rule| {
            rule.direction = Direction::Egress;
            rule.ip_version = ip_version;
        });
        rule(facts, id, |rule| {
            rule.ip_version = ip_version;
            rule.remote = Remote::Group(id);
        });
    }
    id
}

/// Adds a rule; ingress, IPv4, everything from anywhere, unless changed.
pub fn rule(
    facts: &mut Facts,
    group: SecurityGroupId,
    change: impl FnOnce(&mut SecurityGroupRule),
) -> SecurityGroupRuleId {
    let id = SecurityGroupRuleId::random();
    let mut rule = SecurityGroupRule {
        id,
        security_group_id: group,
        direction: Direction::Ingress,
        ip_version: IpVersion::V4,
        protocol: None,
        port_range_min: None,
        port_range_max: None,
        remote: Remote::Any,
    };
    change(&mut rule);
    facts.security_group_rules.insert(id, Arc::new(rule));
    id
}

pub fn allow_port(facts: &mut Facts, group: SecurityGroupId, protocol: u8, port: u16) -> SecurityGroupRuleId {
    rule(facts, group, |rule| {
        rule.protocol = Some(protocol);
        rule.port_range_min = Some(port);
        rule.port_range_max = Some(port);
    })
}
