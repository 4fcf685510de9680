//! Which roles somebody holds where: given, through groups, inherited from above,
//! and implied.

use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use serde_json::{Map, Value as Json};

use super::application_credential;
use crate::tokens::scope::Named;

/// Roles of a user ($1) on a scope ($2 kind, $3 id), through groups, inheritance and
/// implication. Roles of a domain only lead to others; tokens do not show them.
///
/// What is inherited holds in all projects below a domain or project, not in itself.
pub const ROLES: &str = "WITH RECURSIVE above (id) AS (\
    SELECT parent_id FROM projects WHERE id = $3 AND $2 = 'project' \
    UNION SELECT p.parent_id FROM projects p JOIN above b ON p.id = b.id WHERE p.parent_id IS NOT NULL), \
    held (id) AS (\
    SELECT a.role_id FROM assignments a WHERE \
    ((a.actor_kind = 'user' AND a.actor_id = $1) OR (a.actor_kind = 'group' AND a.actor_id IN \
    (SELECT group_id FROM group_members WHERE user_id = $1))) \
    AND ((a.inherited = false AND a.scope_kind = $2 AND a.scope_id = $3) \
    OR (a.inherited = true AND a.scope_id IN (SELECT id FROM above))) \
    UNION SELECT i.implied_id FROM implied_roles i JOIN held h ON h.id = i.prior_id) \
    SELECT r.id, r.name FROM roles r JOIN held h ON h.id = r.id WHERE r.domain_id = '' ORDER BY r.id";

/// Projects below the scope of what a user ($1) holds by inheritance, and what the
/// user was given on scopes of a kind ($2).
const SCOPES: &str = "WITH RECURSIVE own (scope_kind, scope_id, inherited) AS (\
    SELECT scope_kind, scope_id, inherited FROM assignments WHERE \
    (actor_kind = 'user' AND actor_id = $1) OR (actor_kind = 'group' AND actor_id IN \
    (SELECT group_id FROM group_members WHERE user_id = $1))), \
    below (id) AS (SELECT p.id FROM projects p JOIN own o ON p.parent_id = o.scope_id WHERE o.inherited = true \
    UNION SELECT p.id FROM projects p JOIN below b ON p.parent_id = b.id) \
    SELECT scope_id FROM own WHERE inherited = false AND scope_kind = $2 \
    UNION SELECT id FROM below WHERE $2 = 'project'";

/// The roles of [`ROLES`].
pub async fn roles(
    session: &mut Session,
    user_id: &str,
    (kind, id): (&str, &str),
) -> Result<Vec<Named>, StoreError> {
    session.rows(ROLES, values![user_id, kind, id]).await?.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Named, StoreError> {
    let mut columns = row.columns();
    Ok(Named { id: columns.text()?, name: columns.text()? })
}

/// The projects, domains or system a user has a role in: ids as values for a list.
pub async fn scopes(session: &mut Session, user_id: &str, kind: &str) -> Result<Vec<Value>, StoreError> {
    let rows = session.rows(SCOPES, values![user_id, kind]).await?;
    rows.into_iter().map(|row| row.columns().text().map(Value::Text)).collect()
}

/// Roles and all they imply, ordered by id.
pub async fn with_implied(session: &mut Session, ids: Vec<Value>) -> Result<Vec<Named>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
    let sql = format!(
        "WITH RECURSIVE held (id) AS (SELECT id FROM roles WHERE id IN ({}) \
         UNION SELECT i.implied_id FROM implied_roles i JOIN held h ON h.id = i.prior_id) \
         SELECT r.id, r.name FROM roles r JOIN held h ON h.id = r.id WHERE r.domain_id = '' ORDER BY r.id",
        wanted.join(", ")
    );
    session.rows(&sql, ids).await?.into_iter().map(read).collect()
}

/// Ends what users handed on of roles they no longer hold, after a grant was taken from
/// a user or from the group they are in.
pub async fn drop_unfounded(tx: &mut Tx, (kind, id): (&str, &str)) -> Result<(), StoreError> {
    let users = if kind == "group" {
        let rows = tx.rows("SELECT user_id FROM group_members WHERE group_id = $1", values![id]).await?;
        rows.into_iter().map(|row| row.columns().text().map(Value::Text)).collect::<Result<_, _>>()?
    } else {
        vec![id.into()]
    };
    application_credential::store::drop_unfounded(tx, users).await
}

/// The role of a list that `{"id": …}` or `{"name": …}` names.
pub fn named<'r>(given: &Map<String, Json>, of: &'r [Named]) -> Option<&'r Named> {
    let text = |key: &str| given.get(key).and_then(Json::as_str);
    match (text("id"), text("name")) {
        (Some(id), _) => of.iter().find(|role| role.id == id),
        (None, Some(name)) => of.iter().find(|role| role.name == name),
        (None, None) => None,
    }
}
