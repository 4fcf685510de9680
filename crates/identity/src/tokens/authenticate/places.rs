//! From the scope asked for to the user in it.

use isospin_store_kit::{Session, StoreError, Value, values};

use super::super::delegated::standing_by;
use super::super::payload::DelegationId;
use super::super::request::{Handle, MemberHandle, WantedScope};
use super::super::scope::{ScopeId, Standing, standing};
use super::Proven;
use crate::resources::application_credential;
use crate::resources::trust;

/// Where a login leads, by whose leave, and as what.
pub struct Place {
    pub scope: ScopeId,
    pub delegation: Option<DelegationId>,
    pub standing: Standing,
}

/// The place asked for; `None` when the user may not be there.
pub async fn place(
    session: &mut Session,
    proven: &Proven,
    wanted: &WantedScope,
) -> Result<Option<Place>, StoreError> {
    if let Some(id) = &proven.credential {
        let Some(credential) = application_credential::store::by_id(session, id).await? else {
            return Ok(None);
        };
        let scope = ScopeId::Project(credential.project_id);
        return delegated(session, proven, scope, DelegationId::ApplicationCredential(credential.id)).await;
    }
    if let WantedScope::Trust(id) = wanted {
        let Some(trust) = trust::store::find(session, id).await? else { return Ok(None) };
        let scope = trust.project_id.map_or(ScopeId::Unscoped, ScopeId::Project);
        return delegated(session, proven, scope, DelegationId::Trust(trust.id)).await;
    }
    let found = scoped(session, &proven.user_id, wanted).await?;
    Ok(found.map(|(scope, standing)| Place { scope, delegation: None, standing }))
}

async fn delegated(
    session: &mut Session,
    proven: &Proven,
    scope: ScopeId,
    delegation: DelegationId,
) -> Result<Option<Place>, StoreError> {
    let standing = standing_by(session, &proven.user_id, &scope, &delegation).await?;
    Ok(standing.map(|standing| Place { scope, delegation: Some(delegation), standing }))
}

/// The scope asked for and the user in it; `None` when the user may not be there.
async fn scoped(
    session: &mut Session,
    user_id: &str,
    wanted: &WantedScope,
) -> Result<Option<(ScopeId, Standing)>, StoreError> {
    let scope = match wanted {
        WantedScope::Unscoped => ScopeId::Unscoped,
        WantedScope::System => ScopeId::System,
        WantedScope::Project(project) => match project_id(session, project).await? {
            Some(id) => ScopeId::Project(id),
            None => return Ok(None),
        },
        WantedScope::Domain(domain) => match domain_id(session, domain).await? {
            Some(id) => ScopeId::Domain(id),
            None => return Ok(None),
        },
        // Trusts are looked up before.
        WantedScope::Trust(_) => return Ok(None),
        WantedScope::Default => return default_scope(session, user_id).await,
    };
    Ok(standing(session, user_id, &scope).await?.map(|standing| (scope, standing)))
}

/// The default project, when the user may be there, else no scope.
async fn default_scope(
    session: &mut Session,
    user_id: &str,
) -> Result<Option<(ScopeId, Standing)>, StoreError> {
    let sql = "SELECT default_project_id FROM users WHERE id = $1";
    let project = match session.row(sql, values![user_id]).await? {
        Some(row) => row.columns().opt_text()?,
        None => None,
    };
    if let Some(id) = project {
        let scope = ScopeId::Project(id);
        if let Some(standing) = standing(session, user_id, &scope).await? {
            return Ok(Some((scope, standing)));
        }
    }
    let scope = ScopeId::Unscoped;
    Ok(standing(session, user_id, &scope).await?.map(|standing| (scope, standing)))
}

async fn project_id(session: &mut Session, project: &MemberHandle) -> Result<Option<String>, StoreError> {
    let (sql, values) = match project {
        MemberHandle::Id(id) => return Ok(Some(id.clone())),
        MemberHandle::Name { name, domain: Handle::Id(domain) } => (
            "SELECT id FROM projects WHERE name = $1 AND domain_id = $2 AND is_domain = false",
            values![name, domain],
        ),
        MemberHandle::Name { name, domain: Handle::Name(domain) } => (
            "SELECT p.id FROM projects p JOIN projects d ON d.id = p.domain_id \
             WHERE p.name = $1 AND d.name = $2 AND d.is_domain = true",
            values![name, domain],
        ),
    };
    first_text(session, sql, values).await
}

async fn domain_id(session: &mut Session, domain: &Handle) -> Result<Option<String>, StoreError> {
    match domain {
        Handle::Id(id) => Ok(Some(id.clone())),
        Handle::Name(name) => {
            let sql = "SELECT id FROM projects WHERE name = $1 AND is_domain = true";
            first_text(session, sql, values![name]).await
        }
    }
}

async fn first_text(
    session: &mut Session,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<String>, StoreError> {
    session.row(sql, values).await?.map(|row| row.columns().text()).transpose()
}
