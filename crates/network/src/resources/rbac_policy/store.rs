//! SQL for entries.

use std::collections::BTreeMap;

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::RbacPolicyId;
use uuid::Uuid;

use super::TABLE;
use super::kinds::Shareable;
use super::model::{Action, RbacPolicy};
use super::rules::not_found;
use crate::{page, quota};

/// The quota key.
pub const QUOTA: &str = "rbac_policy";

/// Users named in a refusal at most.
const NAMED: usize = Fault::NAMED;

macro_rules! columns {
    () => {
        "rbac_policies.id, rbac_policies.project_id, rbac_policies.object_type, rbac_policies.object_id, \
         rbac_policies.action, rbac_policies.target_project"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM rbac_policies WHERE rbac_policies.id = $1");

fn from_row(row: Row) -> Result<RbacPolicy, StoreError> {
    let mut columns = row.columns();
    Ok(RbacPolicy {
        id: columns.parse()?,
        project_id: columns.text()?,
        object_type: columns.text()?,
        object_id: columns.parse()?,
        action: columns.parse()?,
        target_project: columns.text()?,
    })
}

/// The entry of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: RbacPolicyId) -> Result<Option<RbacPolicy>, StoreError> {
    session.row(GET, values![id]).await?.map(from_row).transpose()
}

/// One page of the entries; `project_id` keeps those of one project.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    project_id: Option<&str>,
) -> Result<Vec<RbacPolicy>, Fault> {
    let mut select = Select::new(columns!(), TABLE.name);
    if let Some(project_id) = project_id {
        select.one_of("rbac_policies.project_id", values![project_id]);
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(from_row).collect::<Result<_, _>>()?)
}

/// The project of an object that can be shared.
///
/// # Errors
/// The store's.
pub async fn owner(
    session: &mut Session,
    kind: &Shareable,
    object_id: Uuid,
) -> Result<Option<String>, StoreError> {
    let sql = format!("SELECT project_id FROM {} WHERE id = $1", kind.table);
    session.row(&sql, values![object_id]).await?.map(|row| row.columns().text()).transpose()
}

/// Stores an entry, unless its object is open that way already.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, policy: &RbacPolicy) -> Result<bool, StoreError> {
    let count = tx
        .execute(
            "INSERT INTO rbac_policies (id, project_id, object_type, object_id, action, target_project) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            values![
                policy.id,
                &policy.project_id,
                &policy.object_type,
                policy.object_id,
                policy.action.as_str(),
                &policy.target_project,
            ],
        )
        .await?;
    Ok(count > 0)
}

/// Gives an entry another target, unless its object is open to that one already.
///
/// # Errors
/// The store's.
pub async fn retarget(tx: &mut Tx, policy: &RbacPolicy, target: &str) -> Result<bool, StoreError> {
    let count = tx
        .execute(
            "UPDATE rbac_policies SET target_project = $1 WHERE id = $2 AND NOT EXISTS (SELECT 1 FROM \
             rbac_policies o WHERE o.object_id = $3 AND o.action = $4 AND o.target_project = $1)",
            values![target, policy.id, policy.object_id, policy.action.as_str()],
        )
        .await?;
    Ok(count > 0)
}

/// Removes the entries of a condition and gives back what they counted.
///
/// # Errors
/// The store's.
pub async fn remove(tx: &mut Tx, condition: &str, values: Vec<Value>) -> Result<(), Fault> {
    let sql = format!("DELETE FROM rbac_policies WHERE {condition} RETURNING project_id");
    let mut per_project: BTreeMap<String, i64> = BTreeMap::new();
    for row in tx.rows(&sql, values).await? {
        *per_project.entry(row.columns().text()?).or_default() += 1;
    }
    for (project_id, count) in per_project {
        quota::give_back(tx, &project_id, QUOTA, count).await?;
    }
    Ok(())
}

/// Something that relies on an object being open to its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub kind: String,
    pub id: String,
}

/// The first of those that would lose the object if the entry for `target` went, or
/// became one for `instead`: neither theirs by ownership nor open to them by another.
///
/// # Errors
/// The store's.
pub async fn losing(
    session: &mut Session,
    kind: &Shareable,
    action: Action,
    object_id: Uuid,
    owner: &str,
    target: &str,
    instead: &str,
) -> Result<Vec<User>, StoreError> {
    let sql = format!(
        "SELECT u.kind, u.id FROM ({}) u WHERE u.project_id NOT IN ($2, $5) \
         AND ($3 = '*' OR u.project_id = $3) AND NOT EXISTS (SELECT 1 FROM rbac_policies o WHERE o.object_id = $1 AND o.action = $4 \
         AND o.target_project <> $3 AND o.target_project IN ('*', u.project_id)) \
         ORDER BY u.kind, u.id LIMIT {NAMED}",
        kind.users_of(action)
    );
    let rows = session.rows(&sql, values![object_id, owner, target, action.as_str(), instead]).await?;
    rows.into_iter().map(user).collect()
}

/// The first of those that rely on the action at all, whoever they are.
///
/// # Errors
/// The store's.
pub async fn users(
    session: &mut Session,
    kind: &Shareable,
    action: Action,
    object_id: Uuid,
) -> Result<Vec<User>, StoreError> {
    let users = kind.users_of(action);
    let sql = format!("SELECT u.kind, u.id FROM ({users}) u ORDER BY u.kind, u.id LIMIT {NAMED}");
    session.rows(&sql, values![object_id]).await?.into_iter().map(user).collect()
}

fn user(row: Row) -> Result<User, StoreError> {
    let mut columns = row.columns();
    Ok(User { kind: columns.text()?, id: columns.text()? })
}

/// Whether another entry opens the object in the same way.
///
/// # Errors
/// The store's.
pub async fn has_other(session: &mut Session, policy: &RbacPolicy) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM rbac_policies WHERE object_id = $1 AND action = $2 AND id <> $3 LIMIT 1";
    let row = session.row(sql, values![policy.object_id, policy.action.as_str(), policy.id]).await?;
    Ok(row.is_some())
}
