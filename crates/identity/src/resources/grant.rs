//! Grants: a role for a user or group on a project, a domain or the system.
//!
//! The three scopes, two kinds of actor and what is inherited share their handlers; a
//! [`Kind`] says which route it was.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, put};
use http::StatusCode;
use isospin_api_kit::http::no_content;
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::{Session, Tx, Value as SqlValue, Value, values};

use super::{domain, group, held, project, role, user};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::listing::collection;
use crate::request::Context;

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_grants", "rule:reads_all"),
    Rule::new("identity:check_grant", "rule:reads_all"),
    Rule::new("identity:create_grant", "rule:admin_required"),
    Rule::new("identity:revoke_grant", "rule:admin_required"),
    Rule::new("identity:list_system_grants_for_user", "rule:reads_all"),
    Rule::new("identity:check_system_grant_for_user", "rule:reads_all"),
    Rule::new("identity:create_system_grant_for_user", "rule:admin_required"),
    Rule::new("identity:revoke_system_grant_for_user", "rule:admin_required"),
    Rule::new("identity:list_system_grants_for_group", "rule:reads_all"),
    Rule::new("identity:check_system_grant_for_group", "rule:reads_all"),
    Rule::new("identity:create_system_grant_for_group", "rule:admin_required"),
    Rule::new("identity:revoke_system_grant_for_group", "rule:admin_required"),
];

/// Names of the actions over grants on the system; others end where these go on.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("list", "identity:list_grants", "identity:list_system_grants_for_"),
    ("check", "identity:check_grant", "identity:check_system_grant_for_"),
    ("create", "identity:create_grant", "identity:create_system_grant_for_"),
    ("revoke", "identity:revoke_grant", "identity:revoke_system_grant_for_"),
];

/// Which family of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    /// "project", "domain" or "system".
    scope: &'static str,
    /// "user" or "group".
    actor: &'static str,
    /// Below `OS-INHERIT`: holds in what is below the scope, not in itself.
    inherited: bool,
}

/// A grant as its URL names it; the role is "" in lists.
#[derive(Debug, Clone)]
struct Grant {
    kind: Kind,
    scope_id: String,
    actor_id: String,
    role_id: String,
}

impl Grant {
    fn read(kind: Kind, mut ids: BTreeMap<String, String>) -> Self {
        let mut take = |name: &str| ids.remove(name).unwrap_or_default();
        Self { kind, scope_id: take("id"), actor_id: take("actor"), role_id: take("role") }
    }

    fn enforce(&self, app: &IdentityApp, context: &Context, verb: &str) -> Result<(), Fault> {
        let Some((_, plain, system)) = ACTIONS.iter().find(|(name, _, _)| *name == verb) else {
            return Err(Fault::forbidden(verb));
        };
        let action = if self.kind.scope == "system" {
            format!("{system}{}", self.kind.actor)
        } else {
            (*plain).to_owned()
        };
        context.enforce(app, &action, &Target::new())
    }

    /// 404 unless actor and scope exist.
    async fn check_ends(&self, session: &mut Session) -> Result<(), Fault> {
        match self.kind.actor {
            "group" => group::require(session, &self.actor_id).await.map(|_| ())?,
            _ => user::require(session, &self.actor_id).await.map(|_| ())?,
        }
        match self.kind.scope {
            "project" => project::get_any(session, &self.scope_id).await.map(|_| ()),
            "domain" => domain::require(session, &self.scope_id).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    fn values(&self) -> Vec<SqlValue> {
        values![
            self.kind.actor,
            &self.actor_id,
            self.kind.scope,
            &self.scope_id,
            &self.role_id,
            self.kind.inherited
        ]
    }

    fn missing(&self) -> Fault {
        let target = if self.kind.scope == "system" { "system" } else { &self.scope_id };
        Fault::new(
            StatusCode::NOT_FOUND,
            format!(
                "Could not find role assignment with role: {}, user or group: {}, project, domain, or system: {target}.",
                self.role_id, self.actor_id
            ),
        )
    }
}

/// The condition that finds a grant by [`Grant::values`].
const ONE: &str = "actor_kind = $1 AND actor_id = $2 AND scope_kind = $3 AND scope_id = $4 AND role_id = $5 \
    AND inherited = $6";

type State1 = State<IdentityApp>;
type Ids = Path<BTreeMap<String, String>>;

/// Every family of routes, with the path of its list and that of one grant.
fn families() -> impl Iterator<Item = (Kind, String, String)> {
    const SCOPES: &[(&str, &str)] =
        &[("project", "projects/{id}"), ("domain", "domains/{id}"), ("system", "system")];
    const ACTORS: &[(&str, &str)] = &[("user", "users"), ("group", "groups")];
    let all = SCOPES.iter().flat_map(|scope| ACTORS.iter().map(move |actor| (scope, actor)));
    all.flat_map(|((scope, path), (actor, plural))| {
        let roles = format!("{path}/{plural}/{{actor}}/roles");
        let below = format!("/v3/OS-INHERIT/{roles}");
        let direct = (
            Kind { scope, actor, inherited: false },
            format!("/v3/{roles}"),
            format!("/v3/{roles}/{{role}}"),
        );
        let inherited = (
            Kind { scope, actor, inherited: true },
            format!("{below}/inherited_to_projects"),
            format!("{below}/{{role}}/inherited_to_projects"),
        );
        // What is given on the system is inherited by nothing.
        [Some(direct), (*scope != "system").then_some(inherited)]
    })
    .flatten()
}

pub fn routes() -> Router<IdentityApp> {
    let mut router = Router::new();
    for (kind, all, one) in families() {
        router = router
            .route(&all, get(move |app: State1, context: Context, ids: Ids| list(app, context, kind, ids)))
            .route(
                &one,
                put(move |app: State1, context: Context, ids: Ids| create(app, context, kind, ids))
                    .get(move |app: State1, context: Context, ids: Ids| check(app, context, kind, ids))
                    .delete(move |app: State1, context: Context, ids: Ids| revoke(app, context, kind, ids)),
            );
    }
    router
}

async fn list(State(app): State1, context: Context, kind: Kind, Path(ids): Ids) -> Result<Response, Fault> {
    let grant = Grant::read(kind, ids);
    grant.enforce(&app, &context, "list")?;
    let mut reader = app.store.reader().await?;
    grant.check_ends(&mut reader).await?;
    let sql = "SELECT role_id FROM assignments WHERE actor_kind = $1 AND actor_id = $2 AND scope_kind = $3 \
               AND scope_id = $4 AND inherited = $5";
    let Kind { actor, scope, inherited } = kind;
    let values = values![actor, &grant.actor_id, scope, &grant.scope_id, inherited];
    let rows = reader.rows(sql, values).await?;
    let ids = rows.into_iter().map(|row| row.columns().text().map(Value::Text)).collect::<Result<_, _>>()?;
    let roles = role::by_ids(&mut reader, ids).await?;
    Ok(collection(&context, "roles", roles.iter().map(|role| role.view(&context)).collect()))
}

async fn create(State(app): State1, context: Context, kind: Kind, Path(ids): Ids) -> Result<Response, Fault> {
    let grant = Grant::read(kind, ids);
    grant.enforce(&app, &context, "create")?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let role = role::require(tx, &grant.role_id).await?;
            grant.check_ends(tx).await?;
            check_domain(tx, &grant, &role).await?;
            let sql = "INSERT INTO assignments (actor_kind, actor_id, scope_kind, scope_id, role_id, inherited) \
                       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
            tx.execute(sql, grant.values()).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

/// A role of a domain is given in that domain only.
async fn check_domain(tx: &mut Tx, grant: &Grant, role: &role::Role) -> Result<(), Fault> {
    let Some(domain) = &role.domain_id else { return Ok(()) };
    let inside = match grant.kind.scope {
        "project" => project::get_any(tx, &grant.scope_id).await?.domain_id == *domain,
        "domain" => grant.scope_id == *domain,
        _ => false,
    };
    if inside {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "Project {} must be in the same domain as the role {} being assigned.",
        grant.scope_id, role.id
    )))
}

async fn check(State(app): State1, context: Context, kind: Kind, Path(ids): Ids) -> Result<Response, Fault> {
    let grant = Grant::read(kind, ids);
    grant.enforce(&app, &context, "check")?;
    let mut reader = app.store.reader().await?;
    role::require(&mut reader, &grant.role_id).await?;
    grant.check_ends(&mut reader).await?;
    let sql = format!("SELECT role_id FROM assignments WHERE {ONE}");
    match reader.row(&sql, grant.values()).await? {
        Some(_) => Ok(no_content()),
        None => Err(grant.missing()),
    }
}

async fn revoke(State(app): State1, context: Context, kind: Kind, Path(ids): Ids) -> Result<Response, Fault> {
    let grant = Grant::read(kind, ids);
    grant.enforce(&app, &context, "revoke")?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let sql = format!("DELETE FROM assignments WHERE {ONE}");
            if tx.execute(&sql, grant.values()).await? == 0 {
                return Err(grant.missing());
            }
            let actor = (grant.kind.actor, grant.actor_id.as_str());
            Ok(held::drop_unfounded(tx, actor).await?)
        })
    })
    .await?;
    Ok(no_content())
}
