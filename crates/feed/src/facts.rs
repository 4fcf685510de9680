//! Typed facts: the records of the feed with every identifier, address and
//! prefix parsed. Agents work with these only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use isospin_types::{
    AddressGroupId, AddressScopeId, FloatingIpId, MacAddr, MeteringLabelId, NetworkId, PortId, RouterId,
    SecurityGroupId, SecurityGroupRuleId, SubnetId,
};

/// The key of one fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKey {
    Network(NetworkId),
    Subnet(SubnetId),
    Port(PortId),
    SecurityGroup(SecurityGroupId),
    SecurityGroupRule(SecurityGroupRuleId),
    SecurityGroupMember(SecurityGroupId, PortId),
    Router(RouterId),
    FloatingIp(FloatingIpId),
    DhcpService(NetworkId),
    AddressGroup(AddressGroupId),
}

/// How frames of a network travel between hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Only on this host.
    Local,
    /// Untagged on a physical network.
    Flat { physical_network: String },
    /// Tagged on a physical network; `vlan` is 1-4094.
    Vlan { physical_network: String, vlan: u16 },
    /// In VXLAN; `vni` is 1-16777215.
    Vxlan { vni: u32 },
    /// In GRE; `key` is 1-4294967295.
    Gre { key: u32 },
    /// In Geneve; `vni` is 1-16777215.
    Geneve { vni: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub id: NetworkId,
    pub name: String,
    pub project_id: String,
    pub segment: Segment,
    /// Bytes, without the Ethernet header.
    pub mtu: u32,
    pub admin_state_up: bool,
    pub external: bool,
    /// Tunnel addresses of the other hosts with a port on this network.
    pub tunnel_peers: BTreeSet<IpAddr>,
}

/// A route: traffic for `destination` goes to `nexthop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub destination: IpNet,
    pub nexthop: IpAddr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    pub id: SubnetId,
    pub network_id: NetworkId,
    pub cidr: IpNet,
    pub gateway_ip: Option<IpAddr>,
    pub enable_dhcp: bool,
    pub dns_nameservers: Vec<IpAddr>,
    pub host_routes: Vec<Route>,
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// Routers keep subnets of different scopes apart.
    pub address_scope_id: Option<AddressScopeId>,
}

/// How an IPv6 subnet hands out addresses (network API reference §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6Mode {
    Slaac,
    Dhcpv6Stateless,
    Dhcpv6Stateful,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FixedIp {
    pub subnet_id: SubnetId,
    pub ip_address: IpAddr,
}

/// An address, or range of addresses, a port may use beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressPair {
    pub ip: IpNet,
    pub mac: MacAddr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpOption {
    pub name: String,
    pub value: String,
    /// 4 or 6.
    pub ip_version: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub id: PortId,
    pub name: String,
    pub network_id: NetworkId,
    pub project_id: String,
    pub mac: MacAddr,
    pub fixed_ips: Vec<FixedIp>,
    pub device_id: String,
    pub device_owner: String,
    pub admin_state_up: bool,
    pub port_security_enabled: bool,
    pub security_group_ids: BTreeSet<SecurityGroupId>,
    pub allowed_address_pairs: Vec<AddressPair>,
    pub extra_dhcp_opts: Vec<DhcpOption>,
    /// Host the port is bound to; "" when unbound.
    pub host: String,
    pub hostname: String,
    pub tunnel_ip: Option<IpAddr>,
    pub qos: Qos,
    /// Set for a part of a trunk: it has no device of its own.
    pub parent: Option<Parent>,
}

/// The port of a trunk that carries the frames of another one, tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    pub port_id: PortId,
    /// 1-4094.
    pub vlan: u16,
}

/// What the policy of a port, a floating IP or a gateway asks of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qos {
    /// In thousands of bits.
    pub bandwidth: BTreeMap<Direction, Rate>,
    /// In thousands of packets.
    pub packets: BTreeMap<Direction, Rate>,
    /// Mark of what the port sends.
    pub dscp: Option<u8>,
}

/// So much per second, and how much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub rate: u32,
    /// `None` = not given.
    pub burst: Option<u32>,
}

impl Port {
    /// `tap<id[:11]>`: the device on the host that carries this port's frames.
    #[must_use]
    pub fn tap_name(&self) -> String {
        format!("tap{}", self.id.device_suffix())
    }

    /// Ports the cloud itself owns (`network:*`) are trusted: their address and
    /// rule filters are off.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.device_owner.starts_with("network:")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    pub id: SecurityGroupId,
    pub stateful: bool,
}

/// Seen from the instance: ingress comes to it, egress leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Ingress,
    Egress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpVersion {
    V4,
    V6,
}

/// Who the other end of a rule may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    Any,
    Prefix(IpNet),
    Group(SecurityGroupId),
    Addresses(AddressGroupId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroupRule {
    pub id: SecurityGroupRuleId,
    pub security_group_id: SecurityGroupId,
    pub direction: Direction,
    pub ip_version: IpVersion,
    /// IP protocol number; `None` = any.
    pub protocol: Option<u8>,
    /// First port, or ICMP type.
    pub port_range_min: Option<u16>,
    /// Last port, or ICMP code.
    pub port_range_max: Option<u16>,
    pub remote: Remote,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroupMember {
    pub security_group_id: SecurityGroupId,
    pub port_id: PortId,
    pub addresses: BTreeSet<IpNet>,
}

/// Addresses that rules name as the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressGroup {
    pub id: AddressGroupId,
    pub addresses: BTreeSet<IpNet>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    pub id: RouterId,
    pub name: String,
    pub project_id: String,
    pub admin_state_up: bool,
    pub enable_snat: bool,
    pub gateway_port_id: Option<PortId>,
    pub interface_port_ids: BTreeSet<PortId>,
    pub routes: Vec<Route>,
    pub conntrack_helpers: BTreeSet<ConntrackHelper>,
    /// For what passes the gateway with its own address; egress leaves by it.
    pub gateway_qos: Qos,
    /// What is counted of what passes the gateway, by label.
    pub metering: BTreeMap<MeteringLabelId, BTreeSet<MeteringRule>>,
}

/// Traffic that counts under a label, or does not. Addresses are those inner networks
/// see, not translated ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeteringRule {
    /// Ingress comes in by the gateway.
    pub direction: Direction,
    pub excluded: bool,
    /// `None` = any.
    pub source: Option<IpNet>,
    /// `None` = any; of the same IP version as the source.
    pub destination: Option<IpNet>,
}

/// A protocol whose side connections a router follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConntrackHelper {
    /// Name of the kernel's helper: lower-case letters, digits and hyphens.
    pub helper: String,
    /// IP protocol number.
    pub protocol: u8,
    /// Where connections it reads go.
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingIp {
    pub id: FloatingIpId,
    pub router_id: RouterId,
    pub floating_ip_address: IpAddr,
    /// Address and port it leads to as a whole; `None` when it only forwards ports.
    pub fixed: Option<Fixed>,
    pub floating_network_id: NetworkId,
    pub port_forwardings: Vec<PortForwarding>,
    /// For what passes the gateway with this address; egress leaves by it.
    pub qos: Qos,
}

/// Where a floating IP leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    pub ip_address: IpAddr,
    pub port_id: PortId,
}

/// Ports of a floating IP that lead to ports of an inner address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortForwarding {
    /// IP protocol number.
    pub protocol: u8,
    pub internal_ip_address: IpAddr,
    /// `None` for protocols without ports.
    pub ports: Option<ForwardedPorts>,
}

/// Ports from first to last; as many internal ones as external ones, or only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForwardedPorts {
    pub external: (u16, u16),
    pub internal: (u16, u16),
}

/// This host serves DHCP for the network, with this port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhcpService {
    pub network_id: NetworkId,
    pub port_id: PortId,
}

/// Everything a host needs to know. Cheap to clone: the values are shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    pub networks: BTreeMap<NetworkId, Arc<Network>>,
    pub subnets: BTreeMap<SubnetId, Arc<Subnet>>,
    pub ports: BTreeMap<PortId, Arc<Port>>,
    pub security_groups: BTreeMap<SecurityGroupId, Arc<SecurityGroup>>,
    pub security_group_rules: BTreeMap<SecurityGroupRuleId, Arc<SecurityGroupRule>>,
    pub security_group_members: BTreeMap<(SecurityGroupId, PortId), Arc<SecurityGroupMember>>,
    pub routers: BTreeMap<RouterId, Arc<Router>>,
    pub floating_ips: BTreeMap<FloatingIpId, Arc<FloatingIp>>,
    pub dhcp_services: BTreeMap<NetworkId, DhcpService>,
    pub address_groups: BTreeMap<AddressGroupId, Arc<AddressGroup>>,
}
