//! Projects within projects: above, below, and how deep.

use isospin_store_kit::{Row, Session, StoreError, Tx, Value as SqlValue, values};
use serde_json::{Map, Value, json};

use super::project::{Project, by_ids};
use super::{held, limit};
use crate::fault::Fault;
use crate::request::Context;

/// Ids above a project ($1), its domain among them.
const ABOVE: &str = "WITH RECURSIVE above (id) AS (SELECT parent_id FROM projects WHERE id = $1 \
    UNION SELECT p.parent_id FROM projects p JOIN above a ON p.id = a.id) \
    SELECT id FROM above WHERE id IS NOT NULL";

/// Ids below a project ($1).
const BELOW: &str = "WITH RECURSIVE below (id) AS (SELECT id FROM projects WHERE parent_id = $1 \
    UNION SELECT p.id FROM projects p JOIN below b ON p.parent_id = b.id) SELECT id FROM below";

/// Ids of all projects below one.
pub async fn below(session: &mut Session, id: &str) -> Result<Vec<SqlValue>, StoreError> {
    ids(session.rows(BELOW, values![id]).await?)
}

fn ids(rows: Vec<Row>) -> Result<Vec<SqlValue>, StoreError> {
    rows.into_iter().map(|row| row.columns().text().map(SqlValue::Text)).collect()
}

/// Refuses a project below `parent` that would be too deep.
pub async fn check_depth(tx: &mut Tx, parent: &str, most: u32) -> Result<(), Fault> {
    // The parent, and what is above it but for the domain, are the levels above a child.
    let above = tx.rows(ABOVE, values![parent]).await?.len();
    if above as u64 >= u64::from(most) {
        return Err(Fault::refused(format!("Max hierarchy depth reached for {parent} branch.")));
    }
    Ok(())
}

/// Refuses to delete a project that contains others.
pub async fn check_is_leaf(tx: &mut Tx, id: &str) -> Result<(), Fault> {
    if tx.row("SELECT id FROM projects WHERE parent_id = $1", values![id]).await?.is_none() {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "Cannot delete the project {id} since it is not a leaf in the hierarchy. Delete the projects below it first."
    )))
}

/// Refuses to disable a project below which others are enabled.
pub async fn check_can_disable(tx: &mut Tx, project: &Project) -> Result<(), Fault> {
    if project.is_domain {
        return Ok(());
    }
    let sql = "SELECT id FROM projects WHERE parent_id = $1 AND enabled = true";
    if tx.row(sql, values![&project.id]).await?.is_none() {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "Cannot disable project {} since its subtree contains enabled projects.",
        project.id
    )))
}

/// Adds `parents` and `subtree` as the query asks. Lists have those projects only in which the
/// caller has a role, as Keystone does it; with their limits when these are asked for.
pub async fn add_relatives(
    session: &mut Session,
    context: &Context,
    project: &Project,
    view: &mut Value,
) -> Result<(), Fault> {
    for (key, sql) in [("parents", ABOVE), ("subtree", BELOW)] {
        let as_list = context.query_flag(&format!("{key}_as_list"));
        let as_ids = context.query_flag(&format!("{key}_as_ids"));
        if !as_list && !as_ids {
            continue;
        }
        if as_list && as_ids {
            return Err(Fault::bad_request(format!(
                "Cannot use {key}_as_list and {key}_as_ids query params at the same time."
            )));
        }
        let found = ids(session.rows(sql, values![&project.id]).await?)?;
        let relatives = by_ids(session, found).await?;
        view[key] = if as_list {
            listed(session, context, relatives).await?
        } else if key == "parents" {
            ids_above(&relatives, project)
        } else {
            ids_below(&relatives, &project.id)
        };
    }
    Ok(())
}

/// `[{"project": {…}}, …]`.
async fn listed(
    session: &mut Session,
    context: &Context,
    relatives: Vec<Project>,
) -> Result<Value, StoreError> {
    let own = held::scopes(session, &context.caller().user_id, "project").await?;
    let is_own = |project: &Project| own.contains(&SqlValue::Text(project.id.clone()));
    let shown: Vec<Project> =
        relatives.into_iter().filter(|relative| !relative.is_domain && is_own(relative)).collect();
    let mut limits = None;
    if context.query_flag("include_limits") {
        let ids = shown.iter().map(|project| (&project.id).into()).collect();
        limits = Some(limit::of_projects(session, context, ids).await?);
    }
    Ok(shown
        .iter()
        .map(|relative| {
            let mut view = relative.view(context);
            if let Some(limits) = &mut limits {
                view["limits"] = Value::Array(limits.remove(&relative.id).unwrap_or_default());
            }
            json!({"project": view})
        })
        .collect())
}

/// `{parent: {grandparent: null}}`; null when there is nothing above.
fn ids_above(relatives: &[Project], project: &Project) -> Value {
    match relatives.iter().find(|relative| Some(&relative.id) == project.parent_id.as_ref()) {
        None => Value::Null,
        Some(parent) => json!({&parent.id: ids_above(relatives, parent)}),
    }
}

/// `{child: {grandchild: null}}`; null when there is nothing below.
fn ids_below(relatives: &[Project], id: &str) -> Value {
    let below: Map<String, Value> = relatives
        .iter()
        .filter(|relative| relative.parent_id.as_deref() == Some(id))
        .map(|child| (child.id.clone(), ids_below(relatives, &child.id)))
        .collect();
    if below.is_empty() { Value::Null } else { Value::Object(below) }
}
