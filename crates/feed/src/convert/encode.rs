//! Facts to wire.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_types::MeteringLabelId;

use super::Fact;
use crate::facts::{
    AddressGroup, ConntrackHelper, DhcpService, Direction, FloatingIp, IpVersion, Ipv6Mode, MeteringRule,
    Network, Port, PortForwarding, Qos, Rate, Remote, Route, Router, SecurityGroup, SecurityGroupMember,
    SecurityGroupRule, Segment, Subnet,
};
use crate::proto::{self, record::Fact as WireFact};

/// `From<&$fact> for Record` by way of the wire message of the same name.
macro_rules! records {
    ($($name:ident),* $(,)?) => {$(
        impl From<&$name> for proto::Record {
            fn from(it: &$name) -> Self {
                Self { fact: Some(WireFact::$name(it.into())) }
            }
        }
    )*
        impl From<&Fact> for proto::Record {
            fn from(fact: &Fact) -> Self {
                match fact { $(Fact::$name(it) => it.into(),)* }
            }
        }
    };
}

records! {
    Network, Subnet, Port, SecurityGroup, SecurityGroupRule, SecurityGroupMember, Router, FloatingIp, DhcpService,
    AddressGroup,
}

impl From<&Network> for proto::Network {
    fn from(it: &Network) -> Self {
        let (network_type, physical_network, segmentation_id) = match &it.segment {
            Segment::Local => ("local", "", 0),
            Segment::Flat { physical_network } => ("flat", physical_network.as_str(), 0),
            Segment::Vlan { physical_network, vlan } => ("vlan", physical_network.as_str(), u32::from(*vlan)),
            Segment::Vxlan { vni } => ("vxlan", "", *vni),
            Segment::Gre { key } => ("gre", "", *key),
            Segment::Geneve { vni } => ("geneve", "", *vni),
        };
        Self {
            id: it.id.to_string(),
            name: it.name.clone(),
            project_id: it.project_id.clone(),
            network_type: network_type.to_owned(),
            physical_network: physical_network.to_owned(),
            segmentation_id,
            mtu: it.mtu,
            admin_state_up: it.admin_state_up,
            external: it.external,
            tunnel_peers: texts(&it.tunnel_peers),
            // A host keeps only the segment it is on.
            segments: Vec::new(),
        }
    }
}

impl From<&Subnet> for proto::Subnet {
    fn from(it: &Subnet) -> Self {
        Self {
            id: it.id.to_string(),
            network_id: it.network_id.to_string(),
            ip_version: if it.cidr.addr().is_ipv4() { 4 } else { 6 },
            cidr: it.cidr.to_string(),
            gateway_ip: optional(it.gateway_ip),
            enable_dhcp: it.enable_dhcp,
            dns_nameservers: texts(&it.dns_nameservers),
            host_routes: it.host_routes.iter().map(Into::into).collect(),
            ipv6_ra_mode: it.ipv6_ra_mode.map_or("", ipv6_mode).to_owned(),
            ipv6_address_mode: it.ipv6_address_mode.map_or("", ipv6_mode).to_owned(),
            address_scope_id: it.address_scope_id.map(|id| id.to_string()).unwrap_or_default(),
        }
    }
}

const fn ipv6_mode(mode: Ipv6Mode) -> &'static str {
    match mode {
        Ipv6Mode::Slaac => "slaac",
        Ipv6Mode::Dhcpv6Stateless => "dhcpv6-stateless",
        Ipv6Mode::Dhcpv6Stateful => "dhcpv6-stateful",
    }
}

impl From<&Route> for proto::Route {
    fn from(it: &Route) -> Self {
        Self { destination: it.destination.to_string(), nexthop: it.nexthop.to_string() }
    }
}

impl From<&Port> for proto::Port {
    fn from(it: &Port) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name.clone(),
            network_id: it.network_id.to_string(),
            project_id: it.project_id.clone(),
            mac_address: it.mac.to_string(),
            fixed_ips: it
                .fixed_ips
                .iter()
                .map(|fixed| proto::FixedIp {
                    subnet_id: fixed.subnet_id.to_string(),
                    ip_address: fixed.ip_address.to_string(),
                })
                .collect(),
            device_id: it.device_id.clone(),
            device_owner: it.device_owner.clone(),
            admin_state_up: it.admin_state_up,
            port_security_enabled: it.port_security_enabled,
            security_group_ids: texts(&it.security_group_ids),
            allowed_address_pairs: it
                .allowed_address_pairs
                .iter()
                .map(|pair| proto::AddressPair {
                    ip_address: pair.ip.to_string(),
                    mac_address: pair.mac.to_string(),
                })
                .collect(),
            extra_dhcp_opts: it
                .extra_dhcp_opts
                .iter()
                .map(|option| proto::DhcpOption {
                    name: option.name.clone(),
                    value: option.value.clone(),
                    ip_version: u32::from(option.ip_version),
                })
                .collect(),
            host: it.host.clone(),
            hostname: it.hostname.clone(),
            tunnel_ip: optional(it.tunnel_ip),
            segment_id: String::new(),
            qos: asked(&it.qos),
            parent_port_id: it.parent.map(|parent| parent.port_id.to_string()).unwrap_or_default(),
            parent_vlan: it.parent.map(|parent| parent.vlan.into()).unwrap_or_default(),
        }
    }
}

impl From<&Qos> for proto::Qos {
    fn from(it: &Qos) -> Self {
        let rate = |rates: &BTreeMap<Direction, Rate>, direction| {
            rates.get(&direction).map(|it| proto::Rate { rate: it.rate, burst: it.burst.unwrap_or(0) })
        };
        Self {
            egress_kbps: rate(&it.bandwidth, Direction::Egress),
            ingress_kbps: rate(&it.bandwidth, Direction::Ingress),
            egress_kpps: rate(&it.packets, Direction::Egress),
            ingress_kpps: rate(&it.packets, Direction::Ingress),
            dscp: it.dscp.map(u32::from),
        }
    }
}

impl From<&SecurityGroup> for proto::SecurityGroup {
    fn from(it: &SecurityGroup) -> Self {
        Self { id: it.id.to_string(), stateful: it.stateful }
    }
}

impl From<&SecurityGroupRule> for proto::SecurityGroupRule {
    fn from(it: &SecurityGroupRule) -> Self {
        let (mut remote_ip_prefix, mut remote_group_id, mut remote_address_group_id) = Default::default();
        match it.remote {
            Remote::Any => {}
            Remote::Prefix(net) => remote_ip_prefix = net.to_string(),
            Remote::Group(id) => remote_group_id = id.to_string(),
            Remote::Addresses(id) => remote_address_group_id = id.to_string(),
        }
        Self {
            id: it.id.to_string(),
            security_group_id: it.security_group_id.to_string(),
            ingress: it.direction == Direction::Ingress,
            ip_version: match it.ip_version {
                IpVersion::V4 => 4,
                IpVersion::V6 => 6,
            },
            protocol: it.protocol.map(u32::from),
            port_range_min: it.port_range_min.map(u32::from),
            port_range_max: it.port_range_max.map(u32::from),
            remote_ip_prefix,
            remote_group_id,
            remote_address_group_id,
        }
    }
}

impl From<&SecurityGroupMember> for proto::SecurityGroupMember {
    fn from(it: &SecurityGroupMember) -> Self {
        Self {
            id: format!("{}/{}", it.security_group_id, it.port_id),
            security_group_id: it.security_group_id.to_string(),
            port_id: it.port_id.to_string(),
            addresses: texts(&it.addresses),
        }
    }
}

impl From<&AddressGroup> for proto::AddressGroup {
    fn from(it: &AddressGroup) -> Self {
        Self { id: it.id.to_string(), addresses: texts(&it.addresses) }
    }
}

impl From<&Router> for proto::Router {
    fn from(it: &Router) -> Self {
        Self {
            id: it.id.to_string(),
            name: it.name.clone(),
            project_id: it.project_id.clone(),
            admin_state_up: it.admin_state_up,
            enable_snat: it.enable_snat,
            gateway_port_id: it.gateway_port_id.map(|id| id.to_string()).unwrap_or_default(),
            interface_port_ids: texts(&it.interface_port_ids),
            routes: it.routes.iter().map(Into::into).collect(),
            conntrack_helpers: it.conntrack_helpers.iter().map(Into::into).collect(),
            gateway_qos: asked(&it.gateway_qos),
            metering_labels: it.metering.iter().map(metering_label).collect(),
        }
    }
}

fn metering_label((id, rules): (&MeteringLabelId, &BTreeSet<MeteringRule>)) -> proto::MeteringLabel {
    let text = |net: Option<IpNet>| net.map(|net| net.to_string()).unwrap_or_default();
    let rule = |it: &MeteringRule| proto::MeteringRule {
        ingress: it.direction == Direction::Ingress,
        excluded: it.excluded,
        source_prefix: text(it.source),
        destination_prefix: text(it.destination),
    };
    proto::MeteringLabel { id: id.to_string(), rules: rules.iter().map(rule).collect() }
}

impl From<&ConntrackHelper> for proto::ConntrackHelper {
    fn from(it: &ConntrackHelper) -> Self {
        Self { helper: it.helper.clone(), protocol: it.protocol.into(), port: it.port.into() }
    }
}

impl From<&FloatingIp> for proto::FloatingIp {
    fn from(it: &FloatingIp) -> Self {
        Self {
            id: it.id.to_string(),
            router_id: it.router_id.to_string(),
            floating_ip_address: it.floating_ip_address.to_string(),
            fixed_ip_address: optional(it.fixed.map(|fixed| fixed.ip_address)),
            floating_network_id: it.floating_network_id.to_string(),
            port_id: it.fixed.map(|fixed| fixed.port_id.to_string()).unwrap_or_default(),
            port_forwardings: it.port_forwardings.iter().map(Into::into).collect(),
            qos: asked(&it.qos),
        }
    }
}

impl From<&PortForwarding> for proto::PortForwarding {
    fn from(it: &PortForwarding) -> Self {
        let ports = it.ports.map_or([0; 4], |ports| {
            [ports.external.0, ports.external.1, ports.internal.0, ports.internal.1].map(u32::from)
        });
        let [external_first, external_last, internal_first, internal_last] = ports;
        Self {
            protocol: it.protocol.into(),
            internal_ip_address: it.internal_ip_address.to_string(),
            external_first,
            external_last,
            internal_first,
            internal_last,
        }
    }
}

impl From<&DhcpService> for proto::DhcpService {
    fn from(it: &DhcpService) -> Self {
        let network_id = it.network_id.to_string();
        Self { id: network_id.clone(), network_id, port_id: it.port_id.to_string() }
    }
}

fn asked(qos: &Qos) -> Option<proto::Qos> {
    (*qos != Qos::default()).then(|| qos.into())
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

fn optional(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}
