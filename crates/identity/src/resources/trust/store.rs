//! Rows of trusts and their roles.

use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value as SqlValue, values};

use super::Trust;
use crate::input::stored_object;
use crate::resources::json_text;
use crate::tokens::scope::Named;

const COLUMNS: &str = "id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_at, \
    remaining_uses, redelegation_count, redelegated_trust_id, extra";

/// The trust with this id, also one that is used up or over.
pub async fn find(session: &mut Session, id: &str) -> Result<Option<Trust>, StoreError> {
    let mut select = select();
    select.one_of("id", vec![id.into()]);
    Ok(all(session, select).await?.pop())
}

/// A SELECT over trusts.
pub fn select() -> Select {
    Select::new(COLUMNS, "trusts")
}

/// What a SELECT finds, with roles: two queries, however many.
pub async fn all(session: &mut Session, select: Select) -> Result<Vec<Trust>, StoreError> {
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    let mut found = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Ok(found);
    }
    let ids: Vec<SqlValue> = found.iter().map(|trust| (&trust.id).into()).collect();
    let mut roles = Select::new("t.trust_id, r.id, r.name", "trust_roles t JOIN roles r ON r.id = t.role_id");
    roles.one_of("t.trust_id", ids).order_by("r.id", false);
    let (sql, values) = roles.build();
    for row in session.rows(&sql, values).await? {
        let mut columns = row.columns();
        let (owner, role) = (columns.text()?, Named { id: columns.text()?, name: columns.text()? });
        if let Some(trust) = found.iter_mut().find(|trust| trust.id == owner) {
            trust.roles.push(role);
        }
    }
    Ok(found)
}

fn read(row: Row) -> Result<Trust, StoreError> {
    let mut columns = row.columns();
    Ok(Trust {
        id: columns.text()?,
        trustor_user_id: columns.text()?,
        trustee_user_id: columns.text()?,
        project_id: columns.opt_text()?,
        impersonation: columns.flag()?,
        expires_at: columns.opt_int()?,
        remaining_uses: columns.opt_int()?,
        redelegation_count: columns.int()?,
        redelegated_trust_id: columns.opt_text()?,
        extra: stored_object(&columns.text()?),
        roles: Vec::new(),
    })
}

/// Who first gave what a trust gives: the trustor at the head of its chain.
pub async fn grantor(session: &mut Session, trust: &Trust) -> Result<String, StoreError> {
    let sql = "WITH RECURSIVE chain (trustor_user_id, parent) AS (\
               SELECT trustor_user_id, redelegated_trust_id FROM trusts WHERE id = $1 \
               UNION SELECT t.trustor_user_id, t.redelegated_trust_id FROM trusts t JOIN chain c ON t.id = c.parent) \
               SELECT trustor_user_id FROM chain WHERE parent IS NULL";
    match session.row(sql, values![&trust.id]).await? {
        Some(row) => row.columns().text(),
        None => Ok(trust.trustor_user_id.clone()),
    }
}

/// Stores a new trust.
pub async fn insert(tx: &mut Tx, trust: &Trust) -> Result<(), StoreError> {
    let sql = "INSERT INTO trusts (id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_at, \
               remaining_uses, redelegation_count, redelegated_trust_id, extra) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let values = values![
        &trust.id,
        &trust.trustor_user_id,
        &trust.trustee_user_id,
        trust.project_id.clone(),
        trust.impersonation,
        trust.expires_at,
        trust.remaining_uses,
        trust.redelegation_count,
        trust.redelegated_trust_id.clone(),
        json_text(&trust.extra),
    ];
    let mut statements = vec![(sql, values)];
    for role in &trust.roles {
        let sql = "INSERT INTO trust_roles (trust_id, role_id) VALUES ($1, $2)";
        statements.push((sql, values![&trust.id, &role.id]));
    }
    tx.execute_many(statements).await?;
    Ok(())
}

/// Takes one of the remaining uses, when they are counted; false when none is left.
/// Two servers cannot both take the last.
pub async fn use_once(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE trusts SET remaining_uses = remaining_uses - 1 \
               WHERE id = $1 AND (remaining_uses IS NULL OR remaining_uses > 0)";
    Ok(tx.execute(sql, values![id]).await? > 0)
}

/// Deletes a trust and those handed on from it.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM trusts WHERE id = $1", values![id]).await? > 0)
}
