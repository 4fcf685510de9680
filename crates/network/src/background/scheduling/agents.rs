//! Agents that can take more work.

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{Session, StoreError, values};

use crate::Settings;

/// `agent_type` of agents that serve DHCP.
pub const DHCP: &str = "DHCP agent";
/// `agent_type` of agents that carry routers.
pub const L3: &str = "L3 agent";

/// An agent that is up, enabled and heard of lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub host: String,
    pub availability_zone: String,
}

/// The time a heartbeat must not be older than, as the table holds times.
#[must_use]
pub fn alive_since(settings: &Settings) -> String {
    let now = jiff::Timestamp::now().as_second();
    let since = now.saturating_sub(i64::from(settings.agent_down_time));
    let since = jiff::Timestamp::from_second(since).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    since.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// DHCP agents, those with the fewest networks first.
///
/// # Errors
/// The store's.
pub async fn for_dhcp(session: &mut Session, settings: &Settings) -> Result<Vec<Candidate>, StoreError> {
    let rows = session
        .rows(
            "SELECT host, availability_zone FROM agents WHERE agent_type = 'DHCP agent' AND admin_state_up \
             AND heartbeat_timestamp >= $1 \
             ORDER BY (SELECT COUNT(*) FROM dhcp_bindings WHERE dhcp_bindings.host = agents.host), host",
            values![alive_since(settings)],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok(Candidate { host: columns.text()?, availability_zone: columns.text()? })
        })
        .collect()
}

/// The first candidate in one of the zones; in any when no zone is hinted.
#[must_use]
pub fn choose(candidates: Vec<Candidate>, zones: &[String]) -> Option<Candidate> {
    candidates.into_iter().find(|candidate| zones.is_empty() || zones.contains(&candidate.availability_zone))
}

/// Refuses zones in which there is no agent of this type.
///
/// # Errors
/// 404 naming the zone.
pub async fn check_zones(session: &mut Session, agent_type: &str, zones: &[String]) -> Result<(), Fault> {
    if zones.is_empty() {
        return Ok(());
    }
    let sql = "SELECT DISTINCT availability_zone FROM agents WHERE agent_type = $1";
    let rows = session.rows(sql, values![agent_type]).await?;
    let known: Vec<String> = rows.into_iter().map(|row| row.columns().text()).collect::<Result<_, _>>()?;
    match zones.iter().find(|zone| !known.contains(zone)) {
        Some(zone) => Err(Fault::new(
            FaultType::AvailabilityZoneNotFound,
            format!("AvailabilityZone {zone} could not be found."),
        )),
        None => Ok(()),
    }
}
