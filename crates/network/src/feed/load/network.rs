//! Networks, their subnets, and who serves DHCP on them.

use std::collections::BTreeMap;

use isospin_feed::proto::{DhcpService, Network, Route, Segment, Subnet};
use isospin_store_kit::{Session, StoreError};

use super::{Of, each, field, objects, rows, texts};
use crate::drivers::tunnel;
use crate::resources::subnet_pool::scope_of_subnet;

/// Networks, on their first segment and without their tunnel peers: both depend on
/// who asks ([`place`]). A network without a readable segment is set aside.
pub(in crate::feed) async fn networks(session: &mut Session, of: &Of) -> Result<Vec<Network>, StoreError> {
    let found = rows(session, "id, name, project_id, mtu, admin_state_up, external", "networks", of).await?;
    let mut networks = each("network", found, |columns| {
        Ok(Network {
            id: columns.text()?,
            name: columns.text()?,
            project_id: columns.text()?,
            mtu: columns.number()?,
            admin_state_up: columns.flag()?,
            external: columns.flag()?,
            ..Network::default()
        })
    });
    let ids = networks.iter().map(|network| network.id.clone()).collect();
    let mut segments = segments(session, ids).await?;
    for network in &mut networks {
        network.segments = segments.remove(&network.id).unwrap_or_default();
        place(network, |_| false);
    }
    networks.retain(|network| !network.network_type.is_empty());
    Ok(networks)
}

/// The segments of these networks, in order.
async fn segments(
    session: &mut Session,
    networks: Vec<String>,
) -> Result<BTreeMap<String, Vec<Segment>>, StoreError> {
    let found = rows(
        session,
        "network_id, position, id, network_type, physical_network, segmentation_id",
        "segments",
        &Of::Column("network_id", networks),
    )
    .await?;
    let mut found = each("segment", found, |columns| {
        let (network_id, position) = (columns.text()?, columns.int()?);
        let segment = Segment {
            id: columns.text()?,
            network_type: columns.text()?,
            physical_network: columns.text()?,
            segmentation_id: columns.number()?,
        };
        Ok((network_id, position, segment))
    });
    found.sort_by_key(|(_, position, _)| *position);
    let mut segments: BTreeMap<String, Vec<Segment>> = BTreeMap::new();
    for (network_id, _, segment) in found {
        segments.entry(network_id).or_default().push(segment);
    }
    Ok(segments)
}

/// Puts the network on the segment that `here` says a host is on, else on its first.
pub(in crate::feed) fn place(network: &mut Network, here: impl Fn(&str) -> bool) {
    let found = network.segments.iter().find(|segment| here(&segment.id));
    let Some(segment) = found.or(network.segments.first()).cloned() else { return };
    network.network_type = segment.network_type;
    network.physical_network = segment.physical_network;
    network.segmentation_id = segment.segmentation_id;
}

/// Whether hosts with a port on the network are told all its ports: not those of
/// provider networks, which hold an address for every router and floating IP.
pub(in crate::feed) fn tells_all_ports(network: &Network) -> bool {
    !network.external
        || network.segments.iter().any(|segment| tunnel::NAMES.contains(&segment.network_type.as_str()))
}

pub(in crate::feed) async fn subnets(session: &mut Session, of: &Of) -> Result<Vec<Subnet>, StoreError> {
    let found = rows(
        session,
        concat!(
            "id, network_id, ip_version, cidr, gateway_ip, enable_dhcp, dns_nameservers, host_routes, \
             ipv6_ra_mode, ipv6_address_mode, ",
            scope_of_subnet!()
        ),
        "subnets",
        of,
    )
    .await?;
    Ok(each("subnet", found, |columns| {
        Ok(Subnet {
            id: columns.text()?,
            network_id: columns.text()?,
            ip_version: columns.number()?,
            cidr: columns.text()?,
            gateway_ip: columns.opt_text()?.unwrap_or_default(),
            enable_dhcp: columns.flag()?,
            dns_nameservers: texts(&columns.text()?),
            host_routes: objects(&columns.text()?)
                .iter()
                .map(|route| Route {
                    destination: field(route, "destination"),
                    nexthop: field(route, "nexthop"),
                })
                .collect(),
            ipv6_ra_mode: columns.opt_text()?.unwrap_or_default(),
            ipv6_address_mode: columns.opt_text()?.unwrap_or_default(),
            address_scope_id: columns.opt_text()?.unwrap_or_default(),
        })
    }))
}

/// DHCP services with the host that gives each.
pub(in crate::feed) async fn dhcp_services(
    session: &mut Session,
    of: &Of,
) -> Result<Vec<(DhcpService, String)>, StoreError> {
    let found = rows(session, "network_id, host, port_id", "dhcp_bindings", of).await?;
    let served = each("DHCP service", found, |columns| {
        let (network_id, host) = (columns.text()?, columns.text()?);
        Ok(columns
            .opt_text()?
            .map(|port_id| (DhcpService { id: network_id.clone(), network_id, port_id }, host)))
    });
    Ok(served.into_iter().flatten().collect())
}

/// The tunnel address of each of these hosts; hosts without one are absent.
pub(in crate::feed) async fn tunnel_addresses(
    session: &mut Session,
    hosts: Vec<String>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let found = rows(session, "host, tunnel_ip", "agents", &Of::Column("host", hosts)).await?;
    let addresses = each("agent", found, |columns| Ok((columns.text()?, columns.text()?)));
    Ok(addresses.into_iter().filter(|(_, address)| !address.is_empty()).collect())
}
