//! Binding: which mechanism on a host wires a port, and who must report before the
//! port is ACTIVE.

use std::collections::{BTreeMap, BTreeSet};

use isospin_api_kit::Fault;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Tx, Value, values};
use isospin_types::{NetworkId, SegmentId};

use super::super::model::{Binding, FLOATING_IP, Port, PortStatus, UNBOUND, is_trusted_owner};
use crate::drivers;
use crate::resources::segment;
use crate::resources::segment::model::NetworkSegment;
use crate::resources::trunk::model::SUBPORT;
use crate::{App, drivers::HostAgent};

/// What is known of the hosts that ports shall be bound to.
pub(super) struct Hosts {
    agents: BTreeMap<String, Vec<HostAgent>>,
}

impl Hosts {
    /// Reads the agents of these hosts that wire ports and are alive.
    pub(super) async fn gather(
        tx: &mut Tx,
        app: &App,
        hosts: impl Iterator<Item = &str>,
    ) -> Result<Self, Fault> {
        let mut wanted: Vec<&str> = hosts.filter(|host| !host.is_empty()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut agents: BTreeMap<String, Vec<HostAgent>> = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(Self { agents });
        }
        let mut select = Select::new("host, mechanism, configurations, heartbeat_timestamp", "agents");
        select.one_of("host", wanted.into_iter().map(Value::from).collect());
        select.condition("mechanism <> ''");
        let (sql, values) = select.build();
        for row in tx.rows(&sql, values).await? {
            let mut columns = row.columns();
            let host = columns.text()?;
            let agent = HostAgent { mechanism: columns.text()?, configurations: columns.text()? };
            if is_alive(&columns.text()?, app.settings.agent_down_time) {
                agents.entry(host).or_default().push(agent);
            }
        }
        Ok(Self { agents })
    }

    fn agents_of(&self, host: &str) -> &[HostAgent] {
        self.agents.get(host).map_or(&[][..], Vec::as_slice)
    }

    /// Those of a network's segments the host is on.
    pub(super) fn segments_of(&self, host: &str, segments: &[NetworkSegment]) -> BTreeSet<SegmentId> {
        let agents = self.agents_of(host);
        let on = segments.iter().filter(|segment| agents.iter().any(|agent| agent.is_on(&segment.place)));
        on.map(|segment| segment.id).collect()
    }

    /// Sets host, segment, vif type and details: the first of the network's segments
    /// a mechanism on the host can wire, as that mechanism says.
    pub(super) fn bind(&self, binding: &mut Binding, host: &str, segments: &[NetworkSegment]) {
        host.clone_into(&mut binding.host);
        let agents = self.agents_of(host);
        let found = segments.iter().find_map(|segment| {
            let wired = |agent| drivers::bind(agent, &segment.place, &binding.vnic_type);
            agents.iter().find_map(wired).map(|vif| (segment.id, vif))
        });
        binding.segment_id = found.as_ref().map(|(segment_id, _)| *segment_id);
        match found {
            Some((_, vif)) => {
                vif.vif_type.clone_into(&mut binding.vif_type);
                binding.vif_details = vif.details;
            }
            None if host.is_empty() => {
                UNBOUND.clone_into(&mut binding.vif_type);
                binding.vif_details.clear();
            }
            None => binding.fail(),
        }
    }
}

/// Whether a heartbeat at this time (UTC, with `T…Z` or a blank) is recent enough.
fn is_alive(heartbeat: &str, agent_down_time: u32) -> bool {
    let text = format!("{}Z", heartbeat.trim_end_matches('Z').replace(' ', "T"));
    let Ok(at) = text.parse::<jiff::Timestamp>() else { return false };
    let age = jiff::Timestamp::now().as_second().saturating_sub(at.as_second());
    age <= i64::from(agent_down_time)
}

/// Status of a port whose binding is new: nobody has reported yet.
#[must_use]
pub fn status_before_reports(device_owner: &str, admin_state_up: bool, binding: &Binding) -> PortStatus {
    if device_owner == FLOATING_IP {
        PortStatus::NotApplicable
    } else if binding.is_bound() && admin_state_up {
        PortStatus::Build
    } else {
        PortStatus::Down
    }
}

const PENDING_L2: &str = "INSERT INTO port_pending (port_id, party) VALUES ($1, 'l2') ON CONFLICT DO NOTHING";
/// DHCP must know the port first, where some host serves DHCP on a subnet of it.
const PENDING_DHCP: &str = "INSERT INTO port_pending (port_id, party) SELECT $1, 'dhcp' WHERE EXISTS \
     (SELECT 1 FROM port_addresses a JOIN subnets s ON s.id = a.subnet_id \
     JOIN dhcp_bindings d ON d.network_id = s.network_id WHERE a.port_id = $1 AND s.enable_dhcp = TRUE) \
     ON CONFLICT DO NOTHING";
const NOBODY_PENDING: &str = "DELETE FROM port_pending WHERE port_id = $1";

/// Rows for the parties that must report on a port in BUILD.
pub(super) fn pending(port: &Port) -> Vec<(&'static str, Vec<Value>)> {
    if port.status != PortStatus::Build {
        return Vec::new();
    }
    let mut statements = vec![(PENDING_L2, values![port.id])];
    if !port.device_owner.is_empty() && !is_trusted_owner(&port.device_owner) {
        statements.push((PENDING_DHCP, values![port.id]));
    }
    statements
}

/// The rows of before replaced by [`pending`].
pub(super) fn pending_anew(port: &Port) -> Vec<(&'static str, Vec<Value>)> {
    let mut statements = vec![(NOBODY_PENDING, values![port.id])];
    statements.extend(pending(port));
    statements
}

/// Decides the binding of a port to a host ("" = to none) and its status until
/// reports come; nothing is written. A port bound there already stays as it is.
///
/// # Errors
/// The store's.
pub async fn rebind(tx: &mut Tx, app: &App, port: &mut Port, host: &str) -> Result<(), Fault> {
    if port.binding.host == host && (host.is_empty() || port.binding.is_bound()) {
        return Ok(());
    }
    bind_to(tx, app, port.network_id, &mut port.binding, host).await?;
    if port.device_owner == SUBPORT
        && port.binding.is_bound()
        && !drivers::carries_trunks(&port.binding.vif_type)
    {
        port.binding.fail();
    }
    port.status = status_before_reports(&port.device_owner, port.admin_state_up, &port.binding);
    Ok(())
}

/// Decides how a port of the network is plugged in on the host; nothing is written.
///
/// # Errors
/// The store's.
pub async fn bind_to(
    tx: &mut Tx,
    app: &App,
    network_id: NetworkId,
    binding: &mut Binding,
    host: &str,
) -> Result<(), Fault> {
    let segments = segment::store::of_network(tx, network_id).await?;
    let hosts = Hosts::gather(tx, app, std::iter::once(host)).await?;
    hosts.bind(binding, host, &segments);
    Ok(())
}

/// Those of a network's segments the host is on.
///
/// # Errors
/// The store's.
pub async fn segments_of_host(
    tx: &mut Tx,
    app: &App,
    network_id: NetworkId,
    host: &str,
) -> Result<BTreeSet<SegmentId>, Fault> {
    let segments = segment::store::of_network(tx, network_id).await?;
    let hosts = Hosts::gather(tx, app, std::iter::once(host)).await?;
    Ok(hosts.segments_of(host, &segments))
}

/// Binds a port to a host ("" = to none) and writes it.
///
/// # Errors
/// The store's.
pub async fn bind(tx: &mut Tx, app: &App, port: &mut Port, host: &str) -> Result<(), Fault> {
    let before = port.clone();
    rebind(tx, app, port, host).await?;
    super::save(tx, &before, port).await
}
