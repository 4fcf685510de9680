//! What a user is in a scope: names, roles, and whether they may be there at all.

use isospin_api_kit::AccessRule;
use isospin_store_kit::{Columns, Row, Session, StoreError, values};

use crate::delegation::Delegation;
use crate::resources::held;

/// Where a token holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeId {
    Unscoped,
    Project(String),
    Domain(String),
    System,
}

impl ScopeId {
    /// Kind and id as assignments store them; `None` for unscoped.
    pub fn stored(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Unscoped => None,
            Self::Project(id) => Some(("project", id)),
            Self::Domain(id) => Some(("domain", id)),
            Self::System => Some(("system", "")),
        }
    }
}

/// Id and name of a domain or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub id: String,
    pub name: String,
}

/// Id and name of a user or project, and of its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub name: String,
    pub domain: Named,
}

/// A scope with the names a token shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Unscoped,
    Project(Member),
    Domain(Named),
    System,
}

/// A user who may be in a scope.
#[derive(Debug, Clone)]
pub struct Standing {
    pub user: Member,
    pub scope: Scope,
    /// Implied roles included, ordered by id.
    pub roles: Vec<Named>,
    /// By whose leave, when it is not the user's own right.
    pub delegation: Option<Delegation>,
    /// The only requests that leave is for; none = all.
    pub access_rules: Vec<AccessRule>,
    /// When that leave ends, in seconds since 1970.
    pub ends_at: Option<i64>,
    /// When the user's password expires, in seconds since 1970.
    pub password_expires_at: Option<i64>,
    /// Tokens of the user issued in this second or before are refused.
    pub user_tokens_after: i64,
    /// The same, with the user's domain and the scope.
    pub tokens_after: i64,
}

/// Something with a domain, and whether both are enabled.
struct Found {
    member: Member,
    enabled: bool,
    own_tokens_after: i64,
    tokens_after: i64,
    password_expires_at: Option<i64>,
}

const USER: &str = "SELECT u.id, u.name, u.enabled, u.tokens_after, d.id, d.name, d.enabled, d.tokens_after, \
    u.password_expires_at FROM users u JOIN projects d ON d.id = u.domain_id WHERE u.id = $1";

const PROJECT: &str = "SELECT p.id, p.name, p.enabled, p.tokens_after, d.id, d.name, d.enabled, d.tokens_after, \
    CAST(NULL AS BIGINT) FROM projects p JOIN projects d ON d.id = p.domain_id WHERE p.id = $1";

/// A domain is in itself.
const DOMAIN: &str = "SELECT id, name, enabled, tokens_after, id, name, enabled, tokens_after, \
    CAST(NULL AS BIGINT) FROM projects WHERE id = $1 AND is_domain = true";

/// The user in this scope; `None` when one of user, scope and their domains is
/// absent or disabled, or the user has no role there.
pub async fn standing(
    session: &mut Session,
    user_id: &str,
    scope: &ScopeId,
) -> Result<Option<Standing>, StoreError> {
    let mut queries = vec![(USER, values![user_id])];
    if let Some((kind, id)) = scope.stored() {
        queries.push((held::ROLES, values![user_id, kind, id]));
    }
    match scope {
        ScopeId::Project(id) => queries.push((PROJECT, values![id])),
        ScopeId::Domain(id) => queries.push((DOMAIN, values![id])),
        ScopeId::System | ScopeId::Unscoped => {}
    }
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut first = || answers.next().unwrap_or_default();
    let Some(user) = found(first())?.filter(|user| user.enabled) else { return Ok(None) };
    let roles = first().into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let place = found(first())?;
    let (scope, place_tokens_after) = match (scope, place) {
        (ScopeId::Unscoped, _) => (Scope::Unscoped, 0),
        (ScopeId::System, _) => (Scope::System, 0),
        (ScopeId::Project(_), Some(place)) if place.enabled => {
            (Scope::Project(place.member), place.tokens_after)
        }
        (ScopeId::Domain(_), Some(place)) if place.enabled => {
            (Scope::Domain(place.member.domain), place.tokens_after)
        }
        _ => return Ok(None),
    };
    if roles.is_empty() && scope != Scope::Unscoped {
        return Ok(None);
    }
    Ok(Some(Standing {
        user: user.member,
        scope,
        roles,
        delegation: None,
        access_rules: Vec::new(),
        ends_at: None,
        password_expires_at: user.password_expires_at,
        user_tokens_after: user.own_tokens_after,
        tokens_after: user.tokens_after.max(place_tokens_after),
    }))
}

fn found(rows: Vec<Row>) -> Result<Option<Found>, StoreError> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut columns = row.columns();
    let (id, name) = (columns.text()?, columns.text()?);
    let (enabled, own_tokens_after) = (columns.flag()?, columns.int()?);
    let domain = Named { id: columns.text()?, name: columns.text()? };
    let (domain_enabled, domain_tokens_after) = (columns.flag()?, columns.int()?);
    Ok(Some(Found {
        member: Member { id, name, domain },
        enabled: enabled && domain_enabled,
        own_tokens_after,
        tokens_after: own_tokens_after.max(domain_tokens_after),
        password_expires_at: columns.opt_int()?,
    }))
}

fn named(row: Row) -> Result<Named, StoreError> {
    let mut columns: Columns = row.columns();
    Ok(Named { id: columns.text()?, name: columns.text()? })
}

/// The part of an UPDATE that ends all tokens issued so far; `now` in seconds goes
/// into the value named by `parameter`. The next token is issued in a later second.
pub fn end_tokens(parameter: &str) -> String {
    format!("tokens_after = CASE WHEN tokens_after >= {parameter} THEN tokens_after + 1 ELSE {parameter} END")
}
