//! Netlink messages read into plain values. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_types::MacAddr;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{
    BridgePortState, InfoBridgePort, InfoData, InfoPortData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, address, route as wire_route};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};

use super::{
    Address, AddressScope, FdbEntry, Link, LinkEvent, LinkEventKind, Neighbour, RouteEntry, RouteScope,
};

/// `None` for a message without a name, which the kernel does not send.
pub(super) fn link(message: &LinkMessage) -> Option<Link> {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        kind: String::new(),
        mac: None,
        mtu: 0,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        master: None,
        forwards: None,
        alias: None,
        vni: None,
        group: None,
        answers: false,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.mac = mac(bytes),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Controller(index) => link.master = Some(*index),
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias.clone()),
            LinkAttribute::LinkInfo(infos) => read_info(infos, &mut link),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn read_info(infos: &[LinkInfo], link: &mut Link) {
    for info in infos {
        match info {
            LinkInfo::Kind(kind) => link.kind = kind.to_string(),
            LinkInfo::PortData(InfoPortData::BridgePort(data)) => {
                link.forwards = data.iter().find_map(|item| match item {
                    InfoBridgePort::State(state) => Some(*state == BridgePortState::Forwarding),
                    _ => None,
                });
            }
            LinkInfo::Data(InfoData::Vxlan(data)) => data.iter().for_each(|item| match item {
                InfoVxlan::Id(vni) => link.vni = Some(*vni),
                InfoVxlan::Group(group) => link.group = Some((*group).into()),
                InfoVxlan::Group6(group) => link.group = Some((*group).into()),
                InfoVxlan::Proxy(answers) => link.answers = *answers,
                _ => {}
            }),
            _ => {}
        }
    }
}

fn mac(bytes: &[u8]) -> Option<MacAddr> {
    <[u8; 6]>::try_from(bytes).ok().map(MacAddr::new)
}

pub(super) fn address(message: &AddressMessage, link: &str) -> Option<Address> {
    let mut local = None;
    let mut far = None;
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => far = Some(*ip),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let scope = match message.header.scope {
        address::AddressScope::Universe => AddressScope::Global,
        address::AddressScope::Link => AddressScope::Link,
        address::AddressScope::Host => AddressScope::Host,
        other => AddressScope::Other(other.into()),
    };
    Some(Address {
        link: link.to_owned(),
        net: IpNet::new(local.or(far)?, message.header.prefix_len).ok()?,
        scope,
        permanent: flags.contains(AddressFlags::Permanent),
        tentative: flags.contains(AddressFlags::Tentative),
    })
}

/// Unicast routes of the main table with at most one next hop; others are `None`.
pub(super) fn route<'a>(
    message: &RouteMessage,
    name_of: impl Fn(u32) -> Option<&'a str>,
) -> Option<RouteEntry> {
    let header = &message.header;
    if header.kind != RouteType::Unicast || header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    let any: IpAddr = match header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let mut destination = any;
    let mut via = None;
    let mut link = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = route_address(address)?,
            RouteAttribute::Gateway(address) => via = Some(route_address(address)?),
            RouteAttribute::Oif(index) => link = name_of(*index).map(ToOwned::to_owned),
            RouteAttribute::MultiPath(_) => return None,
            _ => {}
        }
    }
    let scope = match header.scope {
        wire_route::RouteScope::Universe => RouteScope::Global,
        wire_route::RouteScope::Link => RouteScope::Link,
        wire_route::RouteScope::Host => RouteScope::Host,
        other => RouteScope::Other(other.into()),
    };
    let destination = IpNet::new(destination, header.destination_prefix_length).ok()?;
    Some(RouteEntry { destination, via, link, protocol: header.protocol.into(), scope })
}

fn route_address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

pub(super) fn fdb_entry(message: &NeighbourMessage) -> Option<FdbEntry> {
    let mut hardware = None;
    let mut dst = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => hardware = mac(bytes),
            NeighbourAttribute::Destination(address) => dst = neighbour_address(address),
            _ => {}
        }
    }
    let permanent = message.header.state == NeighbourState::Permanent;
    Some(FdbEntry { mac: hardware?, dst, permanent })
}

pub(super) fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let entry = fdb_entry(message)?;
    Some(Neighbour { ip: entry.dst?, mac: entry.mac, permanent: entry.permanent })
}

fn neighbour_address(address: &NeighbourAddress) -> Option<IpAddr> {
    match address {
        NeighbourAddress::Inet(ip) => Some((*ip).into()),
        NeighbourAddress::Inet6(ip) => Some((*ip).into()),
        // The family of a forwarding entry is "bridge": only its length tells.
        NeighbourAddress::Other(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes.as_slice()).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(bytes.as_slice()).ok().map(IpAddr::from),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn event(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<LinkEvent> {
    let (kind, message) = match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
            (LinkEventKind::Changed, message)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
            (LinkEventKind::Removed, message)
        }
        _ => return None,
    };
    // A port leaving its bridge is told as a removal too, in the bridge's family.
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let link = link(&message)?;
    Some(LinkEvent { name: link.name.clone(), index: link.index, kind, link })
}
