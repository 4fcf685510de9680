//! Grants: a role for a user or group on a project, a domain or the system.
//!
//! The three scopes, two kinds of actor and what is inherited share their handlers; a
//! [`Kind`] says which route it was.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::no_content;
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::{Session, Value as SqlValue, Value, values};

use super::{domain, group, held, project, role, user};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::listing::collection;
use crate::request::Context;
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    // Who acts on users or groups and projects of the caller's own domain, or on the domain.
    Rule::new(
        "grant_in_domain",
        "(domain_id:%(target.user.domain_id)s or domain_id:%(target.group.domain_id)s) and \
         (domain_id:%(target.project.domain_id)s or domain_id:%(target.domain.id)s)",
    ),
    Rule::new("identity:list_grants", "rule:reads_all or (role:reader and rule:grant_in_domain)"),
    Rule::new(
        "identity:check_grant",
        "rule:reads_all or (role:reader and rule:grant_in_domain and \
         (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))",
    ),
    Rule::new("manages_grant", "role:manager and rule:grant_in_domain and rule:domain_managed_target_role"),
    Rule::new("identity:create_grant", "rule:admin_required or rule:manages_grant"),
    Rule::new("identity:revoke_grant", "rule:admin_required or rule:manages_grant"),
    Rule::new("identity:list_system_grants_for_user", "rule:reads_all"),
    Rule::new("identity:check_system_grant_for_user", "rule:reads_all"),
    Rule::new("identity:create_system_grant_for_user", "rule:admin_required"),
    Rule::new("identity:revoke_system_grant_for_user", "rule:admin_required"),
    Rule::new("identity:list_system_grants_for_group", "rule:reads_all"),
    Rule::new("identity:check_system_grant_for_group", "rule:reads_all"),
    Rule::new("identity:create_system_grant_for_group", "rule:admin_required"),
    Rule::new("identity:revoke_system_grant_for_group", "rule:admin_required"),
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

impl Kind {
    /// The actions to list, check, create and revoke, without `identity:`.
    fn actions(self) -> [String; 4] {
        let actor = self.actor;
        if self.scope == "system" {
            let list = format!("list_system_grants_for_{actor}");
            let one = |verb: &str| format!("{verb}_system_grant_for_{actor}");
            return [list, one("check"), one("create"), one("revoke")];
        }
        ["list_grants", "check_grant", "create_grant", "revoke_grant"].map(str::to_owned)
    }
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

    /// Whether the caller may do this (an index into [`Kind::actions`]); 404 unless actor,
    /// scope and role are there, for those who may know.
    async fn enforce(&self, app: &IdentityApp, context: &Context, verb: usize) -> Result<(), Fault> {
        let action = self.kind.actions().into_iter().nth(verb).unwrap_or_default();
        let action = format!("identity:{action}");
        let ends = Ends::find(&mut *app.store.reader().await?, self).await;
        let ends = match ends {
            Ok(ends) => ends,
            // Who may not do this anywhere is not to learn which ids exist.
            Err(missing) => {
                context.enforce(app, &action, &Target::new())?;
                return Err(missing);
            }
        };
        context.enforce(app, &action, &ends.target())
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

/// What a grant ties together.
enum Actor {
    User(user::User),
    Group(group::Group),
}

struct Ends {
    actor: Actor,
    /// `None` for the system.
    scope: Option<project::Project>,
    /// `None` in lists.
    role: Option<role::Role>,
}

impl Ends {
    /// 404 unless they exist.
    async fn find(session: &mut Session, grant: &Grant) -> Result<Self, Fault> {
        let role = match grant.role_id.as_str() {
            "" => None,
            id => Some(role::require(session, id).await?),
        };
        let actor = match grant.kind.actor {
            "group" => Actor::Group(group::require(session, &grant.actor_id).await?),
            _ => Actor::User(user::require(session, &grant.actor_id).await?),
        };
        let scope = match grant.kind.scope {
            "project" => Some(project::get_any(session, &grant.scope_id).await?),
            "domain" => Some(domain::require(session, &grant.scope_id).await?),
            _ => None,
        };
        Ok(Self { actor, scope, role })
    }

    fn target(&self) -> Target<'_> {
        let mut target = self.role.as_ref().map(role::Role::target).unwrap_or_default();
        target = match &self.actor {
            Actor::User(user) => target.with("target.user.domain_id", &user.domain_id),
            Actor::Group(group) => target.with("target.group.domain_id", &group.domain_id),
        };
        match &self.scope {
            Some(scope) if scope.is_domain => target.with("target.domain.id", &scope.id),
            Some(scope) => target.with("target.project.domain_id", &scope.domain_id),
            None => target,
        }
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

pub fn routes() -> Routes {
    let mut routes = Routes::new();
    for (kind, all, one) in families() {
        let [lists, checks, creates, revokes] = kind.actions();
        routes = routes
            .get(&all, &lists, move |app: State1, context: Context, ids: Ids| list(app, context, kind, ids))
            .get(&one, &checks, move |app: State1, context: Context, ids: Ids| check(app, context, kind, ids))
            .put(&one, &creates, move |app: State1, context: Context, ids: Ids| {
                create(app, context, kind, ids)
            })
            .delete(&one, &revokes, move |app: State1, context: Context, ids: Ids| {
                revoke(app, context, kind, ids)
            });
    }
    routes
}

async fn list(State(app): State1, context: Context, kind: Kind, Path(ids): Ids) -> Result<Response, Fault> {
    let grant = Grant::read(kind, ids);
    grant.enforce(&app, &context, 0).await?;
    let mut reader = app.store.reader().await?;
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
    grant.enforce(&app, &context, 2).await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let ends = Ends::find(tx, &grant).await?;
            check_domain(&ends)?;
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
fn check_domain(ends: &Ends) -> Result<(), Fault> {
    let Some((role, domain)) = ends.role.as_ref().and_then(|role| Some((role, role.domain_id.as_ref()?)))
    else {
        return Ok(());
    };
    let (place, inside) = match &ends.scope {
        Some(scope) if scope.is_domain => (scope.id.as_str(), scope.id == *domain),
        Some(scope) => (scope.id.as_str(), scope.domain_id == *domain),
        None => ("system", false),
    };
    if inside {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "Project {place} must be in the same domain as the role {} being assigned.",
        role.id
    )))
}

async fn check(State(app): State1, context: Context, kind: Kind, Path(ids): Ids) -> Result<Response, Fault> {
    let grant = Grant::read(kind, ids);
    grant.enforce(&app, &context, 1).await?;
    let mut reader = app.store.reader().await?;
    let sql = format!("SELECT role_id FROM assignments WHERE {ONE}");
    match reader.row(&sql, grant.values()).await? {
        Some(_) => Ok(no_content()),
        None => Err(grant.missing()),
    }
}

async fn revoke(State(app): State1, context: Context, kind: Kind, Path(ids): Ids) -> Result<Response, Fault> {
    let grant = Grant::read(kind, ids);
    grant.enforce(&app, &context, 3).await?;
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
