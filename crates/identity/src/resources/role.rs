//! Roles: what a policy speaks of.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, Value as SqlValue, values};
use serde_json::{Map, Value, json};

use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, IMMUTABLE_OPTION, Input, Kind, Schema, stored_object};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_roles", "rule:reads_all or (role:manager and not domain_id:None)"),
    Rule::new("identity:get_role", "rule:reads_all or (role:manager and rule:domain_managed_target_role)"),
    Rule::new("identity:create_role", "rule:admin_required"),
    Rule::new("identity:update_role", "rule:admin_required"),
    Rule::new("identity:delete_role", "rule:admin_required"),
    Rule::new("identity:list_domain_roles", "rule:reads_all"),
    Rule::new("identity:get_domain_role", "rule:reads_all"),
    Rule::new("identity:create_domain_role", "rule:admin_required"),
    Rule::new("identity:update_domain_role", "rule:admin_required"),
    Rule::new("identity:delete_domain_role", "rule:admin_required"),
];

const SCHEMA: Schema = Schema {
    key: "role",
    fields: &[
        Field::required("name", Kind::Name(255)),
        Field::nullable("domain_id", Kind::Id),
        Field::nullable("description", Kind::Text),
        Field::new("options", Kind::Options(IMMUTABLE_OPTION)),
    ],
    fixed: &["domain_id"],
};

const FILTERS: &[Filter] = &[Filter::text("name", "name"), Filter::id("domain_id", "domain_id")];

const COLUMNS: &str = "id, domain_id, name, description, options, extra";

/// A role.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    pub id: String,
    /// `None` for a role that holds everywhere.
    pub domain_id: Option<String>,
    pub name: String,
    description: Option<String>,
    options: Map<String, Value>,
    extra: Map<String, Value>,
}

impl Role {
    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns: Columns = row.columns();
        Ok(Self {
            id: columns.text()?,
            domain_id: Some(columns.text()?).filter(|id| !id.is_empty()),
            name: columns.text()?,
            description: columns.opt_text()?,
            options: stored_object(&columns.text()?),
            extra: stored_object(&columns.text()?),
        })
    }

    fn changed(&self, input: &Input) -> Self {
        Self {
            name: input.text("name").unwrap_or_else(|| self.name.clone()),
            description: input.text_or("description", self.description.clone()),
            options: input.merged_options(&self.options),
            extra: input.merged_extra(&self.extra),
            ..self.clone()
        }
    }

    /// As the wire shows it.
    pub fn view(&self, context: &Context) -> Value {
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "domain_id": self.domain_id,
            "description": self.description,
            "options": self.options,
        });
        super::finish(&mut view, &self.extra, self.link(context));
        view
    }

    /// As implications show it.
    pub fn brief(&self, context: &Context) -> Value {
        json!({"id": self.id, "links": {"self": self.link(context)}, "name": self.name})
    }

    /// What rules ask about it.
    pub fn target(&self) -> Target<'_> {
        Target::new()
            .with("target.role.name", &self.name)
            .with("target.role.domain_id", self.domain_id.as_deref().unwrap_or("None"))
    }

    /// The rule for what is done to it; roles of a domain have their own.
    fn action(&self, verb: &str) -> String {
        let kind = if self.domain_id.is_some() { "domain_role" } else { "role" };
        format!("identity:{verb}_{kind}")
    }

    fn link(&self, context: &Context) -> String {
        context.link(format_args!("roles/{}", self.id))
    }
}

async fn find(session: &mut Session, id: &str) -> Result<Option<Role>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM roles WHERE id = $1");
    session.row(&sql, values![id]).await?.map(Role::read).transpose()
}

/// One role, or 404.
pub async fn require(session: &mut Session, id: &str) -> Result<Role, Fault> {
    find(session, id).await?.ok_or_else(|| Fault::not_found("role", id))
}

/// Those of the given ids that exist, ordered by id.
pub async fn by_ids(session: &mut Session, ids: Vec<SqlValue>) -> Result<Vec<Role>, StoreError> {
    let mut select = Select::new(COLUMNS, "roles");
    select.one_of("id", ids).order_by("id", false);
    select_all(session, select).await
}

async fn select_all(session: &mut Session, select: Select) -> Result<Vec<Role>, StoreError> {
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(Role::read).collect()
}

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/roles", "list_roles list_domain_roles", list)
        .post("/v3/roles", "create_role create_domain_role", create)
        .get("/v3/roles/{id}", "get_role get_domain_role", show)
        .patch("/v3/roles/{id}", "update_role update_domain_role", patch)
        .delete("/v3/roles/{id}", "delete_role delete_domain_role", delete)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let of_domain = context.query("domain_id").is_some();
    let action = if of_domain { "identity:list_domain_roles" } else { "identity:list_roles" };
    context.enforce(&app, action, &Target::new())?;
    let mut select = Select::new(COLUMNS, "roles");
    restrict(&mut select, "id", FILTERS, &context)?;
    if !of_domain {
        select.condition("domain_id = ''");
    }
    let found = app.store.read_apart(move |session| Box::pin(select_all(session, select))).await?;
    page(&context, "roles", found.iter().map(|role| role.view(&context)).collect())
}

/// The role, if the caller may do this with it.
async fn visible(app: &IdentityApp, context: &Context, id: &str, verb: &str) -> Result<Role, Fault> {
    let found = find(&mut *app.store.reader().await?, id).await?;
    let role = super::found_or_hidden(app, context, found, "role", id)?;
    context.enforce(app, &role.action(verb), &role.target())?;
    Ok(role)
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let role = visible(&app, &context, &id, "get").await?;
    Ok(keyed(StatusCode::OK, "role", role.view(&context)))
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = context.read(&app, "identity:create_role", SCHEMA.create(&body))?;
    let blank = Role {
        id: super::new_id(),
        domain_id: input.text("domain_id"),
        name: String::new(),
        description: None,
        options: Map::new(),
        extra: Map::new(),
    };
    let role = blank.changed(&input);
    context.enforce(&app, &role.action("create"), &role.target())?;
    let role = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                if let Some(domain) = &role.domain_id {
                    super::domain::require(tx, domain).await?;
                }
                check_name(tx, &role).await?;
                let sql = "INSERT INTO roles (id, domain_id, name, description, options, extra) \
                           VALUES ($1, $2, $3, $4, $5, $6)";
                let values = values![
                    &role.id,
                    role.domain_id.clone().unwrap_or_default(),
                    &role.name,
                    role.description.clone(),
                    super::json_text(&role.options),
                    super::json_text(&role.extra),
                ];
                tx.execute(sql, values).await?;
                Ok(role)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "role", role.view(&context)))
}

async fn check_name(tx: &mut Tx, role: &Role) -> Result<(), Fault> {
    let domain = role.domain_id.clone().unwrap_or_default();
    let sql = "SELECT id FROM roles WHERE domain_id = $1 AND name = $2 AND id <> $3";
    if tx.row(sql, values![domain, &role.name, &role.id]).await?.is_none() {
        return Ok(());
    }
    let place = role.domain_id.as_ref().map(|id| format!(" at domain ID {id}")).unwrap_or_default();
    Err(Fault::conflict("role", &format!("Duplicate entry found with name {}{place}", role.name)))
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "update").await?;
    let role = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let before = require(tx, &id).await?;
                let input = SCHEMA.update(&body, &id, |_| json!(before.domain_id))?;
                super::check_mutable("role", &id, &before.options, Some(&input))?;
                let after = before.changed(&input);
                check_name(tx, &after).await?;
                let sql =
                    "UPDATE roles SET name = $1, description = $2, options = $3, extra = $4 WHERE id = $5";
                let values = values![
                    &after.name,
                    after.description.clone(),
                    super::json_text(&after.options),
                    super::json_text(&after.extra),
                    &id,
                ];
                tx.execute(sql, values).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "role", role.view(&context)))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "delete").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let role = require(tx, &id).await?;
            super::check_mutable("role", &id, &role.options, None)?;
            // Assignments and implications go with it.
            tx.execute("DELETE FROM roles WHERE id = $1", values![&id]).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}
