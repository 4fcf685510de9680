//! Who asks for which policy, and what that means for ports.
//!
//! A port is under its own policy, else under that of its network; ports of the cloud
//! itself (`network:*`) are under their own only.

use std::collections::BTreeSet;

use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{NetworkId, PortId, QosPolicyId};

use super::policy::target;
use super::rules::{not_found, not_removable, not_supported};
use super::{routed, store};
use crate::App;
use crate::drivers::qos;
use crate::resources::qos_rule;
use crate::resources::qos_rule::model::QosRule;

/// The kinds of object that ask for policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Network,
    Port,
    FloatingIp,
    /// A router, for its gateway.
    Router,
}

impl Holder {
    const fn set(self) -> &'static str {
        match self {
            Self::Network => {
                "INSERT INTO network_qos_policies (network_id, policy_id) VALUES ($1, $2) \
                 ON CONFLICT (network_id) DO UPDATE SET policy_id = excluded.policy_id"
            }
            Self::Port => {
                "INSERT INTO port_qos_policies (port_id, policy_id) VALUES ($1, $2) \
                 ON CONFLICT (port_id) DO UPDATE SET policy_id = excluded.policy_id"
            }
            Self::FloatingIp => {
                "INSERT INTO floating_ip_qos_policies (floating_ip_id, policy_id) VALUES ($1, $2) \
                 ON CONFLICT (floating_ip_id) DO UPDATE SET policy_id = excluded.policy_id"
            }
            Self::Router => {
                "INSERT INTO router_qos_policies (router_id, policy_id) VALUES ($1, $2) \
                 ON CONFLICT (router_id) DO UPDATE SET policy_id = excluded.policy_id"
            }
        }
    }

    const fn clear(self) -> &'static str {
        match self {
            Self::Network => "DELETE FROM network_qos_policies WHERE network_id = $1",
            Self::Port => "DELETE FROM port_qos_policies WHERE port_id = $1",
            Self::FloatingIp => "DELETE FROM floating_ip_qos_policies WHERE floating_ip_id = $1",
            Self::Router => "DELETE FROM router_qos_policies WHERE router_id = $1",
        }
    }

    /// The statement that makes the object ask for this policy, or for none.
    #[must_use]
    pub fn statement(
        self,
        id: impl Into<Value>,
        policy_id: Option<QosPolicyId>,
    ) -> (&'static str, Vec<Value>) {
        match policy_id {
            Some(policy_id) => (self.set(), vec![id.into(), policy_id.into()]),
            None => (self.clear(), vec![id.into()]),
        }
    }
}

/// Kind, id and project of every object that asks for policy `$1`.
pub const USERS: &str = "SELECT 'port' AS kind, o.id, o.project_id FROM port_qos_policies b \
     JOIN ports o ON o.id = b.port_id WHERE b.policy_id = $1 \
     UNION ALL SELECT 'network', o.id, o.project_id FROM network_qos_policies b \
     JOIN networks o ON o.id = b.network_id WHERE b.policy_id = $1 \
     UNION ALL SELECT 'fip', o.id, o.project_id FROM floating_ip_qos_policies b \
     JOIN floating_ips o ON o.id = b.floating_ip_id WHERE b.policy_id = $1 \
     UNION ALL SELECT 'router', o.id, o.project_id FROM router_qos_policies b \
     JOIN routers o ON o.id = b.router_id WHERE b.policy_id = $1";

/// Ports `p` under policy `$1`, as the tail of a statement.
macro_rules! ports_under {
    () => {
        " FROM ports p WHERE p.id IN (SELECT port_id FROM port_qos_policies WHERE policy_id = $1) \
         OR (p.network_id IN (SELECT network_id FROM network_qos_policies WHERE policy_id = $1) \
         AND p.device_owner NOT LIKE 'network:%' \
         AND NOT EXISTS (SELECT 1 FROM port_qos_policies own WHERE own.port_id = p.id))"
    };
}

/// Ports `p` of network `$1` that are under the network's policy, as the tail of a
/// statement.
macro_rules! ports_of_network {
    () => {
        " FROM ports p WHERE p.network_id = $1 AND p.device_owner NOT LIKE 'network:%' \
         AND NOT EXISTS (SELECT 1 FROM port_qos_policies own WHERE own.port_id = p.id)"
    };
}

/// One object that asks for the policy: its kind and id.
///
/// # Errors
/// The store's.
pub async fn user_of(session: &mut Session, id: QosPolicyId) -> Result<Option<(String, String)>, StoreError> {
    let found = session.row(&format!("{USERS} LIMIT 1"), values![id]).await?;
    let read = |row: Row| {
        let mut columns = row.columns();
        Ok((columns.text()?, columns.text()?))
    };
    found.map(read).transpose()
}

/// Makes sure the caller may ask for these policies.
///
/// # Errors
/// 404 for the first it may not see.
pub async fn check_usable(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    ids: &BTreeSet<QosPolicyId>,
) -> Result<(), Fault> {
    let found = store::get_many(session, ids, caller).await?;
    let usable = |id: &QosPolicyId| {
        let policy = found.iter().find(|policy| policy.id == *id);
        policy.is_some_and(|policy| app.policy.allows("get_policy", caller, &target(policy)))
    };
    match ids.iter().find(|id| !usable(id)) {
        Some(hidden) => Err(not_found(hidden)),
        None => Ok(()),
    }
}

/// Makes sure the caller may replace the policy `before` of an object by `after`.
///
/// # Errors
/// 403 when it may not see the old one, 404 when it may not see the new one.
pub async fn check_change(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    before: Option<QosPolicyId>,
    after: Option<QosPolicyId>,
) -> Result<(), Fault> {
    if before == after {
        return Ok(());
    }
    if let Some(before) = before {
        let kept = check_usable(session, app, caller, &[before].into()).await;
        kept.map_err(|fault| if fault.status() == 404 { not_removable(before) } else { fault })?;
    }
    check_usable(session, app, caller, &after.into_iter().collect()).await
}

/// How ports are plugged in, as far as it decides what can be done for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring {
    /// One such port.
    pub port_id: String,
    pub vif_type: String,
    pub vnic_type: String,
}

async fn wirings(session: &mut Session, sql: &str, values: Vec<Value>) -> Result<Vec<Wiring>, StoreError> {
    let read = |row: Row| {
        let mut columns = row.columns();
        Ok(Wiring { port_id: columns.text()?, vif_type: columns.text()?, vnic_type: columns.text()? })
    };
    session.rows(sql, values).await?.into_iter().map(read).collect()
}

/// The ways ports under a policy are plugged in, with one port of each.
///
/// # Errors
/// The store's.
pub async fn wirings_under(session: &mut Session, id: QosPolicyId) -> Result<Vec<Wiring>, StoreError> {
    let sql = concat!(
        "SELECT MIN(p.id), p.binding_vif_type, p.binding_vnic_type",
        ports_under!(),
        " GROUP BY p.binding_vif_type, p.binding_vnic_type ORDER BY 1"
    );
    wirings(session, sql, values![id]).await
}

/// Refuses rules that the drivers in charge of these ports cannot carry out.
///
/// # Errors
/// 409 `QosRuleNotSupported` names rule and port.
pub fn check_supported(rules: &[QosRule], wirings: &[Wiring]) -> Result<(), Fault> {
    for wiring in wirings {
        let supported = |rule: &&QosRule| qos::is_supported(rule, &wiring.vif_type, &wiring.vnic_type);
        if let Some(rule) = rules.iter().find(|rule| !supported(rule)) {
            return Err(not_supported(rule.kind, &wiring.port_id));
        }
    }
    Ok(())
}

/// Refuses ports, just written, under a policy they cannot have.
///
/// # Errors
/// 409 `QosRuleNotSupported`.
pub async fn check_ports(session: &mut Session, ports: &[Under]) -> Result<(), Fault> {
    let ids: BTreeSet<QosPolicyId> = ports.iter().map(|port| port.policy_id).collect();
    let rules = qos_rule::store::of_policies(session, ids.iter().map(Value::from).collect()).await?;
    for port in ports {
        let own: Vec<QosRule> =
            rules.iter().filter(|rule| rule.policy_id == port.policy_id).copied().collect();
        check_supported(&own, std::slice::from_ref(&port.wiring))?;
    }
    Ok(())
}

/// A port and the policy it is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Under {
    pub policy_id: QosPolicyId,
    pub wiring: Wiring,
}

/// Whether an instance has a port under the policy.
///
/// # Errors
/// The store's.
pub async fn has_instances_under(session: &mut Session, id: QosPolicyId) -> Result<bool, StoreError> {
    let sql = concat!(
        "SELECT 1 FROM (SELECT p.device_owner",
        ports_under!(),
        ") under WHERE under.device_owner LIKE 'compute:%' LIMIT 1"
    );
    Ok(session.row(sql, values![id]).await?.is_some())
}

/// Notes a change of every port under the policy that is on a host.
///
/// # Errors
/// The store's.
pub async fn tell_hosts_under(tx: &mut Tx, id: QosPolicyId) -> Result<(), StoreError> {
    tell_hosts(tx, concat!("SELECT p.id, p.network_id, p.binding_host", ports_under!()), values![id]).await
}

/// Gives the network another policy: makes sure that its ports can have what the new
/// one asks for, and tells their hosts.
///
/// # Errors
/// 409 `QosRuleNotSupported`.
pub async fn change_of_network(
    tx: &mut Tx,
    id: NetworkId,
    policy_id: Option<QosPolicyId>,
) -> Result<(), Fault> {
    let (sql, values) = Holder::Network.statement(id, policy_id);
    tx.execute_later(sql, values).await?;
    if let Some(policy_id) = policy_id {
        let rules = qos_rule::store::of_policy(tx, policy_id).await?;
        let sql = concat!(
            "SELECT MIN(p.id), p.binding_vif_type, p.binding_vnic_type",
            ports_of_network!(),
            " GROUP BY p.binding_vif_type, p.binding_vnic_type ORDER BY 1"
        );
        check_supported(&rules, &wirings(tx, sql, values![id]).await?)?;
    }
    let sql = concat!("SELECT p.id, p.network_id, p.binding_host", ports_of_network!());
    tell_hosts(tx, sql, values![id]).await?;
    routed::tell_of_network(tx, id).await?;
    Ok(())
}

async fn tell_hosts(tx: &mut Tx, sql: &str, values: Vec<Value>) -> Result<(), StoreError> {
    for row in tx.rows(sql, values).await? {
        let mut columns = row.columns();
        let (port_id, network_id) = (columns.parse::<PortId>()?, columns.text()?);
        if !columns.text()?.is_empty() {
            tx.record_in("port", ChangeKind::Set, port_id, network_id);
        }
    }
    Ok(())
}
