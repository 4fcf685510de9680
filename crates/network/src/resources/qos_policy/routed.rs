//! Policies of what routers carry: floating IPs and the addresses of gateways.
//!
//! A floating IP is under its own policy, else under that of its external network; a
//! gateway is under its own only. The router's host limits and marks; nothing is
//! guaranteed there, so guarantees cannot be asked for.

use std::collections::BTreeSet;

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{FloatingIpId, NetworkId, QosPolicyId, RouterId};

use crate::resources::qos_rule;
use crate::resources::qos_rule::model::QosRule;

/// One that asks for a policy, and the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    FloatingIp(FloatingIpId, QosPolicyId),
    Gateway(RouterId, QosPolicyId),
}

impl Asking {
    const fn policy_id(self) -> QosPolicyId {
        match self {
            Self::FloatingIp(_, policy_id) | Self::Gateway(_, policy_id) => policy_id,
        }
    }

    fn refusal(self, rule: &QosRule) -> Fault {
        let by = match self {
            Self::FloatingIp(id, _) => format!("floating IP {id}"),
            Self::Gateway(id, _) => format!("the gateway of router {id}"),
        };
        Fault::new(FaultType::QosRuleNotSupported, format!("Rule {} is not supported by {by}", rule.kind))
    }
}

/// Refuses policies that guarantee something.
///
/// # Errors
/// 409 `QosRuleNotSupported` names rule and asker.
pub async fn check(session: &mut Session, asking: &[Asking]) -> Result<(), Fault> {
    let ids: BTreeSet<QosPolicyId> = asking.iter().map(|asking| asking.policy_id()).collect();
    let rules = qos_rule::store::of_policies(session, ids.iter().map(Value::from).collect()).await?;
    for rule in rules.iter().filter(|rule| rule.kind.is_guarantee()) {
        if let Some(asking) = asking.iter().find(|asking| asking.policy_id() == rule.policy_id) {
            return Err(asking.refusal(rule));
        }
    }
    Ok(())
}

/// Refuses rules of a policy that one who asks for it cannot have.
///
/// # Errors
/// 409 `QosRuleNotSupported`.
pub async fn check_rules(session: &mut Session, id: QosPolicyId, rules: &[QosRule]) -> Result<(), Fault> {
    let Some(rule) = rules.iter().find(|rule| rule.kind.is_guarantee()) else { return Ok(()) };
    let floating = "SELECT floating_ip_id FROM floating_ip_qos_policies WHERE policy_id = $1 LIMIT 1";
    if let Some(row) = session.row(floating, values![id]).await? {
        return Err(Asking::FloatingIp(row.columns().parse()?, id).refusal(rule));
    }
    let gateway = "SELECT router_id FROM router_qos_policies WHERE policy_id = $1 LIMIT 1";
    match session.row(gateway, values![id]).await? {
        Some(row) => Err(Asking::Gateway(row.columns().parse()?, id).refusal(rule)),
        None => Ok(()),
    }
}

/// Notes a change of every floating IP and router under the policy.
///
/// # Errors
/// The store's.
pub async fn tell_under(tx: &mut Tx, id: QosPolicyId) -> Result<(), StoreError> {
    let floating = "SELECT f.id, f.router_id FROM floating_ips f WHERE f.router_id IS NOT NULL \
         AND (f.id IN (SELECT floating_ip_id FROM floating_ip_qos_policies WHERE policy_id = $1) \
         OR (f.floating_network_id IN (SELECT network_id FROM network_qos_policies WHERE policy_id = $1) \
         AND NOT EXISTS (SELECT 1 FROM floating_ip_qos_policies own WHERE own.floating_ip_id = f.id)))";
    tell_floating_ips(tx, floating, values![id]).await?;
    for row in tx.rows("SELECT router_id FROM router_qos_policies WHERE policy_id = $1", values![id]).await? {
        let router_id: RouterId = row.columns().parse()?;
        tx.record("router", ChangeKind::Set, router_id);
    }
    Ok(())
}

/// Notes a change of every floating IP that is under the policy of its network.
///
/// # Errors
/// The store's.
pub async fn tell_of_network(tx: &mut Tx, id: NetworkId) -> Result<(), StoreError> {
    let floating = "SELECT f.id, f.router_id FROM floating_ips f WHERE f.router_id IS NOT NULL \
         AND f.floating_network_id = $1 \
         AND NOT EXISTS (SELECT 1 FROM floating_ip_qos_policies own WHERE own.floating_ip_id = f.id)";
    tell_floating_ips(tx, floating, values![id]).await
}

async fn tell_floating_ips(tx: &mut Tx, sql: &str, values: Vec<Value>) -> Result<(), StoreError> {
    let read = |row: Row| {
        let mut columns = row.columns();
        Ok::<_, StoreError>((columns.parse::<FloatingIpId>()?, columns.text()?))
    };
    for row in tx.rows(sql, values).await? {
        let (id, router) = read(row)?;
        tx.record_in("floating_ip", ChangeKind::Set, id, router);
    }
    Ok(())
}
