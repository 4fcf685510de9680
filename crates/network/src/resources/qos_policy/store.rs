//! SQL for policies.

use std::collections::{BTreeMap, BTreeSet};

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault, now_seconds};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::QosPolicyId;

use super::model::{QosPolicy, QosPolicyDetails};
use super::rules::{in_use, not_found, set_aside};
use super::{SHAREABLE, TABLE, bindings, routed};
use crate::page;
use crate::resources::qos_rule::kind::Kind;
use crate::resources::rbac_policy::{self, Access, access};
use crate::resources::{qos_rule, tag};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "qos_policies.id, qos_policies.project_id, qos_policies.name, qos_policies.description, \
         qos_policies.is_default, qos_policies.created_at, qos_policies.updated_at, \
         qos_policies.revision_number"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM qos_policies WHERE qos_policies.id = $1");

/// A policy; whether it is open to somebody is not in its row.
fn from_row(row: Row) -> Result<QosPolicy, StoreError> {
    let mut columns = row.columns();
    Ok(QosPolicy {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        is_default: columns.flag()?,
        shared: false,
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// The policy of this id, as open as it is to the caller.
///
/// # Errors
/// The store's.
pub async fn get(
    session: &mut Session,
    id: QosPolicyId,
    caller: &Caller,
) -> Result<Option<QosPolicy>, StoreError> {
    Ok(get_details(session, id, caller).await?.map(|details| details.policy))
}

/// The policy of this id with its rules and tags, in one round trip.
///
/// # Errors
/// The store's.
pub async fn get_details(
    session: &mut Session,
    id: QosPolicyId,
    caller: &Caller,
) -> Result<Option<QosPolicyDetails>, StoreError> {
    let queries = vec![
        (GET, values![id]),
        (access::OF, values![id, &caller.project_id]),
        (qos_rule::store::OF_POLICY, values![id]),
        (tag::store::OF, values![id]),
    ];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let (policy, entries, rules, tags) = (next().next(), next(), next(), next());
    let Some(policy) = policy else { return Ok(None) };
    let mut policy = from_row(policy)?;
    policy.shared = Access::from_rows(entries)?.shared;
    Ok(Some(QosPolicyDetails {
        policy,
        rules: rules.map(qos_rule::store::from_row).collect::<Result<_, _>>()?,
        tags: tags.map(|row| row.columns().text()).collect::<Result<_, _>>()?,
    }))
}

/// The policies of these ids, each as open as it is to the caller.
///
/// # Errors
/// The store's.
pub async fn get_many(
    session: &mut Session,
    ids: &BTreeSet<QosPolicyId>,
    caller: &Caller,
) -> Result<Vec<QosPolicy>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Value> = ids.iter().map(Value::from).collect();
    let mut select = Select::new(columns!(), TABLE.name);
    select.one_of("qos_policies.id", ids.clone());
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    let shared = rbac_policy::shared_among(session, &caller.project_id, ids).await?;
    rows.into_iter()
        .map(|row| {
            let mut policy = from_row(row)?;
            policy.shared = shared.contains(&policy.id.to_string());
            Ok(policy)
        })
        .collect()
}

/// One page of the policies the caller may know of, with all an answer shows.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<QosPolicyDetails>, Fault> {
    let mut select = Select::new(columns!(), TABLE.name);
    if !sees_all {
        rbac_policy::only_visible(&mut select, &SHAREABLE, &caller.project_id);
    }
    for (_, wanted) in query.own.iter().filter(|(attribute, _)| *attribute == "shared") {
        rbac_policy::filter_shared(&mut select, &SHAREABLE, &caller.project_id, wanted)?;
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    let policies = rows.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Value> = policies.iter().map(|policy| Value::from(policy.id)).collect();
    let shared = rbac_policy::shared_among(session, &caller.project_id, ids.clone()).await?;
    let mut rules: BTreeMap<QosPolicyId, Vec<_>> = BTreeMap::new();
    for rule in qos_rule::store::of_policies(session, ids.clone()).await? {
        rules.entry(rule.policy_id).or_default().push(rule);
    }
    let mut tags = tag::store::of_many(session, ids).await?;
    let with = |mut policy: QosPolicy| {
        policy.shared = shared.contains(&policy.id.to_string());
        QosPolicyDetails {
            rules: rules.remove(&policy.id).unwrap_or_default(),
            tags: tags.remove(&policy.id.to_string()).unwrap_or_default(),
            policy,
        }
    };
    Ok(policies.into_iter().map(with).collect())
}

/// Stores a new policy; whom it is open to is for the caller to store. False when
/// the project has a default policy already and this is to be one.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, policy: &QosPolicy) -> Result<bool, StoreError> {
    let count = tx
        .execute(
            "INSERT INTO qos_policies (id, project_id, name, description, is_default, created_at, updated_at, \
             revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            values![
                policy.id,
                &policy.project_id,
                &policy.name,
                &policy.description,
                policy.is_default,
                &policy.created_at,
                &policy.updated_at,
                policy.revision_number,
            ],
        )
        .await?;
    Ok(count > 0)
}

/// Stores a changed policy: one revision on.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, policy: &mut QosPolicy) -> Result<(), StoreError> {
    policy.revision_number += 1;
    policy.updated_at = now_seconds();
    tx.execute_later(
        "UPDATE qos_policies SET name = $1, description = $2, is_default = $3, updated_at = $4, \
         revision_number = $5 WHERE id = $6",
        values![
            &policy.name,
            &policy.description,
            policy.is_default,
            &policy.updated_at,
            policy.revision_number,
            policy.id,
        ],
    )
    .await?;
    Ok(())
}

/// The default policies of projects, by project.
///
/// # Errors
/// The store's.
pub async fn defaults_of(
    session: &mut Session,
    projects: BTreeSet<&str>,
) -> Result<BTreeMap<String, QosPolicyId>, StoreError> {
    let mut select = Select::new("project_id, id", TABLE.name);
    select.one_of("project_id", projects.into_iter().map(Value::from).collect());
    select.condition("is_default");
    let (sql, values) = select.build();
    let read = |row: Row| {
        let mut columns = row.columns();
        Ok((columns.text()?, columns.parse()?))
    };
    session.rows(&sql, values).await?.into_iter().map(read).collect()
}

/// A rule of the policy came, changed or went: counts it as a change of the policy,
/// makes sure that every port under it can still have what it asks for, and tells
/// their hosts.
///
/// # Errors
/// 409 `QosRuleNotSupported`; 501 when something is set aside for a running instance.
pub async fn rules_changed(tx: &mut Tx, id: QosPolicyId, kind: Kind) -> Result<(), Fault> {
    tx.execute_later(
        "UPDATE qos_policies SET revision_number = revision_number + 1, updated_at = $1 WHERE id = $2",
        values![now_seconds(), id],
    )
    .await?;
    let rules = qos_rule::store::of_policy(tx, id).await?;
    let wirings = bindings::wirings_under(tx, id).await?;
    bindings::check_supported(&rules, &wirings)?;
    routed::check_rules(tx, id, &rules).await?;
    if kind.is_guarantee() && bindings::has_instances_under(tx, id).await? {
        return Err(set_aside());
    }
    bindings::tell_hosts_under(tx, id).await?;
    routed::tell_under(tx, id).await?;
    Ok(())
}

/// Removes a policy nobody asks for, with its rules.
///
/// # Errors
/// 409 `QosPolicyInUse` names one who does.
pub async fn delete(tx: &mut Tx, policy: &QosPolicy) -> Result<(), Fault> {
    if let Some((object_type, object_id)) = bindings::user_of(tx, policy.id).await? {
        return Err(in_use(policy.id, &object_type, &object_id));
    }
    rbac_policy::forget(tx, policy.id.uuid()).await?;
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![policy.id]),
        ("DELETE FROM qos_policies WHERE id = $1", values![policy.id]),
    ])
    .await?;
    Ok(())
}
