//! `/v3/role_assignments`: all grants in one list, as given or as they take effect.

use axum::extract::State;
use axum::response::Response;
use isospin_api_kit::policy::Rule;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Value as SqlValue};
use serde_json::{Map, Value, json};

use super::{project, tree};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::listing::collection;
use crate::request::Context;
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new(
        "identity:list_role_assignments",
        "rule:reads_all or (role:reader and domain_id:%(target.domain_id)s)",
    ),
    Rule::new(
        "identity:list_role_assignments_for_tree",
        "rule:reads_all or (role:reader and domain_id:%(target.domain_id)s)",
    ),
];

/// The grants as given. Columns as in [`EFFECTIVE`].
const GIVEN: &str = "(SELECT actor_kind, actor_id, scope_kind, scope_id, role_id, '' AS through, '' AS prior, \
    CASE WHEN inherited THEN '*' ELSE '' END AS above FROM assignments) a";

/// What they come to: projects below instead of what is inherited (`above` names where
/// from), members instead of groups (`through` names the group), and implied roles
/// (`prior` names the role that implies).
const EFFECTIVE: &str = "(WITH RECURSIVE \
    down (actor_kind, actor_id, scope_kind, scope_id, role_id, above) AS (\
    SELECT g.actor_kind, g.actor_id, g.scope_kind, p.id, g.role_id, g.scope_id \
        FROM assignments g JOIN projects p ON p.parent_id = g.scope_id WHERE g.inherited = true \
    UNION SELECT w.actor_kind, w.actor_id, w.scope_kind, p.id, w.role_id, w.above \
        FROM projects p JOIN down w ON p.parent_id = w.scope_id), \
    given (actor_kind, actor_id, scope_kind, scope_id, role_id, above) AS (\
    SELECT actor_kind, actor_id, scope_kind, scope_id, role_id, '' FROM assignments WHERE inherited = false \
    UNION SELECT actor_kind, actor_id, 'project', scope_id, role_id, above FROM down), \
    held (actor_kind, actor_id, scope_kind, scope_id, role_id, through, prior, above) AS (\
    SELECT actor_kind, actor_id, scope_kind, scope_id, role_id, '', '', above FROM given \
        WHERE actor_kind = 'user' \
    UNION SELECT 'user', m.user_id, g.scope_kind, g.scope_id, g.role_id, g.actor_id, '', g.above \
        FROM given g JOIN group_members m ON m.group_id = g.actor_id WHERE g.actor_kind = 'group' \
    UNION SELECT h.actor_kind, h.actor_id, h.scope_kind, h.scope_id, i.implied_id, h.through, i.prior_id, h.above \
        FROM implied_roles i JOIN held h ON h.role_id = i.prior_id) \
    SELECT h.* FROM held h JOIN roles e ON e.id = h.role_id WHERE e.domain_id = '') a";

const COLUMNS: &str = "a.actor_kind, a.actor_id, a.scope_kind, a.scope_id, a.role_id, a.through, a.prior, a.above, \
    COALESCE(up.is_domain, false), \
    COALESCE(u.name, g.name, ''), COALESCE(ad.id, ''), COALESCE(ad.name, ''), \
    COALESCE(p.name, ''), COALESCE(pd.id, ''), COALESCE(pd.name, ''), \
    r.name, COALESCE(rd.id, ''), COALESCE(rd.name, '')";

const NAMES: &str = " JOIN roles r ON r.id = a.role_id LEFT JOIN projects rd ON rd.id = r.domain_id \
    LEFT JOIN users u ON a.actor_kind = 'user' AND u.id = a.actor_id \
    LEFT JOIN user_groups g ON a.actor_kind = 'group' AND g.id = a.actor_id \
    LEFT JOIN projects ad ON ad.id = COALESCE(u.domain_id, g.domain_id) \
    LEFT JOIN projects up ON up.id = a.above \
    LEFT JOIN projects p ON p.id = a.scope_id LEFT JOIN projects pd ON pd.id = p.domain_id";

/// Something with an id, a name and a domain.
struct Known {
    id: String,
    name: String,
    domain_id: String,
    domain_name: String,
}

struct Assignment {
    actor_kind: String,
    actor: Known,
    scope_kind: String,
    scope: Known,
    role: Known,
    /// The group a member has it through, or "".
    through: String,
    /// The role that implies this one, or "".
    prior: String,
    above: Above,
}

/// Where what is inherited comes from.
struct Above {
    /// "" for what is not inherited, "*" for the grant itself, else the id of its scope.
    id: String,
    is_domain: bool,
}

impl Assignment {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns = row.columns();
        let (actor_kind, actor_id) = (columns.text()?, columns.text()?);
        let (scope_kind, scope_id) = (columns.text()?, columns.text()?);
        let (role_id, through, prior) = (columns.text()?, columns.text()?, columns.text()?);
        let above = Above { id: columns.text()?, is_domain: columns.flag()? };
        let mut known = |id: String| {
            Ok::<_, StoreError>(Known {
                id,
                name: columns.text()?,
                domain_id: columns.text()?,
                domain_name: columns.text()?,
            })
        };
        let (actor, scope, role) = (known(actor_id)?, known(scope_id)?, known(role_id)?);
        Ok(Self { actor_kind, actor, scope_kind, scope, role, through, prior, above })
    }

    fn view(&self, context: &Context, names: bool) -> Value {
        let mut view = Map::new();
        view.insert("links".to_owned(), Value::Object(self.links(context)));
        let mut scope = match self.scope_kind.as_str() {
            "project" => json!({"project": self.scope.view(names)}),
            "domain" => json!({"domain": self.scope.view_without_domain(names)}),
            _ => json!({"system": {"all": true}}),
        };
        if !self.above.id.is_empty() {
            scope["OS-INHERIT:inherited_to"] = json!("projects");
        }
        view.insert("scope".to_owned(), scope);
        view.insert(self.actor_kind.clone(), self.actor.view(names));
        view.insert("role".to_owned(), self.role.view(names));
        Value::Object(view)
    }

    fn links(&self, context: &Context) -> Map<String, Value> {
        let own = |id: &str| format!("{}s/{id}", self.scope_kind);
        let scope = match (self.scope_kind.as_str(), self.above.id.as_str()) {
            ("system", _) => "system".to_owned(),
            (_, "") => own(&self.scope.id),
            (_, "*") => format!("OS-INHERIT/{}", own(&self.scope.id)),
            (_, id) if self.above.is_domain => format!("OS-INHERIT/domains/{id}"),
            (_, id) => format!("OS-INHERIT/projects/{id}"),
        };
        let end = if self.above.id.is_empty() { "" } else { "/inherited_to_projects" };
        let actor = if self.through.is_empty() {
            format!("{}s/{}", self.actor_kind, self.actor.id)
        } else {
            format!("groups/{}", self.through)
        };
        let role = if self.prior.is_empty() { &self.role.id } else { &self.prior };
        let mut links = Map::new();
        let assignment = context.link(format_args!("{scope}/{actor}/roles/{role}{end}"));
        links.insert("assignment".to_owned(), Value::String(assignment));
        if !self.through.is_empty() {
            let membership = context.link(format_args!("groups/{}/users/{}", self.through, self.actor.id));
            links.insert("membership".to_owned(), Value::String(membership));
        }
        if !self.prior.is_empty() {
            let prior = context.link(format_args!("roles/{}/implies/{}", self.prior, self.role.id));
            links.insert("prior_role".to_owned(), Value::String(prior));
        }
        links
    }
}

impl Known {
    fn view(&self, names: bool) -> Value {
        let mut view = self.view_without_domain(names);
        if names && !self.domain_id.is_empty() {
            view["domain"] = json!({"id": self.domain_id, "name": self.domain_name});
        }
        view
    }

    fn view_without_domain(&self, names: bool) -> Value {
        if names { json!({"id": self.id, "name": self.name}) } else { json!({"id": self.id}) }
    }
}

pub fn routes() -> Routes {
    Routes::new().get("/v3/role_assignments", "list_role_assignments list_role_assignments_for_tree", list)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let tree = context.query_flag("include_subtree");
    let action =
        if tree { "identity:list_role_assignments_for_tree" } else { "identity:list_role_assignments" };
    let domain = super::readable_domain(&app, &context, action)?;
    check_filters(&context)?;
    let effective = context.query_flag("effective");
    let from = format!("{}{NAMES}", if effective { EFFECTIVE } else { GIVEN });
    let mut select = Select::new(COLUMNS, &from);
    let mut reader = app.store.reader().await?;
    restrict(&mut reader, &mut select, &context).await?;
    drop(reader);
    if let Some(domain) = domain {
        let own = select.bind(domain);
        select.condition(format!("(p.domain_id = {own} OR p.id = {own})"));
    }
    for column in ["a.scope_kind", "a.scope_id", "a.actor_id", "a.role_id", "a.through", "a.prior", "a.above"]
    {
        select.order_by(column, false);
    }
    let found = app.store.read_apart(move |session| Box::pin(select_all(session, select))).await?;
    let names = context.query_flag("include_names");
    let items = found.iter().map(|assignment| assignment.view(&context, names)).collect();
    Ok(collection(&context, "role_assignments", items))
}

async fn select_all(session: &mut Session, select: Select) -> Result<Vec<Assignment>, StoreError> {
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(Assignment::read).collect()
}

/// Combinations that make no sense are refused rather than answered with nothing.
fn check_filters(context: &Context) -> Result<(), Fault> {
    let given = |key: &str| context.query(key).is_some_and(|value| !value.is_empty());
    let conflicts = [
        ("scope.domain.id", "scope.project.id", "Specify a domain or project, not both"),
        ("scope.domain.id", "scope.system", "Specify system or domain, not both"),
        ("scope.project.id", "scope.system", "Specify system or project, not both"),
        ("user.id", "group.id", "Specify a user or group, not both"),
    ];
    if let Some((_, _, message)) = conflicts.into_iter().find(|(one, other, _)| given(one) && given(other)) {
        return Err(Fault::bad_request(message));
    }
    if context.query_flag("effective") && given("group.id") {
        return Err(Fault::bad_request(
            "Combining effective and group filter will always result in an empty list.",
        ));
    }
    if context.query_flag("include_subtree") && !given("scope.project.id") {
        return Err(Fault::bad_request(
            "scope.project.id must be specified if include_subtree is also specified",
        ));
    }
    Ok(())
}

async fn restrict(session: &mut Session, select: &mut Select, context: &Context) -> Result<(), Fault> {
    for (key, kind, column) in [
        ("user.id", "a.actor_kind = 'user'", "a.actor_id"),
        ("group.id", "a.actor_kind = 'group'", "a.actor_id"),
        ("role.id", "1 = 1", "a.role_id"),
        ("scope.domain.id", "a.scope_kind = 'domain'", "a.scope_id"),
    ] {
        if let Some(id) = context.query(key).filter(|id| !id.is_empty()) {
            select.condition(kind).one_of(column, vec![id.into()]);
        }
    }
    if context.query("scope.system").is_some() {
        select.condition("a.scope_kind = 'system'");
    }
    if context.query("scope.OS-INHERIT:inherited_to") == Some("projects") {
        select.condition("a.above <> ''");
    }
    if let Some(id) = context.query("scope.project.id").filter(|id| !id.is_empty()) {
        let mut ids: Vec<SqlValue> = vec![id.into()];
        if context.query_flag("include_subtree") {
            project::get_any(session, id).await?;
            ids.extend(tree::below(session, id).await?);
        }
        select.condition("a.scope_kind = 'project'").one_of("a.scope_id", ids);
    }
    Ok(())
}
