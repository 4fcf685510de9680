//! Rows of application credentials, their roles and access rules.

use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value as SqlValue, values};

use super::{AccessRule, ApplicationCredential};
use crate::resources::held;
use crate::tokens::scope::Named;

const COLUMNS: &str = "id, user_id, project_id, name, description, secret_hash, expires_at, unrestricted";

const RULE_COLUMNS: &str = "id, user_id, service, path, method";

/// The application credential with this id.
pub async fn by_id(session: &mut Session, id: &str) -> Result<Option<ApplicationCredential>, StoreError> {
    let mut select = Select::new(COLUMNS, "application_credentials");
    select.one_of("id", vec![id.into()]);
    Ok(all(session, select).await?.pop())
}

/// The application credential a user gave this name.
pub async fn by_name(
    session: &mut Session,
    user_id: &str,
    name: &str,
) -> Result<Option<ApplicationCredential>, StoreError> {
    let mut select = Select::new(COLUMNS, "application_credentials");
    select.one_of("user_id", vec![user_id.into()]).one_of("name", vec![name.into()]);
    Ok(all(session, select).await?.pop())
}

/// A SELECT over a user's application credentials.
pub fn of_user(user_id: &str) -> Select {
    let mut select = Select::new(COLUMNS, "application_credentials");
    select.one_of("user_id", vec![user_id.into()]);
    select
}

/// What a SELECT finds, with roles and access rules: three queries, however many.
pub async fn all(session: &mut Session, select: Select) -> Result<Vec<ApplicationCredential>, StoreError> {
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    let mut found = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Ok(found);
    }
    let ids: Vec<SqlValue> = found.iter().map(|credential| (&credential.id).into()).collect();
    let mut roles = Select::new(
        "c.application_credential_id, r.id, r.name",
        "application_credential_roles c JOIN roles r ON r.id = c.role_id",
    );
    roles.one_of("c.application_credential_id", ids.clone()).order_by("r.id", false);
    let mut rules = Select::new(
        "c.application_credential_id, r.id, r.user_id, r.service, r.path, r.method",
        "application_credential_access_rules c JOIN access_rules r ON r.id = c.access_rule_id",
    );
    rules.one_of("c.application_credential_id", ids).order_by("r.id", false);
    let ((roles, role_values), (rules, rule_values)) = (roles.build(), rules.build());
    let answers = session.rows_many(vec![(&roles, role_values), (&rules, rule_values)]).await?;
    let mut answers = answers.into_iter();
    for row in answers.next().unwrap_or_default() {
        let mut columns = row.columns();
        let (owner, role) = (columns.text()?, Named { id: columns.text()?, name: columns.text()? });
        if let Some(credential) = found.iter_mut().find(|credential| credential.id == owner) {
            credential.roles.push(role);
        }
    }
    for row in answers.next().unwrap_or_default() {
        let mut columns = row.columns();
        let owner = columns.text()?;
        let rule = read_rule(&mut columns)?;
        if let Some(credential) = found.iter_mut().find(|credential| credential.id == owner) {
            credential.access_rules.push(rule);
        }
    }
    Ok(found)
}

fn read(row: Row) -> Result<ApplicationCredential, StoreError> {
    let mut columns = row.columns();
    Ok(ApplicationCredential {
        id: columns.text()?,
        user_id: columns.text()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.opt_text()?,
        secret_hash: columns.text()?,
        expires_at: columns.opt_int()?,
        unrestricted: columns.flag()?,
        roles: Vec::new(),
        access_rules: Vec::new(),
    })
}

fn read_rule(columns: &mut isospin_store_kit::Columns) -> Result<AccessRule, StoreError> {
    Ok(AccessRule {
        id: columns.text()?,
        user_id: columns.text()?,
        service: columns.text()?,
        path: columns.text()?,
        method: columns.text()?,
    })
}

/// Stores a new application credential whose access rules are stored already.
pub async fn insert(tx: &mut Tx, credential: &ApplicationCredential) -> Result<(), StoreError> {
    let sql = "INSERT INTO application_credentials (id, user_id, project_id, name, description, secret_hash, \
               expires_at, unrestricted) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = values![
        &credential.id,
        &credential.user_id,
        &credential.project_id,
        &credential.name,
        credential.description.clone(),
        &credential.secret_hash,
        credential.expires_at,
        credential.unrestricted,
    ];
    let mut statements = vec![(sql, values)];
    for role in &credential.roles {
        let sql =
            "INSERT INTO application_credential_roles (application_credential_id, role_id) VALUES ($1, $2)";
        statements.push((sql, values![&credential.id, &role.id]));
    }
    for rule in &credential.access_rules {
        let sql = "INSERT INTO application_credential_access_rules (application_credential_id, access_rule_id) \
                   VALUES ($1, $2)";
        statements.push((sql, values![&credential.id, &rule.id]));
    }
    tx.execute_many(statements).await?;
    Ok(())
}

/// Deletes a credential; its access rules stay.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM application_credentials WHERE id = $1", values![id]).await? > 0)
}

/// A user's access rules that meet a further condition of the SELECT.
pub async fn rules(session: &mut Session, select: Select) -> Result<Vec<AccessRule>, StoreError> {
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    rows.into_iter().map(|row| read_rule(&mut row.columns())).collect()
}

/// A SELECT over a user's access rules.
pub fn rules_of_user(user_id: &str) -> Select {
    let mut select = Select::new(RULE_COLUMNS, "access_rules");
    select.one_of("user_id", vec![user_id.into()]);
    select
}

/// Stores the rule, unless the user has the same one; the stored one.
pub async fn keep_rule(tx: &mut Tx, rule: AccessRule) -> Result<AccessRule, StoreError> {
    let sql = "INSERT INTO access_rules (id, user_id, service, path, method) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT DO NOTHING";
    let values = values![&rule.id, &rule.user_id, &rule.service, &rule.path, &rule.method];
    tx.execute(sql, values).await?;
    let mut select = rules_of_user(&rule.user_id);
    select.one_of("service", vec![(&rule.service).into()]).one_of("path", vec![(&rule.path).into()]);
    select.one_of("method", vec![(&rule.method).into()]);
    Ok(rules(tx, select).await?.pop().unwrap_or(rule))
}

/// Deletes the credentials of users who no longer hold all their roles (K14): one that
/// is refused anyway is not to come back to life with the next grant.
pub async fn drop_unfounded(tx: &mut Tx, user_ids: Vec<SqlValue>) -> Result<(), StoreError> {
    let mut select = Select::new(COLUMNS, "application_credentials");
    select.one_of("user_id", user_ids);
    for credential in all(tx, select).await? {
        let scope = ("project", credential.project_id.as_str());
        if !credential.is_founded_on(&held::roles(tx, &credential.user_id, scope).await?) {
            delete(tx, &credential.id).await?;
        }
    }
    Ok(())
}
