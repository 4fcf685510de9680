//! Making ports: one way for a single port and for thousands in one unit.
//!
//! Networks, subnets, default groups and hosts are looked up once for the whole
//! unit; rows are written with one prepared statement for each table.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use isospin_api_kit::{Fault, FaultType, now_seconds};
use isospin_store_kit::{ChangeKind, Tx, Value, values};
use isospin_types::{MacAddr, NetworkId, SecurityGroupId};
use rand::Rng as _;

use super::super::model::{Addresses, Binding, IpAllocation, NewPort, Port};
use super::super::rules::references::mac_in_use;
use super::super::rules::{demands, reach, security};
use super::addresses::{self, Request};
use super::binding::{Hosts, pending, status_before_reports};
use crate::resources::qos_policy::bindings::Holder;
use crate::resources::segment::model::NetworkSegment;
use crate::resources::subnet::model::Subnet;
use crate::resources::{security_group, segment, subnet};
use crate::{App, quota};

/// Rounds of new MACs before giving up: with 2^24 of them a second round is rare.
const MAC_ROUNDS: u32 = 16;

const INSERT_PORT: &str = "INSERT INTO ports (id, project_id, network_id, name, description, mac_address, \
     admin_state_up, status, device_id, device_owner, port_security_enabled, dns_name, ip_allocation, \
     allowed_address_pairs, extra_dhcp_opts, binding_host, binding_vnic_type, binding_profile, \
     binding_vif_type, binding_vif_details, binding_segment_id, data_plane_status, device_profile, \
     hardware_offload_type, hints, numa_affinity_policy, propagate_uplink_status, trusted, created_at, \
     updated_at, revision_number, dns_domain, guest_of) VALUES \
     ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, \
     $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, NULLIF((SELECT project_id FROM networks WHERE id = $3), $2)) ON CONFLICT DO NOTHING";
const INSERT_GROUP: &str = "INSERT INTO port_security_groups (port_id, security_group_id) VALUES ($1, $2)";
const INSERT_TAG: &str = "INSERT INTO tags (resource_id, tag) VALUES ($1, $2)";

/// Makes one port; see [`create_many`].
///
/// # Errors
/// As [`create_many`].
pub async fn create(tx: &mut Tx, app: &App, new: NewPort) -> Result<Port, Fault> {
    let mut ports = create_many(tx, app, vec![new]).await?;
    ports.pop().ok_or_else(Fault::not_found)
}

/// Makes ports: quota, MACs, addresses, groups, binding, rows and change records.
/// Whether the caller may have them is decided before.
///
/// # Errors
/// 409 `OverQuota`, `MacAddressInUse`, `IpAddressAlreadyAllocated`,
/// `IpAddressGenerationFailure`; 400 for addresses, pairs or groups that cannot be;
/// 503 `NetworkMacAddressGenerationFailure`.
pub async fn create_many(tx: &mut Tx, app: &App, news: Vec<NewPort>) -> Result<Vec<Port>, Fault> {
    create_with(tx, app, news, &mut random_mac).await
}

/// Where MACs come from that nobody named.
type Macs<'m> = &'m mut (dyn FnMut() -> MacAddr + Send);

/// [`create_many`] with another source of MACs.
pub(in crate::resources::port) async fn create_with(
    tx: &mut Tx,
    app: &App,
    news: Vec<NewPort>,
    macs: Macs<'_>,
) -> Result<Vec<Port>, Fault> {
    let facts = Facts::gather(tx, app, &news).await?;
    let mut per_project: BTreeMap<&str, i64> = BTreeMap::new();
    for new in &news {
        if new.unlimited {
            quota::count(tx, &new.project_id, "port", 1).await?;
        } else {
            *per_project.entry(new.project_id.as_str()).or_default() += 1;
        }
    }
    for (project_id, count) in per_project {
        quota::take(tx, &app.settings, project_id, "port", count).await?;
    }
    let now = now_seconds();
    let mut ports =
        news.iter().map(|new| draft(app, &facts, new, &now, &mut *macs)).collect::<Result<Vec<_>, _>>()?;
    insert_ports(tx, app, &news, &mut ports, macs).await?;
    let mut requests = Vec::with_capacity(ports.len());
    for (new, port) in news.iter().zip(&ports) {
        let demands = match facts.subnets_for(new)? {
            Some(subnets) => {
                demands(port.network_id, &subnets, &port.device_owner, port.mac_address, &new.addresses)?
            }
            None => Vec::new(),
        };
        requests.push(Request { port_id: port.id, network_id: port.network_id, demands });
    }
    let found = addresses::find(tx, &requests).await?;
    write_children(tx, &news, &mut ports, found).await?;
    Ok(ports)
}

/// What the unit needs to know beside the requests, looked up once.
struct Facts {
    subnets: BTreeMap<NetworkId, Vec<Subnet>>,
    /// Of networks with a port to bind.
    segments: BTreeMap<NetworkId, Vec<NetworkSegment>>,
    default_groups: BTreeMap<String, SecurityGroupId>,
    hosts: Hosts,
}

impl Facts {
    async fn gather(tx: &mut Tx, app: &App, news: &[NewPort]) -> Result<Self, Fault> {
        let mut subnets = BTreeMap::new();
        let mut segments = BTreeMap::new();
        let mut default_groups = BTreeMap::new();
        for new in news {
            if !new.host.is_empty()
                && let Entry::Vacant(place) = segments.entry(new.network.id)
            {
                place.insert(segment::store::of_network(tx, new.network.id).await?);
            }
            if let Entry::Vacant(place) = subnets.entry(new.network.id) {
                place.insert(subnet::store::of_network(tx, new.network.id).await?);
            }
            if wants_default_group(new) && !default_groups.contains_key(&new.project_id) {
                let group = security_group::store::default_group(tx, app, &new.project_id).await?;
                default_groups.insert(new.project_id.clone(), group);
            }
        }
        let hosts = Hosts::gather(tx, app, news.iter().map(|new| new.host.as_str())).await?;
        Ok(Self { subnets, segments, default_groups, hosts })
    }

    fn segments_of(&self, network_id: NetworkId) -> &[NetworkSegment] {
        self.segments.get(&network_id).map_or(&[], Vec::as_slice)
    }

    /// Subnets the port may have addresses of; none yet when its host decides that.
    fn subnets_for(&self, new: &NewPort) -> Result<Option<Cow<'_, [Subnet]>>, Fault> {
        let subnets = self.subnets.get(&new.network.id).map_or(&[][..], Vec::as_slice);
        let on = self.hosts.segments_of(&new.host, self.segments_of(new.network.id));
        let host = (!new.host.is_empty()).then_some((new.host.as_str(), &on));
        reach::eligible(new.network.id, subnets, &new.device_owner, host, &new.addresses)
    }
}

fn filtered(new: &NewPort) -> bool {
    security::port_security(&new.device_owner, new.port_security, new.network.port_security_enabled)
}

fn wants_default_group(new: &NewPort) -> bool {
    new.security_groups.is_none() && filtered(new) && !new.project_id.is_empty()
}

/// The port as it will be, but for its addresses.
fn draft(app: &App, facts: &Facts, new: &NewPort, now: &str, macs: Macs<'_>) -> Result<Port, Fault> {
    let port_security_enabled = filtered(new);
    let groups_given = new.security_groups.as_ref().is_some_and(|groups| !groups.is_empty());
    security::check_new(port_security_enabled, groups_given, !new.allowed_address_pairs.is_empty())?;
    let security_groups = match &new.security_groups {
        Some(groups) => groups.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(),
        None if wants_default_group(new) => {
            facts.default_groups.get(&new.project_id).copied().into_iter().collect()
        }
        None => Vec::new(),
    };
    let mut binding = Binding::unbound(new.vnic_type.clone(), new.profile.clone());
    facts.hosts.bind(&mut binding, &new.host, facts.segments_of(new.network.id));
    let mac_address = new.mac_address.unwrap_or_else(&mut *macs);
    let status = status_before_reports(&new.device_owner, new.admin_state_up, &binding);
    Ok(Port {
        id: new.id,
        project_id: new.project_id.clone(),
        network_id: new.network.id,
        name: new.name.clone(),
        description: new.description.clone(),
        mac_address,
        admin_state_up: new.admin_state_up,
        status,
        device_id: new.device_id.clone(),
        device_owner: new.device_owner.clone(),
        port_security_enabled,
        qos_policy_id: new.qos_policy_id,
        dns_name: new.dns_name.clone(),
        dns_domain: new.dns_domain.clone(),
        ip_allocation: match &new.addresses {
            Addresses::Exactly(items) if items.is_empty() => IpAllocation::None,
            _ if facts.subnets_for(new)?.is_none() => IpAllocation::Deferred,
            _ => IpAllocation::Immediate,
        },
        allowed_address_pairs: security::address_pairs(
            &new.allowed_address_pairs,
            mac_address,
            app.settings.max_allowed_address_pairs,
        )?,
        extra_dhcp_opts: new.extra_dhcp_opts.clone(),
        binding,
        card: new.card.clone(),
        data_plane_status: None,
        created_at: now.to_owned(),
        updated_at: now.to_owned(),
        revision_number: 1,
        fixed_ips: Vec::new(),
        security_groups,
    })
}

/// Writes the port rows. A generated MAC that is taken is replaced by another.
async fn insert_ports(
    tx: &mut Tx,
    app: &App,
    news: &[NewPort],
    ports: &mut [Port],
    macs: Macs<'_>,
) -> Result<(), Fault> {
    let mut open: Vec<usize> = (0..ports.len()).collect();
    for _ in 0..MAC_ROUNDS {
        let statements = open.iter().filter_map(|at| ports.get(*at)).map(|port| (INSERT_PORT, row(port)));
        let statements = statements.collect();
        let counts = tx.execute_many(statements).await?;
        let taken: Vec<usize> =
            open.iter().zip(counts).filter(|(_, count)| *count == 0).map(|(at, _)| *at).collect();
        for at in &taken {
            let (Some(new), Some(port)) = (news.get(*at), ports.get_mut(*at)) else { continue };
            if let Some(mac) = new.mac_address {
                return Err(mac_in_use(port.network_id, mac));
            }
            port.mac_address = macs();
            port.allowed_address_pairs = security::address_pairs(
                &new.allowed_address_pairs,
                port.mac_address,
                app.settings.max_allowed_address_pairs,
            )?;
        }
        if taken.is_empty() {
            return Ok(());
        }
        open = taken;
    }
    let network_id = ports.first().map(|port| port.network_id.to_string()).unwrap_or_default();
    Err(Fault::new(
        FaultType::NetworkMacAddressGenerationFailure,
        format!("Unable to generate unique mac on network {network_id}."),
    ))
}

/// Three octets under the base every Neutron uses.
#[must_use]
pub fn random_mac() -> MacAddr {
    let [a, b, c, _] = rand::rng().next_u32().to_be_bytes();
    MacAddr::new([0xfa, 0x16, 0x3e, a, b, c])
}

/// Writes addresses, groups, tags and open parties, and tells followers.
async fn write_children(
    tx: &mut Tx,
    news: &[NewPort],
    ports: &mut [Port],
    found: Vec<addresses::Found>,
) -> Result<(), Fault> {
    let mut statements = addresses::insert_statements(&found);
    for (new, port) in news.iter().zip(ports.iter()) {
        statements.extend(port.security_groups.iter().map(|group| (INSERT_GROUP, values![port.id, *group])));
        statements.extend(new.tags.iter().map(|tag| (INSERT_TAG, values![port.id, tag])));
        if port.qos_policy_id.is_some() {
            statements.push(Holder::Port.statement(port.id, port.qos_policy_id));
        }
        statements.extend(pending(port));
    }
    let counts = tx.execute_many(statements).await?;
    addresses::check_inserted(&found, &counts)?;
    for (port, found) in ports.iter_mut().zip(found) {
        port.fixed_ips = found.fixed_ips;
        tx.record_in("port", ChangeKind::Set, port.id, port.network_id);
    }
    Ok(())
}

fn row(port: &Port) -> Vec<Value> {
    let binding = &port.binding;
    values![
        port.id,
        &port.project_id,
        port.network_id,
        &port.name,
        &port.description,
        port.mac_address,
        port.admin_state_up,
        port.status.as_str(),
        &port.device_id,
        &port.device_owner,
        port.port_security_enabled,
        &port.dns_name,
        port.ip_allocation.as_str(),
        super::write::pairs_json(&port.allowed_address_pairs),
        super::write::options_json(&port.extra_dhcp_opts),
        &binding.host,
        &binding.vnic_type,
        super::write::object_json(&binding.profile),
        &binding.vif_type,
        super::write::object_json(&binding.vif_details),
        binding.segment_id,
        port.data_plane_status.clone(),
        port.card.device_profile.clone(),
        port.card.hardware_offload_type.clone(),
        port.card.hints.as_ref().map(super::write::object_json),
        port.card.numa_affinity_policy.clone(),
        port.card.propagate_uplink_status,
        port.card.trusted,
        &port.created_at,
        &port.updated_at,
        port.revision_number,
        &port.dns_domain,
    ]
}
