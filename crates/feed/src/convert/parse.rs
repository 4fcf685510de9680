//! Wire to facts, one record at a time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use isospin_types::{MacAddr, MeteringLabelId};

use super::key::parse_id;
use super::{Fact, RecordError};
use crate::facts::{
    AddressGroup, AddressPair, ConntrackHelper, DhcpOption, DhcpService, Direction, Fixed, FixedIp,
    FloatingIp, ForwardedPorts, IpVersion, Ipv6Mode, MeteringRule, Network, Parent, Port, PortForwarding,
    Qos, Rate, Remote, Route, Router, SecurityGroup, SecurityGroupMember, SecurityGroupRule, Segment, Subnet,
};
use crate::proto::{self, record::Fact as WireFact};

type Parsed<T> = Result<T, RecordError>;

/// Turns one record into a typed fact.
///
/// # Errors
/// The first field that holds what it must not, or [`RecordError::Unknown`].
pub fn parse_record(record: &proto::Record) -> Parsed<Fact> {
    Ok(match record.fact.as_ref().ok_or(RecordError::Unknown)? {
        WireFact::Network(it) => Fact::Network(network(it)?),
        WireFact::Subnet(it) => Fact::Subnet(subnet(it)?),
        WireFact::Port(it) => Fact::Port(port(it)?),
        WireFact::SecurityGroup(it) => {
            Fact::SecurityGroup(SecurityGroup { id: parse_id("id", &it.id)?, stateful: it.stateful })
        }
        WireFact::SecurityGroupRule(it) => Fact::SecurityGroupRule(rule(it)?),
        WireFact::SecurityGroupMember(it) => Fact::SecurityGroupMember(member(it)?),
        WireFact::Router(it) => Fact::Router(router(it)?),
        WireFact::FloatingIp(it) => Fact::FloatingIp(floating_ip(it)?),
        WireFact::DhcpService(it) => Fact::DhcpService(dhcp_service(it)?),
        WireFact::AddressGroup(it) => Fact::AddressGroup(address_group(it)?),
    })
}

fn network(it: &proto::Network) -> Parsed<Network> {
    // 68 is the least an IPv4 link may have; 65535 the most a device takes.
    if !(68..=65_535).contains(&it.mtu) {
        return Err(RecordError::field("mtu", it.mtu, "expected 68 to 65535"));
    }
    Ok(Network {
        id: parse_id("id", &it.id)?,
        name: it.name.clone(),
        project_id: it.project_id.clone(),
        segment: segment(it)?,
        mtu: it.mtu,
        admin_state_up: it.admin_state_up,
        external: it.external,
        tunnel_peers: each("tunnel_peers", &it.tunnel_peers, address)?,
    })
}

fn segment(it: &proto::Network) -> Parsed<Segment> {
    let physical = || match it.physical_network.as_str() {
        "" => Err(RecordError::field("physical_network", "", "this network type needs one")),
        name => Ok(name.to_owned()),
    };
    let id = it.segmentation_id;
    let wrong_id = |why| RecordError::field("segmentation_id", id, why);
    match it.network_type.as_str() {
        "local" => Ok(Segment::Local),
        "flat" => Ok(Segment::Flat { physical_network: physical()? }),
        "vlan" => match u16::try_from(id) {
            Ok(vlan @ 1..=4094) => Ok(Segment::Vlan { physical_network: physical()?, vlan }),
            _ => Err(wrong_id("expected 1 to 4094")),
        },
        "vxlan" if (1..1 << 24).contains(&id) => Ok(Segment::Vxlan { vni: id }),
        "gre" if id > 0 => Ok(Segment::Gre { key: id }),
        "geneve" if (1..1 << 24).contains(&id) => Ok(Segment::Geneve { vni: id }),
        "vxlan" => Err(wrong_id("expected 1 to 16777215")),
        other => Err(RecordError::field("network_type", other, "not a type this release wires")),
    }
}

fn subnet(it: &proto::Subnet) -> Parsed<Subnet> {
    let cidr = prefix("cidr", &it.cidr)?.trunc();
    let version = if cidr.addr().is_ipv4() { 4 } else { 6 };
    if it.ip_version != 0 && it.ip_version != version {
        return Err(RecordError::field("ip_version", it.ip_version, "not that of the cidr"));
    }
    Ok(Subnet {
        id: parse_id("id", &it.id)?,
        network_id: parse_id("network_id", &it.network_id)?,
        cidr,
        gateway_ip: optional("gateway_ip", &it.gateway_ip, address)?,
        enable_dhcp: it.enable_dhcp,
        dns_nameservers: each("dns_nameservers", &it.dns_nameservers, address)?,
        host_routes: it.host_routes.iter().map(route).collect::<Parsed<_>>()?,
        ipv6_ra_mode: optional("ipv6_ra_mode", &it.ipv6_ra_mode, ipv6_mode)?,
        ipv6_address_mode: optional("ipv6_address_mode", &it.ipv6_address_mode, ipv6_mode)?,
        address_scope_id: optional("address_scope_id", &it.address_scope_id, parse_id)?,
    })
}

fn port(it: &proto::Port) -> Parsed<Port> {
    Ok(Port {
        id: parse_id("id", &it.id)?,
        name: it.name.clone(),
        network_id: parse_id("network_id", &it.network_id)?,
        project_id: it.project_id.clone(),
        mac: mac("mac_address", &it.mac_address)?,
        fixed_ips: it
            .fixed_ips
            .iter()
            .map(|fixed| {
                Ok(FixedIp {
                    subnet_id: parse_id("fixed_ips.subnet_id", &fixed.subnet_id)?,
                    ip_address: address("fixed_ips.ip_address", &fixed.ip_address)?,
                })
            })
            .collect::<Parsed<_>>()?,
        device_id: it.device_id.clone(),
        device_owner: it.device_owner.clone(),
        admin_state_up: it.admin_state_up,
        port_security_enabled: it.port_security_enabled,
        security_group_ids: each("security_group_ids", &it.security_group_ids, parse_id)?,
        allowed_address_pairs: it
            .allowed_address_pairs
            .iter()
            .map(|pair| {
                Ok(AddressPair {
                    ip: prefix("allowed_address_pairs.ip_address", &pair.ip_address)?.trunc(),
                    mac: mac("allowed_address_pairs.mac_address", &pair.mac_address)?,
                })
            })
            .collect::<Parsed<_>>()?,
        extra_dhcp_opts: it.extra_dhcp_opts.iter().map(dhcp_option).collect::<Parsed<_>>()?,
        host: it.host.clone(),
        hostname: it.hostname.clone(),
        tunnel_ip: optional("tunnel_ip", &it.tunnel_ip, address)?,
        qos: asked(it.qos.as_ref())?,
        parent: optional("parent_port_id", &it.parent_port_id, |name, id| parent(name, id, it.parent_vlan))?,
    })
}

fn parent(name: &'static str, id: &str, vlan: u32) -> Parsed<Parent> {
    let wrong = || RecordError::field("parent_vlan", vlan, "expected 1 to 4094");
    let number = u16::try_from(vlan).ok().filter(|vlan| (1..=4094).contains(vlan)).ok_or_else(wrong)?;
    Ok(Parent { port_id: parse_id(name, id)?, vlan: number })
}

/// Nothing said is nothing asked.
fn asked(it: Option<&proto::Qos>) -> Parsed<Qos> {
    it.map(qos).transpose().map(Option::unwrap_or_default)
}

fn qos(it: &proto::Qos) -> Parsed<Qos> {
    let rates = |egress: Option<proto::Rate>, ingress: Option<proto::Rate>| {
        let both = [(Direction::Egress, egress), (Direction::Ingress, ingress)];
        let given = both.into_iter().filter_map(|(direction, given)| Some((direction, given?)));
        given
            .map(|(direction, it)| {
                (direction, Rate { rate: it.rate, burst: Some(it.burst).filter(|burst| *burst > 0) })
            })
            .collect()
    };
    let dscp = |mark: u32| {
        let fits = u8::try_from(mark).ok().filter(|mark| *mark < 64);
        fits.ok_or_else(|| RecordError::field("qos.dscp", mark, "expected 0 to 63"))
    };
    Ok(Qos {
        bandwidth: rates(it.egress_kbps, it.ingress_kbps),
        packets: rates(it.egress_kpps, it.ingress_kpps),
        dscp: it.dscp.map(dscp).transpose()?,
    })
}

fn dhcp_option(it: &proto::DhcpOption) -> Parsed<DhcpOption> {
    let ip_version = match it.ip_version {
        6 => 6,
        0 | 4 => 4,
        other => return Err(RecordError::field("extra_dhcp_opts.ip_version", other, "expected 4 or 6")),
    };
    Ok(DhcpOption { name: it.name.clone(), value: it.value.clone(), ip_version })
}

fn rule(it: &proto::SecurityGroupRule) -> Parsed<SecurityGroupRule> {
    let ip_version = match it.ip_version {
        4 => IpVersion::V4,
        6 => IpVersion::V6,
        other => return Err(RecordError::field("ip_version", other, "expected 4 or 6")),
    };
    let protocol = match it.protocol {
        None => None,
        Some(number) => Some(
            u8::try_from(number).map_err(|_| RecordError::field("protocol", number, "expected 0 to 255"))?,
        ),
    };
    let (port_range_min, port_range_max) = port_range(it, protocol)?;
    Ok(SecurityGroupRule {
        id: parse_id("id", &it.id)?,
        security_group_id: parse_id("security_group_id", &it.security_group_id)?,
        direction: if it.ingress { Direction::Ingress } else { Direction::Egress },
        ip_version,
        protocol,
        port_range_min,
        port_range_max,
        remote: remote(it, ip_version)?,
    })
}

/// Ports only for protocols that have them: one such rule must not stop the
/// programming of the others (N17).
fn port_range(it: &proto::SecurityGroupRule, protocol: Option<u8>) -> Parsed<(Option<u16>, Option<u16>)> {
    const ICMP: [u8; 2] = [1, 58];
    const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];
    let (min, max) = (it.port_range_min, it.port_range_max);
    if min.is_none() && max.is_none() {
        return Ok((None, None));
    }
    let limit = match protocol {
        Some(number) if ICMP.contains(&number) => u32::from(u8::MAX),
        Some(number) if WITH_PORTS.contains(&number) => u32::from(u16::MAX),
        _ => {
            let text = it.protocol.map_or_else(|| "any".to_owned(), |number| number.to_string());
            return Err(RecordError::field("protocol", text, "has no ports, yet a range is given"));
        }
    };
    let bounded = |field, value: Option<u32>| match value {
        None => Ok(None),
        Some(value) if value <= limit => {
            u16::try_from(value).map(Some).map_err(|_| RecordError::field(field, value, "too large"))
        }
        Some(value) => Err(RecordError::field(field, value, "too large")),
    };
    let (low, high) = (bounded("port_range_min", min)?, bounded("port_range_max", max)?);
    if limit == u32::from(u16::MAX)
        && let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        return Err(RecordError::field("port_range_min", low, "above port_range_max"));
    }
    Ok((low, high))
}

fn remote(it: &proto::SecurityGroupRule, ip_version: IpVersion) -> Parsed<Remote> {
    let named =
        (it.remote_ip_prefix.as_str(), it.remote_group_id.as_str(), it.remote_address_group_id.as_str());
    match named {
        ("", "", "") => Ok(Remote::Any),
        ("", group, "") => Ok(Remote::Group(parse_id("remote_group_id", group)?)),
        ("", "", group) => Ok(Remote::Addresses(parse_id("remote_address_group_id", group)?)),
        (text, "", "") => {
            let net = prefix("remote_ip_prefix", text)?.trunc();
            if net.addr().is_ipv4() != (ip_version == IpVersion::V4) {
                return Err(RecordError::field("remote_ip_prefix", text, "not of the rule's IP version"));
            }
            Ok(Remote::Prefix(net))
        }
        (_, "", group) => {
            Err(RecordError::field("remote_address_group_id", group, "both a group and a prefix given"))
        }
        (_, group, _) => Err(RecordError::field("remote_group_id", group, "more than one remote given")),
    }
}

fn address_group(it: &proto::AddressGroup) -> Parsed<AddressGroup> {
    Ok(AddressGroup {
        id: parse_id("id", &it.id)?,
        addresses: each("addresses", &it.addresses, |field, text| {
            prefix(field, text).map(|net| net.trunc())
        })?,
    })
}

fn member(it: &proto::SecurityGroupMember) -> Parsed<SecurityGroupMember> {
    let member = SecurityGroupMember {
        security_group_id: parse_id("security_group_id", &it.security_group_id)?,
        port_id: parse_id("port_id", &it.port_id)?,
        addresses: each("addresses", &it.addresses, |field, text| {
            prefix(field, text).map(|net| net.trunc())
        })?,
    };
    // The id is what a later removal names; it must lead to this very fact.
    if it.id != format!("{}/{}", member.security_group_id, member.port_id) {
        return Err(RecordError::field("id", &it.id, "not '<security_group_id>/<port_id>'"));
    }
    Ok(member)
}

fn router(it: &proto::Router) -> Parsed<Router> {
    Ok(Router {
        id: parse_id("id", &it.id)?,
        name: it.name.clone(),
        project_id: it.project_id.clone(),
        admin_state_up: it.admin_state_up,
        enable_snat: it.enable_snat,
        gateway_port_id: optional("gateway_port_id", &it.gateway_port_id, parse_id)?,
        interface_port_ids: each("interface_port_ids", &it.interface_port_ids, parse_id)?,
        routes: it.routes.iter().map(route).collect::<Parsed<_>>()?,
        conntrack_helpers: it.conntrack_helpers.iter().map(conntrack_helper).collect::<Parsed<_>>()?,
        gateway_qos: asked(it.gateway_qos.as_ref())?,
        metering: it.metering_labels.iter().map(metering_label).collect::<Parsed<_>>()?,
    })
}

fn metering_label(it: &proto::MeteringLabel) -> Parsed<(MeteringLabelId, BTreeSet<MeteringRule>)> {
    let id = parse_id("metering_labels.id", &it.id)?;
    Ok((id, it.rules.iter().map(metering_rule).collect::<Parsed<_>>()?))
}

fn metering_rule(it: &proto::MeteringRule) -> Parsed<MeteringRule> {
    let net = |field, text: &str| optional(field, text, prefix).map(|net| net.map(|net| net.trunc()));
    let source = net("metering_labels.rules.source_prefix", &it.source_prefix)?;
    let destination = net("metering_labels.rules.destination_prefix", &it.destination_prefix)?;
    if let (Some(source), Some(destination)) = (source, destination)
        && source.addr().is_ipv4() != destination.addr().is_ipv4()
    {
        let field = "metering_labels.rules.destination_prefix";
        return Err(RecordError::field(field, destination, "not of the source's IP version"));
    }
    let direction = if it.ingress { Direction::Ingress } else { Direction::Egress };
    Ok(MeteringRule { direction, excluded: it.excluded, source, destination })
}

/// The name goes into a script of another program: only plain ones may (N21).
fn conntrack_helper(it: &proto::ConntrackHelper) -> Parsed<ConntrackHelper> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if it.helper.is_empty() || it.helper.len() > 64 || !it.helper.bytes().all(plain) {
        return Err(RecordError::field("conntrack_helpers.helper", &it.helper, "not a name of a helper"));
    }
    let number = |field, value: u32| RecordError::field(field, value, "too large");
    Ok(ConntrackHelper {
        helper: it.helper.clone(),
        protocol: u8::try_from(it.protocol).map_err(|_| number("conntrack_helpers.protocol", it.protocol))?,
        port: u16::try_from(it.port).map_err(|_| number("conntrack_helpers.port", it.port))?,
    })
}

fn floating_ip(it: &proto::FloatingIp) -> Parsed<FloatingIp> {
    Ok(FloatingIp {
        id: parse_id("id", &it.id)?,
        router_id: parse_id("router_id", &it.router_id)?,
        floating_ip_address: address("floating_ip_address", &it.floating_ip_address)?,
        fixed: match optional("fixed_ip_address", &it.fixed_ip_address, address)? {
            Some(ip_address) => Some(Fixed { ip_address, port_id: parse_id("port_id", &it.port_id)? }),
            None => None,
        },
        floating_network_id: parse_id("floating_network_id", &it.floating_network_id)?,
        port_forwardings: it.port_forwardings.iter().map(port_forwarding).collect::<Parsed<_>>()?,
        qos: asked(it.qos.as_ref())?,
    })
}

fn port_forwarding(it: &proto::PortForwarding) -> Parsed<PortForwarding> {
    let protocol = u8::try_from(it.protocol)
        .map_err(|_| RecordError::field("port_forwardings.protocol", it.protocol, "expected 0 to 255"))?;
    let internal_ip_address = address("port_forwardings.internal_ip_address", &it.internal_ip_address)?;
    let all = [it.external_first, it.external_last, it.internal_first, it.internal_last];
    let ports = if all == [0; 4] { None } else { Some(forwarded_ports(it)?) };
    Ok(PortForwarding { protocol, internal_ip_address, ports })
}

fn forwarded_ports(it: &proto::PortForwarding) -> Parsed<ForwardedPorts> {
    let range = |field, first: u32, last: u32| match (u16::try_from(first), u16::try_from(last)) {
        (Ok(first), Ok(last)) if first > 0 && first <= last => Ok((first, last)),
        _ => Err(RecordError::field(field, last, "not the end of a range of ports from 1 to 65535")),
    };
    let external = range("port_forwardings.external_last", it.external_first, it.external_last)?;
    let internal = range("port_forwardings.internal_last", it.internal_first, it.internal_last)?;
    if internal.0 != internal.1 && internal.1 - internal.0 != external.1 - external.0 {
        let why = "neither one port nor as many as external ones";
        return Err(RecordError::field("port_forwardings.internal_last", internal.1, why));
    }
    Ok(ForwardedPorts { external, internal })
}

fn dhcp_service(it: &proto::DhcpService) -> Parsed<DhcpService> {
    if it.id != it.network_id {
        return Err(RecordError::field("id", &it.id, "not the network_id"));
    }
    Ok(DhcpService {
        network_id: parse_id("network_id", &it.network_id)?,
        port_id: parse_id("port_id", &it.port_id)?,
    })
}

fn route(it: &proto::Route) -> Parsed<Route> {
    let destination = prefix("destination", &it.destination)?.trunc();
    let nexthop = address("nexthop", &it.nexthop)?;
    if destination.addr().is_ipv4() != nexthop.is_ipv4() {
        return Err(RecordError::field("nexthop", nexthop, "not of the destination's IP version"));
    }
    Ok(Route { destination, nexthop })
}

fn ipv6_mode(field: &'static str, text: &str) -> Parsed<Ipv6Mode> {
    match text {
        "slaac" => Ok(Ipv6Mode::Slaac),
        "dhcpv6-stateless" => Ok(Ipv6Mode::Dhcpv6Stateless),
        "dhcpv6-stateful" => Ok(Ipv6Mode::Dhcpv6Stateful),
        _ => Err(RecordError::field(field, text, "not an IPv6 mode")),
    }
}

fn address(field: &'static str, text: &str) -> Parsed<IpAddr> {
    IpAddr::from_str(text).map_err(|_| RecordError::field(field, text, "not an IP address"))
}

fn mac(field: &'static str, text: &str) -> Parsed<MacAddr> {
    MacAddr::from_str(text).map_err(|_| RecordError::field(field, text, "not a MAC address"))
}

/// A prefix, or a lone address as the prefix that holds only it.
fn prefix(field: &'static str, text: &str) -> Parsed<IpNet> {
    IpNet::from_str(text)
        .or_else(|_| IpAddr::from_str(text).map(IpNet::from))
        .map_err(|_| RecordError::field(field, text, "not an IP prefix"))
}

/// "" means "none".
fn optional<T>(
    field: &'static str,
    text: &str,
    parse: impl Fn(&'static str, &str) -> Parsed<T>,
) -> Parsed<Option<T>> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

fn each<T, C: FromIterator<T>>(
    field: &'static str,
    texts: &[String],
    parse: impl Fn(&'static str, &str) -> Parsed<T>,
) -> Parsed<C> {
    texts.iter().map(|text| parse(field, text)).collect()
}
