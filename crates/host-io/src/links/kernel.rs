//! The netlink side of [`super::Links`]: one request per call.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use ipnet::IpNet;
use isospin_types::MacAddr;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, InfoVeth, InfoVxlan, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteMessage, RouteProtocol};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::{
    Handle, IpVersion, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVlan, LinkVxlan,
    MulticastGroup, RouteMessageBuilder,
};

use super::{
    Address, BridgeSpec, FdbEntry, FilterLoss, Link, LinkChange, LinkEvents, Neighbour, RouteEntry,
    RouteScope, VethSpec, VlanSpec, VxlanSpec, filters, parse,
};
use crate::{HostError, Place};

/// Bytes of kernel memory for changes not read yet. A burst larger than this
/// ends the stream, which its reader answers with a full listing.
const EVENT_BUFFER: usize = 4 << 20;

/// A netlink connection inside a place.
#[derive(Clone, Debug)]
pub(super) struct KernelLinks {
    place: Place,
    handle: Handle,
}

pub(super) type Result<T> = std::result::Result<T, HostError>;

/// Wraps a netlink error with what was being done to what.
pub(super) fn failed<'a>(
    operation: &'static str,
    object: impl Into<String> + 'a,
) -> impl FnOnce(rtnetlink::Error) -> HostError + 'a {
    move |error| {
        let source = match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        };
        HostError::kernel(operation, object, source)
    }
}

pub(super) fn unless_absent(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

fn unless_present(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_exists() => Ok(()),
        other => other,
    }
}

impl KernelLinks {
    pub(super) async fn open(place: &Place) -> Result<Self> {
        let opened = place.run(rtnetlink::new_connection).await?;
        let (connection, handle, _) =
            opened.map_err(|source| HostError::kernel("open netlink in", place.name(), source))?;
        tokio::spawn(connection);
        Ok(Self { place: place.clone(), handle })
    }

    pub(super) async fn list(&self) -> Result<Vec<Link>> {
        let messages = self.handle.link().get().execute();
        let links = messages.try_filter_map(async |message| Ok(parse::link(&message)));
        links.try_collect().await.map_err(failed("list devices in", self.place.name()))
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Link>> {
        let message = self.handle.link().get().match_name(name).execute().try_next().await;
        match message.map_err(failed("get device", name)) {
            Ok(message) => Ok(message.as_ref().and_then(parse::link)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn name_of(&self, index: u32) -> Result<Option<String>> {
        let message = self.handle.link().get().match_index(index).execute().try_next().await;
        match message.map_err(failed("get device", format!("{index}"))) {
            Ok(message) => Ok(message.as_ref().and_then(parse::link).map(|link| link.name)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn index_of(&self, name: &str) -> Result<u32> {
        let absent = || HostError::kernel("find device", name, io::Error::from_raw_os_error(libc::ENODEV));
        Ok(self.get(name).await?.ok_or_else(absent)?.index)
    }

    async fn create(&self, name: &str, message: LinkMessage, alias: Option<&String>) -> Result<()> {
        self.handle.link().add(message).execute().await.map_err(failed("create device", name))?;
        match alias {
            None => Ok(()),
            Some(alias) => {
                let change = LinkChange { alias: Some(alias.clone()), ..LinkChange::default() };
                self.set(name, &change).await
            }
        }
    }

    pub(super) async fn create_bridge(&self, name: &str, spec: &BridgeSpec) -> Result<()> {
        let mut message = LinkMessageBuilder::<LinkBridge>::new(name)
            .append_info_data(InfoBridge::ForwardDelay(0))
            .append_info_data(InfoBridge::StpState(BridgeStpState::Disabled));
        if let Some(seconds) = spec.ageing {
            // The kernel counts in USER_HZ.
            message = message.ageing_time(seconds.saturating_mul(100));
        }
        if let Some(snooping) = spec.multicast_snooping {
            message = message.mcast_snooping(snooping);
        }
        if let Some(mtu) = spec.mtu {
            message = message.mtu(mtu);
        }
        if let Some(mac) = spec.mac {
            message = message.address(mac.octets().to_vec());
        }
        self.create(name, message.build(), spec.alias.as_ref()).await
    }

    pub(super) async fn create_vxlan(&self, name: &str, spec: &VxlanSpec) -> Result<()> {
        let mut message =
            LinkMessageBuilder::<LinkVxlan>::new(name).id(spec.vni).port(spec.port).learning(spec.learning);
        message = match spec.local {
            Some(IpAddr::V4(local)) => message.local(local),
            Some(IpAddr::V6(local)) => message.local6(local),
            None => message,
        };
        message = match spec.group {
            Some(IpAddr::V4(group)) => message.group(group),
            Some(IpAddr::V6(group)) => message.group6(group),
            None => message,
        };
        if spec.answers {
            message = message.proxy(true);
        }
        if let Some(device) = &spec.device {
            message = message.append_info_data(InfoVxlan::Link(self.index_of(device).await?));
        }
        if let Some(mtu) = spec.mtu {
            message = message.mtu(mtu);
        }
        self.create(name, message.build(), spec.alias.as_ref()).await
    }

    pub(super) async fn create_vlan(&self, name: &str, spec: &VlanSpec) -> Result<()> {
        let mut message = LinkVlan::new(name, self.index_of(&spec.device).await?, spec.vlan);
        if let Some(mtu) = spec.mtu {
            message = message.mtu(mtu);
        }
        self.create(name, message.build(), spec.alias.as_ref()).await
    }

    pub(super) async fn create_veth(&self, spec: &VethSpec) -> Result<()> {
        let mut peer = LinkMessageBuilder::<LinkUnspec>::new().name(spec.peer_name.as_str());
        let mut near = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth).name(&*spec.name);
        if let Some(mtu) = spec.mtu {
            peer = peer.mtu(mtu);
            near = near.mtu(mtu);
        }
        if let Some(mac) = spec.peer_mac {
            peer = peer.address(mac.octets().to_vec());
        }
        if let Some(mac) = spec.mac {
            near = near.address(mac.octets().to_vec());
        }
        // `spec` keeps the descriptor open until the request is done.
        if let Some(namespace) = &spec.peer_namespace {
            peer = peer.setns_by_fd(namespace.fd().as_raw_fd());
        }
        let near = near.set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
        self.create(&spec.name, near.build(), spec.alias.as_ref()).await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        let message = LinkUnspec::new_with_name(name).build();
        let done = self.handle.link().del_with_message(message).execute().await;
        unless_absent(done.map_err(failed("delete device", name)))
    }

    pub(super) async fn set(&self, name: &str, change: &LinkChange) -> Result<()> {
        // A request that gives a new name must say by index whose.
        let mut message = match &change.name {
            Some(new) => LinkUnspec::new_with_index(self.index_of(name).await?).name(new.as_str()),
            None => LinkUnspec::new_with_name(name),
        };
        message = match change.up {
            Some(true) => message.up(),
            Some(false) => message.down(),
            None => message,
        };
        if let Some(promiscuous) = change.promiscuous {
            message = message.promiscuous(promiscuous);
        }
        if let Some(mtu) = change.mtu {
            message = message.mtu(mtu);
        }
        if let Some(mac) = change.mac {
            message = message.address(mac.octets().to_vec());
        }
        if let Some(alias) = &change.alias {
            message = message.alias(alias.as_str());
        }
        if let Some(master) = &change.master {
            message = match master {
                Some(bridge) => message.controller(self.index_of(bridge).await?),
                None => message.nocontroller(),
            };
        }
        if let Some(namespace) = &change.namespace {
            message = message.setns_by_fd(namespace.fd().as_raw_fd());
        }
        self.handle.link().set(message.build()).execute().await.map_err(failed("change device", name))
    }

    pub(super) async fn addresses(&self, link: Option<&str>) -> Result<Vec<Address>> {
        let links = match link {
            Some(name) => self.get(name).await?.into_iter().collect(),
            None => self.list().await?,
        };
        let names: std::collections::HashMap<u32, &str> =
            links.iter().map(|link| (link.index, link.name.as_str())).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let messages: Vec<AddressMessage> = self
            .handle
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(failed("list addresses in", self.place.name()))?;
        let ours = |message: &AddressMessage| {
            names.get(&message.header.index).and_then(|name| parse::address(message, name))
        };
        Ok(messages.iter().filter_map(ours).collect())
    }

    pub(super) async fn add_address(&self, link: &str, net: IpNet) -> Result<()> {
        let index = self.index_of(link).await?;
        let mut request = self.handle.address().add(index, net.addr(), net.prefix_len());
        if matches!(net, IpNet::V6(_)) {
            request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        let done = request.execute().await;
        unless_present(done.map_err(failed("add an address", format!("{net} to {link}"))))
    }

    pub(super) async fn delete_address(&self, link: &str, net: IpNet) -> Result<()> {
        let Some(device) = self.get(link).await? else { return Ok(()) };
        let mut message = AddressMessage::default();
        message.header.index = device.index;
        message.header.prefix_len = net.prefix_len();
        message.header.family = family_of(net.addr());
        // IFA_LOCAL alone would leave the prefix unchecked.
        message.attributes.push(AddressAttribute::Local(net.addr()));
        message.attributes.push(AddressAttribute::Address(net.addr()));
        let done = self.handle.address().del(message).execute().await;
        unless_absent(done.map_err(failed("delete an address", format!("{net} of {link}"))))
    }

    pub(super) async fn routes(&self) -> Result<Vec<RouteEntry>> {
        let links = self.list().await?;
        let name_of = |index: u32| links.iter().find(|link| link.index == index).map(|link| &*link.name);
        let mut routes = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let message = match version {
                IpVersion::V4 => RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
                IpVersion::V6 => RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
            };
            let messages: Vec<RouteMessage> = self
                .handle
                .route()
                .get(message)
                .execute()
                .try_collect()
                .await
                .map_err(failed("list routes in", self.place.name()))?;
            routes.extend(messages.iter().filter_map(|message| parse::route(message, name_of)));
        }
        Ok(routes)
    }

    async fn route_message(&self, route: &RouteEntry) -> Result<RouteMessage> {
        let net = route.destination.trunc();
        let object = || format!("{net}");
        let unfit = |error: rtnetlink::Error| failed("describe the route to", object())(error);
        let mut builder = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(net.addr(), net.prefix_len())
            .map_err(|error| unfit(rtnetlink::Error::InvalidNla(error.to_string())))?
            .protocol(RouteProtocol::from(route.protocol))
            .scope(match route.scope {
                RouteScope::Global => 0.into(),
                RouteScope::Link => libc::RT_SCOPE_LINK.into(),
                RouteScope::Host => libc::RT_SCOPE_HOST.into(),
                RouteScope::Other(value) => value.into(),
            });
        if let Some(via) = route.via {
            builder = builder
                .gateway(via)
                .map_err(|error| unfit(rtnetlink::Error::InvalidNla(error.to_string())))?;
        }
        if let Some(link) = &route.link {
            builder = builder.output_interface(self.index_of(link).await?);
        }
        Ok(builder.build())
    }

    pub(super) async fn put_route(&self, route: &RouteEntry, replace: bool) -> Result<()> {
        let request = self.handle.route().add(self.route_message(route).await?);
        let request = if replace { request.replace() } else { request };
        request.execute().await.map_err(failed("add the route to", route.destination.to_string()))
    }

    pub(super) async fn delete_route(&self, route: &RouteEntry) -> Result<()> {
        let message = match self.route_message(route).await {
            // Routes of a device that is gone are gone.
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        };
        let done = self.handle.route().del(message).execute().await;
        unless_absent(done.map_err(failed("delete the route to", route.destination.to_string())))
    }

    async fn neighbour_messages(&self, link: &str, family: AddressFamily) -> Result<Vec<NeighbourMessage>> {
        let index = self.index_of(link).await?;
        let messages = self.handle.neighbours().get().set_address_family(family).execute();
        // The kernel ignores the device of an old-style request.
        let ours = messages.try_filter(|message| std::future::ready(message.header.ifindex == index));
        ours.try_collect().await.map_err(failed("list neighbours of", link))
    }

    pub(super) async fn fdb(&self, link: &str) -> Result<Vec<FdbEntry>> {
        let messages = self.neighbour_messages(link, AddressFamily::Bridge).await?;
        Ok(messages.iter().filter_map(parse::fdb_entry).collect())
    }

    async fn fdb_message(&self, link: &str, mac: MacAddr, dst: IpAddr) -> Result<NeighbourMessage> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.ifindex = self.index_of(link).await?;
        message.header.state = NeighbourState::Permanent;
        message.header.flags = NeighbourFlags::Own;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec()));
        message.attributes.push(NeighbourAttribute::Destination(dst.into()));
        Ok(message)
    }

    pub(super) async fn append_fdb(&self, link: &str, mac: MacAddr, dst: IpAddr) -> Result<()> {
        let message = self.fdb_message(link, mac, dst).await?;
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(message));
        // Without NLM_F_APPEND a second tunnel end for one MAC replaces the first.
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
        let object = || format!("{mac} via {dst} to {link}");
        let mut answers =
            self.handle.clone().request(request).map_err(failed("add a forwarding entry", object()))?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload {
                let failure = rtnetlink::Error::NetlinkError(error);
                return unless_present(Err(failed("add a forwarding entry", object())(failure)));
            }
        }
        Ok(())
    }

    pub(super) async fn delete_fdb(&self, link: &str, mac: MacAddr, dst: IpAddr) -> Result<()> {
        let message = self.fdb_message(link, mac, dst).await?;
        let done = self.handle.neighbours().del(message).execute().await;
        unless_absent(done.map_err(failed("delete a forwarding entry", format!("{mac} via {dst} of {link}"))))
    }

    pub(super) async fn neighbours(&self, link: &str) -> Result<Vec<Neighbour>> {
        let messages = self.neighbour_messages(link, AddressFamily::Unspec).await?;
        Ok(messages.iter().filter_map(parse::neighbour).collect())
    }

    pub(super) async fn replace_neighbour(&self, link: &str, ip: IpAddr, mac: MacAddr) -> Result<()> {
        let index = self.index_of(link).await?;
        let request = self.handle.neighbours().add(index, ip).link_layer_address(&mac.octets()).replace();
        request.execute().await.map_err(failed("set the neighbour", format!("{ip} of {link}")))
    }

    pub(super) async fn delete_neighbour(&self, link: &str, ip: IpAddr) -> Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = family_of(ip);
        message.header.ifindex = self.index_of(link).await?;
        message.attributes.push(NeighbourAttribute::Destination(ip.into()));
        let done = self.handle.neighbours().del(message).execute().await;
        unless_absent(done.map_err(failed("delete the neighbour", format!("{ip} of {link}"))))
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub(super) async fn events(&self) -> Result<LinkEvents> {
        Ok(LinkEvents::new(self.watch(MulticastGroup::Link, parse::event).await?))
    }

    pub(super) async fn filter_losses(&self) -> Result<BoxStream<'static, FilterLoss>> {
        self.watch(MulticastGroup::Tc, filters::loss).await
    }

    /// Messages of a group that say something; ends when some were lost.
    async fn watch<T: Send + 'static>(
        &self,
        group: MulticastGroup,
        read: fn(NetlinkMessage<RouteNetlinkMessage>) -> Option<T>,
    ) -> Result<BoxStream<'static, T>> {
        let opened = self.place.run(move || rtnetlink::new_multicast_connection(&[group])).await?;
        let wrong = |source| HostError::kernel("watch devices in", self.place.name(), source);
        let (mut connection, handle, messages) = opened.map_err(wrong)?;
        let socket: &rtnetlink::sys::Socket =
            rtnetlink::sys::AsyncSocket::socket_ref(connection.socket_mut());
        socket.set_rx_buf_sz(EVENT_BUFFER as libc::c_int).map_err(wrong)?;
        tokio::spawn(connection);
        // The connection ends with its last handle, so the stream keeps it.
        let events = messages
            .take_while(|(message, _)| {
                std::future::ready(!matches!(message.payload, NetlinkPayload::Overrun(_)))
            })
            .filter_map(move |(message, _)| {
                let _alive = &handle;
                std::future::ready(read(message))
            });
        Ok(events.boxed())
    }
}

fn family_of(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
