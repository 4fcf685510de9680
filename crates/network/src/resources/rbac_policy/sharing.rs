//! Opening and closing objects: every write to the entries goes through here, so that
//! what an object's own table repeats of them is always true.

use isospin_api_kit::{Fault, now_seconds};
use isospin_store_kit::{ChangeKind, Tx, values};
use isospin_types::RbacPolicyId;
use uuid::Uuid;

use super::kinds::Shareable;
use super::model::{Action, EVERYBODY, RbacPolicy};
use super::{rules, store};
use crate::quota;

/// Makes `shared = true` true: an entry of the object's owner for all projects, unless
/// there is one. Such entries are counted but refused to nobody.
///
/// # Errors
/// The store's.
pub async fn open_to_all(
    tx: &mut Tx,
    kind: &Shareable,
    action: Action,
    object_id: impl Into<Uuid>,
    owner: &str,
) -> Result<(), Fault> {
    let policy = RbacPolicy {
        id: RbacPolicyId::random(),
        project_id: owner.to_owned(),
        object_type: kind.object_type.to_owned(),
        object_id: object_id.into(),
        action,
        target_project: EVERYBODY.to_owned(),
    };
    if store::insert(tx, &policy).await? {
        quota::count(tx, owner, store::QUOTA, 1).await?;
        repeat(tx, kind, policy.object_id).await?;
    }
    Ok(())
}

/// Makes `shared = false` true: no entry for all projects any more. Entries for single
/// projects stay.
///
/// # Errors
/// 409 `RbacPolicyInUse` while another project relies on the entry.
pub async fn close_to_all(
    tx: &mut Tx,
    kind: &Shareable,
    action: Action,
    object_id: impl Into<Uuid>,
    owner: &str,
) -> Result<(), Fault> {
    let object_id = object_id.into();
    let users = store::losing(tx, kind, action, object_id, owner, EVERYBODY, "").await?;
    if !users.is_empty() {
        return Err(rules::in_use(object_id, &users));
    }
    forget_for_all(tx, kind, action, object_id).await
}

/// As [`close_to_all`], when it is known that nobody relies on the entry.
///
/// # Errors
/// The store's.
pub async fn forget_for_all(
    tx: &mut Tx,
    kind: &Shareable,
    action: Action,
    object_id: impl Into<Uuid>,
) -> Result<(), Fault> {
    let object_id = object_id.into();
    store::remove(
        tx,
        "object_id = $1 AND action = $2 AND target_project = '*'",
        values![object_id, action.as_str()],
    )
    .await?;
    repeat(tx, kind, object_id).await
}

/// Removes every entry of one action.
///
/// # Errors
/// The store's.
pub async fn forget_action(
    tx: &mut Tx,
    kind: &Shareable,
    action: Action,
    object_id: impl Into<Uuid>,
) -> Result<(), Fault> {
    let object_id = object_id.into();
    store::remove(tx, "object_id = $1 AND action = $2", values![object_id, action.as_str()]).await?;
    repeat(tx, kind, object_id).await
}

/// Removes the entries of an object that is going; to be called by whoever deletes it.
///
/// # Errors
/// The store's.
pub async fn forget(tx: &mut Tx, object_id: impl Into<Uuid>) -> Result<(), Fault> {
    store::remove(tx, "object_id = $1", values![object_id.into()]).await
}

/// Brings the object's own table in line with its entries.
///
/// # Errors
/// The store's.
pub(super) async fn repeat(tx: &mut Tx, kind: &Shareable, object_id: Uuid) -> Result<(), Fault> {
    if let Some(sql) = kind.repeat {
        tx.execute_later(sql, values![object_id]).await?;
    }
    Ok(())
}

/// Counts a change of the entries as one of the object, where the kind wants that.
///
/// # Errors
/// The store's.
pub(super) async fn touch(tx: &mut Tx, kind: &Shareable, object_id: Uuid) -> Result<(), Fault> {
    let Some(topic) = kind.topic else { return Ok(()) };
    let sql = format!(
        "UPDATE {} SET revision_number = revision_number + 1, updated_at = $1 WHERE id = $2",
        kind.table
    );
    tx.execute_later(&sql, values![now_seconds(), object_id]).await?;
    tx.record(topic, ChangeKind::Set, object_id);
    Ok(())
}
