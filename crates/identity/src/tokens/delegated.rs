//! What somebody is by the leave of a user: with an application credential or a trust.
//!
//! All of it is looked up again whenever a token is checked: a role taken away, a
//! trust deleted, a user disabled end such tokens at once (K04, K10, K14).

use isospin_api_kit::AccessRule;
use isospin_store_kit::{Session, StoreError, Value, values};

use super::now;
use super::payload::DelegationId;
use super::scope::{ScopeId, Standing, standing};
use crate::delegation::Delegation;
use crate::resources::application_credential::{self, ApplicationCredential};
use crate::resources::held;
use crate::resources::trust::{self, Trust};

/// The user in this scope by this leave; `None` when it was not given to the user, not
/// for this scope, is over, or who gave it does not hold what it gives.
pub async fn standing_by(
    session: &mut Session,
    user_id: &str,
    scope: &ScopeId,
    delegation: &DelegationId,
) -> Result<Option<Standing>, StoreError> {
    match delegation {
        DelegationId::ApplicationCredential(id) => {
            let credential = application_credential::store::by_id(session, id).await?;
            let meant = |credential: &ApplicationCredential| {
                credential.user_id == user_id
                    && *scope == ScopeId::Project(credential.project_id.clone())
                    && !credential.is_over(now())
            };
            match credential.filter(meant) {
                Some(credential) => with_credential(session, scope, credential).await,
                None => Ok(None),
            }
        }
        DelegationId::Trust(id) => {
            let trust = trust::store::find(session, id).await?;
            let meant = |trust: &Trust| {
                trust.trustee_user_id == user_id
                    && *scope == trust.project_id.clone().map_or(ScopeId::Unscoped, ScopeId::Project)
                    && !trust.is_over(now())
            };
            match trust.filter(meant) {
                Some(trust) => by_trust(session, scope, trust).await,
                None => Ok(None),
            }
        }
    }
}

async fn with_credential(
    session: &mut Session,
    scope: &ScopeId,
    credential: ApplicationCredential,
) -> Result<Option<Standing>, StoreError> {
    let own = standing(session, &credential.user_id, scope).await?;
    let Some(own) = own.filter(|own| credential.is_founded_on(&own.roles)) else { return Ok(None) };
    let access_rules = credential.access_rules;
    Ok(Some(Standing {
        roles: credential.roles,
        ends_at: credential.expires_at.map(in_seconds),
        access_rules: access_rules
            .iter()
            .map(|rule| AccessRule {
                id: rule.id.clone(),
                service: rule.service.clone(),
                method: rule.method.clone(),
                path: rule.path.clone(),
            })
            .collect(),
        delegation: Some(Delegation::ApplicationCredential {
            id: credential.id,
            name: credential.name,
            restricted: !credential.unrestricted,
            access_rules,
        }),
        ..own
    }))
}

/// The roles are those trusted and all they imply, of which who gave them first must
/// still hold every one.
async fn by_trust(
    session: &mut Session,
    scope: &ScopeId,
    trust: Trust,
) -> Result<Option<Standing>, StoreError> {
    if is_broken(session, &trust.id).await? {
        return Ok(None);
    }
    let grantor = trust::store::grantor(session, &trust).await?;
    let Some(given) = standing(session, &grantor, scope).await? else { return Ok(None) };
    let none = &ScopeId::Unscoped;
    let Some(trustor) = standing(session, &trust.trustor_user_id, none).await? else { return Ok(None) };
    let Some(trustee) = standing(session, &trust.trustee_user_id, none).await? else { return Ok(None) };
    let ids: Vec<Value> = trust.roles.iter().map(|role| (&role.id).into()).collect();
    let roles = held::with_implied(session, ids).await?;
    if !trust.is_founded_on(&given.roles) || (roles.is_empty() && *scope != ScopeId::Unscoped) {
        return Ok(None);
    }
    let user_tokens_after = trustee.user_tokens_after;
    let tokens_after = given.tokens_after.max(trustor.tokens_after).max(trustee.tokens_after);
    let acting = if trust.impersonation { trustor } else { trustee };
    Ok(Some(Standing {
        user: acting.user,
        password_expires_at: acting.password_expires_at,
        scope: given.scope,
        roles,
        ends_at: trust.expires_at.map(in_seconds),
        access_rules: Vec::new(),
        user_tokens_after,
        tokens_after,
        delegation: Some(Delegation::Trust {
            id: trust.id,
            trustor_user_id: trust.trustor_user_id,
            trustee_user_id: trust.trustee_user_id,
            impersonation: trust.impersonation,
        }),
    }))
}

/// Whether one of those a trust went through is disabled, or one of the trusts is over.
async fn is_broken(session: &mut Session, id: &str) -> Result<bool, StoreError> {
    let sql = "WITH RECURSIVE chain (trustor, parent, ends) AS (\
               SELECT trustor_user_id, redelegated_trust_id, expires_at FROM trusts WHERE id = $1 \
               UNION SELECT t.trustor_user_id, t.redelegated_trust_id, t.expires_at \
               FROM trusts t JOIN chain c ON t.id = c.parent) \
               SELECT c.trustor FROM chain c JOIN users u ON u.id = c.trustor JOIN projects d ON d.id = u.domain_id \
               WHERE u.enabled = false OR d.enabled = false OR c.ends <= $2 LIMIT 1";
    Ok(session.row(sql, values![id, now().saturating_mul(1_000_000)]).await?.is_some())
}

fn in_seconds(microseconds: i64) -> i64 {
    microseconds.div_euclid(1_000_000)
}
