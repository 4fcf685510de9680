//! SQL for rules.

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::{QosPolicyId, QosRuleId};

use super::TABLE;
use super::kind::Kind;
use super::model::QosRule;
use super::rules::not_found;
use crate::page;

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "qos_rules.id, qos_rules.policy_id, qos_rules.kind, qos_rules.direction, qos_rules.amount, \
         qos_rules.burst"
    };
}

/// The rules of one policy, in the order shown; for batches.
pub const OF_POLICY: &str =
    concat!("SELECT ", columns!(), " FROM qos_rules WHERE policy_id = $1 ORDER BY kind, direction");
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM qos_rules WHERE id = $1");

/// Reads what the select lists here name.
///
/// # Errors
/// A column does not hold what it must.
pub fn from_row(row: Row) -> Result<QosRule, StoreError> {
    let mut columns = row.columns();
    Ok(QosRule {
        id: columns.parse()?,
        policy_id: columns.parse()?,
        kind: columns.parse()?,
        direction: columns.parse()?,
        amount: columns.int()?,
        burst: columns.int()?,
    })
}

/// The rule of this id.
///
/// # Errors
/// The store's.
pub async fn find(session: &mut Session, id: QosRuleId) -> Result<Option<QosRule>, StoreError> {
    session.row(BY_ID, values![id]).await?.map(from_row).transpose()
}

/// The rules of a policy, in the order shown.
///
/// # Errors
/// The store's.
pub async fn of_policy(session: &mut Session, id: QosPolicyId) -> Result<Vec<QosRule>, StoreError> {
    session.rows(OF_POLICY, values![id]).await?.into_iter().map(from_row).collect()
}

/// The rules of several policies; those of one policy in the order shown.
///
/// # Errors
/// The store's.
pub async fn of_policies(session: &mut Session, ids: Vec<Value>) -> Result<Vec<QosRule>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = Select::new(columns!(), TABLE.name);
    select.one_of("policy_id", ids);
    select.order_by("policy_id", false).order_by("kind", false).order_by("direction", false);
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(from_row).collect()
}

/// One page of the rules of a kind in a policy.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    kind: Kind,
    policy_id: QosPolicyId,
) -> Result<Vec<QosRule>, Fault> {
    let mut select = Select::new(columns!(), TABLE.name);
    let policy = select.bind(policy_id);
    let wanted = select.bind(kind.as_str());
    select.condition(format!("qos_rules.policy_id = {policy} AND qos_rules.kind = {wanted}"));
    let unknown = |marker: &str| not_found(policy_id, marker);
    let rows = page::rows(session, query, &TABLE, select, unknown).await?;
    Ok(rows.into_iter().map(from_row).collect::<Result<_, _>>()?)
}

/// Stores a new rule.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, rule: &QosRule) -> Result<(), StoreError> {
    tx.execute_later(
        "INSERT INTO qos_rules (id, policy_id, kind, direction, amount, burst) VALUES ($1, $2, $3, $4, $5, $6)",
        values![
            rule.id,
            rule.policy_id,
            rule.kind.as_str(),
            rule.direction.as_str(),
            rule.amount,
            rule.burst
        ],
    )
    .await?;
    Ok(())
}

/// Stores a changed rule.
///
/// # Errors
/// The store's.
pub async fn update(tx: &mut Tx, rule: &QosRule) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE qos_rules SET direction = $1, amount = $2, burst = $3 WHERE id = $4",
        values![rule.direction.as_str(), rule.amount, rule.burst, rule.id],
    )
    .await?;
    Ok(())
}

/// Removes a rule.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: QosRuleId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM qos_rules WHERE id = $1", values![id]).await?;
    Ok(())
}
