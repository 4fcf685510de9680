//! Everything one host needs, computed from the tables: the definition of correct.

use std::collections::{BTreeMap, BTreeSet};

use isospin_feed::proto::{Network, Port, Record, record::Fact};
use isospin_store_kit::{Session, StoreError, changes};

use super::load::{self, Of};
use crate::drivers::tunnel;

/// The records of a host at one version.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub version: u64,
    /// Networks come before the ports on them.
    pub records: Vec<Record>,
}

/// Networks that have a port bound to the host.
const PRESENT: &str = "id IN (SELECT network_id FROM ports WHERE binding_host = ?)";
const OF_PRESENT: &str = "network_id IN (SELECT network_id FROM ports WHERE binding_host = ?)";
/// As [`load::tells_all_ports`] says.
const TOLD_PORTS: &str = "(p.binding_host = ? OR p.network_id IN (SELECT b.network_id FROM ports b JOIN networks n \
     ON n.id = b.network_id AND (n.external = FALSE OR EXISTS (SELECT 1 FROM segments s \
     WHERE s.network_id = n.id AND s.network_type IN ('vxlan', 'gre', 'geneve'))) WHERE b.binding_host = ?))";

/// Computes the snapshot of `host`. Run it in [`isospin_store_kit::Store::snapshot`].
///
/// A host needs: the networks that have a port bound to it, with their subnets; all
/// ports of those networks (leases, metadata, forwarding), but of provider networks
/// only those bound to it; the groups of its ports with their rules, and the members
/// and addresses of the groups those rules name; its routers with their floating IPs; the DHCP
/// services it gives.
pub(super) async fn of_host(session: &mut Session, host: &str) -> Result<Snapshot, StoreError> {
    let version = changes::latest_version(session).await?;
    let host_text = host.to_owned();
    let mut networks = load::networks(session, &Of::Where(PRESENT, host_text.clone())).await?;
    let subnets = load::subnets(session, &Of::Where(OF_PRESENT, host_text.clone())).await?;
    let ports = load::ports(session, &Of::Where(TOLD_PORTS, host_text.clone())).await?;
    place(&mut networks, &ports, host);
    tunnel_peers(&mut networks, &ports, host);
    let used: BTreeSet<&String> =
        ports.iter().filter(|port| port.host == host).flat_map(|port| &port.security_group_ids).collect();
    let used: Vec<String> = used.into_iter().cloned().collect();
    let groups = load::security_groups(session, &Of::Column("id", used.clone())).await?;
    let rules = load::rules(session, &Of::Column("security_group_id", used)).await?;
    let remote: BTreeSet<String> =
        rules.iter().map(|rule| rule.remote_group_id.clone()).filter(|group| !group.is_empty()).collect();
    let member_ports = member_ports(session, &remote).await?;
    let addresses: BTreeSet<String> = rules
        .iter()
        .map(|rule| rule.remote_address_group_id.clone())
        .filter(|group| !group.is_empty())
        .collect();
    let address_groups = load::address_groups(session, addresses.into_iter().collect()).await?;
    let members = load::members(member_ports.iter(), |group| remote.contains(group));
    let routers = load::routers(session, &Of::Where("r.host = ?", host_text.clone())).await?;
    let floating_ips = load::floating_ips(
        session,
        &Of::Where("router_id IN (SELECT id FROM routers WHERE host = ?)", host_text.clone()),
    )
    .await?;
    let services = load::dhcp_services(session, &Of::Where("host = ?", host_text)).await?;

    let mut facts: Vec<Fact> = Vec::new();
    facts.extend(networks.into_iter().map(Fact::Network));
    facts.extend(subnets.into_iter().map(Fact::Subnet));
    facts.extend(ports.into_iter().map(Fact::Port));
    facts.extend(groups.into_iter().map(Fact::SecurityGroup));
    facts.extend(rules.into_iter().map(Fact::SecurityGroupRule));
    facts.extend(members.into_iter().map(Fact::SecurityGroupMember));
    facts.extend(address_groups.into_iter().map(Fact::AddressGroup));
    facts.extend(routers.into_iter().map(|(router, _)| Fact::Router(router)));
    facts.extend(floating_ips.into_iter().map(Fact::FloatingIp));
    facts.extend(services.into_iter().map(|(service, _)| Fact::DhcpService(service)));
    let records = facts.into_iter().map(|fact| Record { fact: Some(fact) }).collect();
    Ok(Snapshot { version, records })
}

/// Puts each network on the segment the host's ports are on.
fn place(networks: &mut [Network], ports: &[Port], host: &str) {
    let here: BTreeSet<&str> =
        ports.iter().filter(|port| port.host == host).map(|port| port.segment_id.as_str()).collect();
    for network in networks {
        load::place(network, |segment| here.contains(segment));
    }
}

/// Fills in at which other hosts each network in tunnels is present: all its ports are told.
fn tunnel_peers(networks: &mut [Network], ports: &[Port], host: &str) {
    let mut peers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for port in ports.iter().filter(|port| port.host != host && !port.tunnel_ip.is_empty()) {
        peers.entry(&port.network_id).or_default().insert(&port.tunnel_ip);
    }
    for network in
        networks.iter_mut().filter(|network| tunnel::NAMES.contains(&network.network_type.as_str()))
    {
        let of_network = peers.remove(network.id.as_str()).unwrap_or_default();
        network.tunnel_peers = of_network.into_iter().map(str::to_owned).collect();
    }
}

async fn member_ports(session: &mut Session, groups: &BTreeSet<String>) -> Result<Vec<Port>, StoreError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    load::ports(session, &Of::InGroups(groups.iter().cloned().collect())).await
}
