//! Facts for tests: a small universe, so that random states share keys.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use isospin_types::MacAddr;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use crate::convert::Fact;
use crate::facts::*;

/// The `n`th id of this universe, of whatever kind.
pub fn id<T: From<Uuid>>(n: u8) -> T {
    Uuid::from_u128(u128::from(n) + 0x1000).into()
}

fn any_id<T: From<Uuid> + std::fmt::Debug + 'static>() -> impl Strategy<Value = T> {
    (0..6_u8).prop_map(id)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z\\n\"é]{1,8}"]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (address(), 0..=128_u8).prop_map(|(address, length)| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(longest)).unwrap().trunc()
    })
}

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr::new)
}

fn segment() -> impl Strategy<Value = Segment> {
    let physical_network = || "[a-z]{1,8}".prop_map(|name: String| name);
    prop_oneof![
        Just(Segment::Local),
        physical_network().prop_map(|physical_network| Segment::Flat { physical_network }),
        (physical_network(), 1..=4094_u16)
            .prop_map(|(physical_network, vlan)| Segment::Vlan { physical_network, vlan }),
        (1..1_u32 << 24).prop_map(|vni| Segment::Vxlan { vni }),
        (1..u32::MAX).prop_map(|key| Segment::Gre { key }),
        (1..1_u32 << 24).prop_map(|vni| Segment::Geneve { vni }),
    ]
}

prop_compose! {
    fn network()(
        id in any_id(), name in text(), project_id in text(), segment in segment(), mtu in 68..=65_535_u32,
        admin_state_up in any::<bool>(), external in any::<bool>(),
        tunnel_peers in btree_set(address(), 0..3),
    ) -> Network {
        Network { id, name, project_id, segment, mtu, admin_state_up, external, tunnel_peers }
    }
}

fn route() -> impl Strategy<Value = Route> {
    (prefix(), address()).prop_map(|(destination, nexthop)| {
        let nexthop =
            if destination.addr().is_ipv4() == nexthop.is_ipv4() { nexthop } else { destination.addr() };
        Route { destination, nexthop }
    })
}

fn mode() -> impl Strategy<Value = Ipv6Mode> {
    prop_oneof![Just(Ipv6Mode::Slaac), Just(Ipv6Mode::Dhcpv6Stateless), Just(Ipv6Mode::Dhcpv6Stateful)]
}

prop_compose! {
    fn subnet()(
        id in any_id(), network_id in any_id(), cidr in prefix(), gateway_ip in option::of(address()),
        enable_dhcp in any::<bool>(), dns_nameservers in vec(address(), 0..3),
        host_routes in vec(route(), 0..3), ipv6_ra_mode in option::of(mode()),
        ipv6_address_mode in option::of(mode()), address_scope_id in option::of(any_id()),
    ) -> Subnet {
        Subnet {
            id, network_id, cidr, gateway_ip, enable_dhcp, dns_nameservers, host_routes, ipv6_ra_mode,
            ipv6_address_mode, address_scope_id,
        }
    }
}

fn rates() -> impl Strategy<Value = BTreeMap<Direction, Rate>> {
    let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
    let rate = (any::<u32>(), option::of(1..u32::MAX)).prop_map(|(rate, burst)| Rate { rate, burst });
    btree_map(direction, rate, 0..3)
}

fn qos() -> impl Strategy<Value = Qos> {
    (rates(), rates(), option::of(0..64_u8)).prop_map(|(bandwidth, packets, dscp)| Qos {
        bandwidth,
        packets,
        dscp,
    })
}

prop_compose! {
    fn port()(
        (id, network_id, mac) in (any_id(), any_id(), mac()),
        (name, project_id, device_id, device_owner, host, hostname) in
            (text(), text(), text(), text(), text(), text()),
        (admin_state_up, port_security_enabled) in any::<(bool, bool)>(),
        fixed_ips in vec((any_id(), address()), 0..3),
        security_group_ids in btree_set(any_id(), 0..3),
        pairs in vec((prefix(), mac()), 0..3),
        options in vec((text(), text(), any::<bool>()), 0..3),
        tunnel_ip in option::of(address()),
        (qos, parent) in (qos(), option::of((any_id(), 1..=4094_u16))),
    ) -> Port {
        Port {
            id, name, network_id, project_id, mac, device_id, device_owner, admin_state_up,
            port_security_enabled, security_group_ids, host, hostname, tunnel_ip, qos,
            parent: parent.map(|(port_id, vlan)| Parent { port_id, vlan }),
            fixed_ips: fixed_ips
                .into_iter()
                .map(|(subnet_id, ip_address)| FixedIp { subnet_id, ip_address })
                .collect(),
            allowed_address_pairs: pairs.into_iter().map(|(ip, mac)| AddressPair { ip, mac }).collect(),
            extra_dhcp_opts: options
                .into_iter()
                .map(|(name, value, four)| DhcpOption { name, value, ip_version: if four { 4 } else { 6 } })
                .collect(),
        }
    }
}

fn protocol_and_ports() -> impl Strategy<Value = (Option<u8>, Option<u16>, Option<u16>)> {
    prop_oneof![
        option::of(any::<u8>()).prop_map(|protocol| (protocol, None, None)),
        (prop_oneof![Just(6_u8), Just(17)], any::<(u16, u16)>()).prop_map(|(protocol, (a, b))| (
            Some(protocol),
            Some(a.min(b)),
            Some(a.max(b))
        )),
        (prop_oneof![Just(1_u8), Just(58)], 0..=255_u16, option::of(0..=255_u16))
            .prop_map(|(protocol, kind, code)| (Some(protocol), Some(kind), code)),
    ]
}

prop_compose! {
    fn rule()(
        id in any_id(), security_group_id in any_id(), ingress in any::<bool>(),
        (protocol, port_range_min, port_range_max) in protocol_and_ports(),
        remote in prop_oneof![
            Just(Remote::Any), prefix().prop_map(Remote::Prefix), any_id().prop_map(Remote::Group),
            any_id().prop_map(Remote::Addresses),
        ],
        four in any::<bool>(),
    ) -> SecurityGroupRule {
        let four = match remote {
            Remote::Prefix(net) => net.addr().is_ipv4(),
            Remote::Any | Remote::Group(_) | Remote::Addresses(_) => four,
        };
        SecurityGroupRule {
            id, security_group_id, protocol, port_range_min, port_range_max, remote,
            direction: if ingress { Direction::Ingress } else { Direction::Egress },
            ip_version: if four { IpVersion::V4 } else { IpVersion::V6 },
        }
    }
}

prop_compose! {
    fn router()(
        id in any_id(), name in text(), project_id in text(), admin_state_up in any::<bool>(),
        enable_snat in any::<bool>(), gateway_port_id in option::of(any_id()),
        interface_port_ids in btree_set(any_id(), 0..3), routes in vec(route(), 0..3),
        helpers in btree_set(("[a-z0-9-]{1,12}", any::<u8>(), any::<u16>()), 0..3),
        gateway_qos in qos(), metering in btree_map(any_id(), btree_set(metering_rule(), 0..3), 0..3),
    ) -> Router {
        let helper = |(helper, protocol, port)| ConntrackHelper { helper, protocol, port };
        let conntrack_helpers = helpers.into_iter().map(helper).collect();
        Router {
            id, name, project_id, admin_state_up, enable_snat, gateway_port_id, interface_port_ids, routes,
            conntrack_helpers, gateway_qos, metering,
        }
    }
}

prop_compose! {
    fn metering_rule()(
        ingress in any::<bool>(), excluded in any::<bool>(), source in option::of(prefix()),
        destination in option::of(prefix()),
    ) -> MeteringRule {
        let direction = if ingress { Direction::Ingress } else { Direction::Egress };
        let same = |net: &IpNet| source.is_none_or(|source| source.addr().is_ipv4() == net.addr().is_ipv4());
        MeteringRule { direction, excluded, source, destination: destination.filter(same) }
    }
}

prop_compose! {
    fn floating_ip()(
        id in any_id(), router_id in any_id(), floating_ip_address in address(),
        fixed in option::of((address(), any_id())), floating_network_id in any_id(),
        port_forwardings in vec(port_forwarding(), 0..3), qos in qos(),
    ) -> FloatingIp {
        let fixed = fixed.map(|(ip_address, port_id)| Fixed { ip_address, port_id });
        FloatingIp { id, router_id, floating_ip_address, fixed, floating_network_id, port_forwardings, qos }
    }
}

prop_compose! {
    fn port_forwarding()(
        protocol in any::<u8>(), internal_ip_address in address(), with_ports in any::<bool>(),
        external in 1u16..60_000, internal in 1u16..60_000, span in 0u16..9, to_one in any::<bool>(),
    ) -> PortForwarding {
        let last = if to_one { internal } else { internal + span };
        let ports = ForwardedPorts { external: (external, external + span), internal: (internal, last) };
        PortForwarding { protocol, internal_ip_address, ports: with_ports.then_some(ports) }
    }
}

/// Any fact at all.
pub fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        network().prop_map(Fact::Network),
        subnet().prop_map(Fact::Subnet),
        port().prop_map(Fact::Port),
        (any_id(), any::<bool>())
            .prop_map(|(id, stateful)| Fact::SecurityGroup(SecurityGroup { id, stateful })),
        rule().prop_map(Fact::SecurityGroupRule),
        (any_id(), any_id(), btree_set(prefix(), 0..3)).prop_map(
            |(security_group_id, port_id, addresses)| {
                Fact::SecurityGroupMember(SecurityGroupMember { security_group_id, port_id, addresses })
            }
        ),
        router().prop_map(Fact::Router),
        floating_ip().prop_map(Fact::FloatingIp),
        (any_id(), any_id())
            .prop_map(|(network_id, port_id)| Fact::DhcpService(DhcpService { network_id, port_id })),
        (any_id(), btree_set(prefix(), 0..3))
            .prop_map(|(id, addresses)| Fact::AddressGroup(AddressGroup { id, addresses })),
    ]
}

/// A host's facts at some moment.
pub fn facts() -> impl Strategy<Value = Facts> {
    vec(fact(), 0..12).prop_map(|facts| {
        let mut all = Facts::default();
        for fact in facts {
            all.insert(fact);
        }
        all
    })
}

/// A plain port with one address, bound to `host`.
pub fn port_on(host: &str, n: u8) -> Port {
    Port {
        id: id(n),
        name: format!("port{n}"),
        network_id: id(0),
        project_id: "project".to_owned(),
        mac: MacAddr::new([0xfa, 0x16, 0x3e, 0, 0, n]),
        fixed_ips: vec![FixedIp { subnet_id: id(0), ip_address: IpAddr::from([10, 0, 0, n]) }],
        device_id: "instance".to_owned(),
        device_owner: "compute:nova".to_owned(),
        admin_state_up: true,
        port_security_enabled: true,
        security_group_ids: BTreeSet::from([id(1)]),
        allowed_address_pairs: vec![AddressPair {
            ip: IpNet::from_str("10.1.0.0/24").unwrap(),
            mac: MacAddr::new([0xfa, 0x16, 0x3e, 0, 1, n]),
        }],
        extra_dhcp_opts: Vec::new(),
        host: host.to_owned(),
        hostname: format!("host-10-0-0-{n}"),
        tunnel_ip: None,
        qos: Default::default(),
        parent: None,
    }
}
