//! Devices, addresses, routes, forwarding entries and neighbours of a place.
//!
//! [`Links`] is the door; values in and out are plain. Only this folder names
//! netlink types (`kernel.rs` sends, `parse.rs` reads).

mod filters;
mod kernel;
mod offload;
mod parse;
mod values;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::BoxStream;
use ipnet::IpNet;
use isospin_types::MacAddr;
use std::net::IpAddr;

use self::kernel::KernelLinks;
use crate::{HostError, Place};

pub use filters::{DeviceFilters, FilterLoss, PacketRule};
pub use offload::checksums_in_software;
pub use values::{
    Address, AddressScope, BridgeSpec, FdbEntry, Link, LinkChange, LinkEvent, LinkEventKind, Neighbour,
    RouteEntry, RouteScope, VethSpec, VlanSpec, VxlanSpec,
};

/// The door to the devices of a place. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Links {
    kernel: KernelLinks,
    place: Place,
    software_checksums: bool,
}

impl Links {
    /// Opens the door. It keeps a namespace alive as long as it exists.
    ///
    /// # Errors
    /// When the place cannot be entered or netlink is refused.
    pub async fn open(place: &Place) -> Result<Self, HostError> {
        Ok(Self { kernel: KernelLinks::open(place).await?, place: place.clone(), software_checksums: false })
    }

    /// Lets the inner ends of pairs made from now on compute checksums themselves: a
    /// switch in userspace hands on what it hears, also what the kernel left for the NIC.
    #[must_use]
    pub fn with_software_checksums(self, wanted: bool) -> Self {
        Self { software_checksums: wanted, ..self }
    }

    /// Every device.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn list(&self) -> Result<Vec<Link>, HostError> {
        self.kernel.list().await
    }

    /// The device of this name; `None` when there is none.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn get(&self, name: &str) -> Result<Option<Link>, HostError> {
        self.kernel.get(name).await
    }

    /// The name of the device with this index; `None` when there is none.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn name_of(&self, index: u32) -> Result<Option<String>, HostError> {
        self.kernel.name_of(index).await
    }

    /// Makes a bridge without spanning tree and forward delay; it is down.
    /// The alias is set by a second call, so a crash between may leave it unset.
    ///
    /// # Errors
    /// When it exists ([`HostError::is_exists`]) or the kernel refuses.
    pub async fn create_bridge(&self, name: &str, spec: &BridgeSpec) -> Result<(), HostError> {
        self.kernel.create_bridge(name, spec).await
    }

    /// Makes a VXLAN device; it is down.
    ///
    /// # Errors
    /// When it exists, the VNI is taken, or the kernel refuses.
    pub async fn create_vxlan(&self, name: &str, spec: &VxlanSpec) -> Result<(), HostError> {
        self.kernel.create_vxlan(name, spec).await
    }

    /// Makes a device for one VLAN; it is down.
    ///
    /// # Errors
    /// When it exists, the other device does not, or the kernel refuses.
    pub async fn create_vlan(&self, name: &str, spec: &VlanSpec) -> Result<(), HostError> {
        self.kernel.create_vlan(name, spec).await
    }

    /// Makes a pair of virtual Ethernet devices, both down, the peer at once in
    /// its namespace.
    ///
    /// # Errors
    /// When either name exists or the kernel refuses.
    pub async fn create_veth(&self, spec: &VethSpec) -> Result<(), HostError> {
        self.kernel.create_veth(spec).await?;
        if self.software_checksums {
            let inner = spec.peer_namespace.clone().map_or_else(|| self.place.clone(), Place::Namespace);
            checksums_in_software(&inner, &spec.peer_name).await?;
        }
        Ok(())
    }

    /// Removes a device; absent is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn delete(&self, name: &str) -> Result<(), HostError> {
        self.kernel.delete(name).await
    }

    /// Changes what `change` names and leaves the rest.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn set(&self, name: &str, change: &LinkChange) -> Result<(), HostError> {
        self.kernel.set(name, change).await
    }

    /// Addresses of one device or of all. A device that does not exist has none.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn addresses(&self, link: Option<&str>) -> Result<Vec<Address>, HostError> {
        self.kernel.addresses(link).await
    }

    /// Adds an address; present is fine. IPv6 addresses skip duplicate detection.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn add_address(&self, link: &str, net: IpNet) -> Result<(), HostError> {
        self.kernel.add_address(link, net).await
    }

    /// Removes an address; absent is fine, as is an absent device.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn delete_address(&self, link: &str, net: IpNet) -> Result<(), HostError> {
        self.kernel.delete_address(link, net).await
    }

    /// Unicast routes of the main table with at most one next hop.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn routes(&self) -> Result<Vec<RouteEntry>, HostError> {
        self.kernel.routes().await
    }

    /// Adds a route.
    ///
    /// # Errors
    /// When its destination has a route ([`HostError::is_exists`]), the next hop
    /// cannot be reached, or the kernel refuses.
    pub async fn add_route(&self, route: &RouteEntry) -> Result<(), HostError> {
        self.kernel.put_route(route, false).await
    }

    /// Adds a route, or changes the one its destination has.
    ///
    /// # Errors
    /// When the next hop cannot be reached or the kernel refuses.
    pub async fn replace_route(&self, route: &RouteEntry) -> Result<(), HostError> {
        self.kernel.put_route(route, true).await
    }

    /// Removes exactly this route; absent is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn delete_route(&self, route: &RouteEntry) -> Result<(), HostError> {
        self.kernel.delete_route(route).await
    }

    /// Forwarding entries of a VXLAN device or bridge port.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn fdb(&self, link: &str) -> Result<Vec<FdbEntry>, HostError> {
        self.kernel.fdb(link).await
    }

    /// Adds a permanent forwarding entry beside others of the same MAC; present is fine.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn append_fdb(&self, link: &str, mac: MacAddr, dst: IpAddr) -> Result<(), HostError> {
        self.kernel.append_fdb(link, mac, dst).await
    }

    /// Removes a forwarding entry; absent is fine.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn delete_fdb(&self, link: &str, mac: MacAddr, dst: IpAddr) -> Result<(), HostError> {
        self.kernel.delete_fdb(link, mac, dst).await
    }

    /// Neighbours (ARP and ND) of one device, proxies excluded.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn neighbours(&self, link: &str) -> Result<Vec<Neighbour>, HostError> {
        self.kernel.neighbours(link).await
    }

    /// Sets a permanent neighbour.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn replace_neighbour(&self, link: &str, ip: IpAddr, mac: MacAddr) -> Result<(), HostError> {
        self.kernel.replace_neighbour(link, ip, mac).await
    }

    /// Removes a neighbour; absent is fine.
    ///
    /// # Errors
    /// When there is no such device or the kernel refuses.
    pub async fn delete_neighbour(&self, link: &str, ip: IpAddr) -> Result<(), HostError> {
        self.kernel.delete_neighbour(link, ip).await
    }

    /// Changes of devices from now on: subscribe before the first [`Links::list`].
    ///
    /// # Errors
    /// When the place cannot be entered or netlink is refused.
    pub async fn events(&self) -> Result<LinkEvents, HostError> {
        self.kernel.events().await
    }

    /// Filters of all devices that have any, by device index.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn filters(&self) -> Result<BTreeMap<u32, DeviceFilters>, HostError> {
        self.kernel.filters().await
    }

    /// Filters of one device; `None` when it has none.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn filters_of(&self, index: u32) -> Result<Option<DeviceFilters>, HostError> {
        self.kernel.filters_of(index).await
    }

    /// Sends a device's packets through blocks of filters. A block comes with its first
    /// device, without any filter, and goes with its last.
    ///
    /// # Errors
    /// When it has filters, whosever ([`HostError::is_exists`]), or the kernel refuses.
    pub async fn add_filters(&self, index: u32, filters: DeviceFilters) -> Result<(), HostError> {
        self.kernel.add_filters(index, filters).await
    }

    /// Takes all filters from a device; absent is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn delete_filters(&self, index: u32) -> Result<(), HostError> {
        self.kernel.delete_filters(index).await
    }

    /// Whether this rule, and nothing else, is in the block.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn has_rule(&self, block: u32, rule: PacketRule) -> Result<bool, HostError> {
        Ok(self.kernel.programs(block).await? == [rule.name()])
    }

    /// Makes this rule the only one of a block.
    ///
    /// # Errors
    /// When no device is in the block, or the kernel refuses.
    pub async fn set_rule(&self, block: u32, rule: PacketRule) -> Result<(), HostError> {
        self.kernel.set_program(block, rule).await
    }

    /// Filters taken away from now on, by anybody.
    ///
    /// # Errors
    /// When the place cannot be entered or netlink is refused.
    pub async fn filter_losses(&self) -> Result<BoxStream<'static, FilterLoss>, HostError> {
        self.kernel.filter_losses().await
    }
}

/// A stream of device changes. Its end means that changes may have been missed:
/// open another, then list everything.
pub struct LinkEvents {
    inner: BoxStream<'static, LinkEvent>,
}

impl LinkEvents {
    pub(crate) fn new(inner: BoxStream<'static, LinkEvent>) -> Self {
        Self { inner }
    }
}

impl Stream for LinkEvents {
    type Item = LinkEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<LinkEvent>> {
        self.inner.as_mut().poll_next(context)
    }
}

impl std::fmt::Debug for LinkEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkEvents").finish_non_exhaustive()
    }
}
