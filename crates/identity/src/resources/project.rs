//! Projects: what owns the objects of other services. They live in a domain, may
//! contain each other, and carry tags.
//!
//! A domain is a row of the same table ([`super::domain`]).

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Tx, Value as SqlValue, values};
use serde_json::{Map, Value, json};

use super::tree;
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, IMMUTABLE_OPTION, Input, Kind, Schema, check_tag, stored_object};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::routes::Routes;
use crate::tokens::now;
use crate::tokens::scope::end_tokens;

pub const RULES: &[Rule] = &[
    Rule::new("project_domain_reader", "role:reader and domain_id:%(target.project.domain_id)s"),
    Rule::new("project_domain_manager", "role:manager and domain_id:%(target.project.domain_id)s"),
    Rule::new("identity:list_projects", "rule:reads_all or (role:reader and domain_id:%(target.domain_id)s)"),
    Rule::new(
        "identity:get_project",
        "rule:reads_all or rule:project_domain_reader or project_id:%(target.project.id)s",
    ),
    Rule::new("identity:create_project", "rule:admin_required or rule:project_domain_manager"),
    Rule::new("identity:update_project", "rule:admin_required or rule:project_domain_manager"),
    Rule::new("identity:delete_project", "rule:admin_required or rule:project_domain_manager"),
];

const SCHEMA: Schema = Schema {
    key: "project",
    fields: &[
        Field::required("name", Kind::Name(64)),
        Field::nullable("domain_id", Kind::Id),
        Field::nullable("parent_id", Kind::Id),
        Field::nullable("description", Kind::Text),
        Field::new("enabled", Kind::Flag),
        Field::new("is_domain", Kind::Flag),
        Field::new("tags", Kind::Tags),
        Field::new("options", Kind::Options(IMMUTABLE_OPTION)),
    ],
    fixed: &["domain_id", "parent_id", "is_domain"],
};

const FILTERS: &[Filter] = &[
    Filter::text("name", "name"),
    Filter::id("domain_id", "domain_id"),
    Filter::id("parent_id", "parent_id"),
    Filter::flag("enabled", "enabled"),
];

const COLUMNS: &str = "id, domain_id, parent_id, name, description, enabled, is_domain, tags, options, extra";

/// A project, or a domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub id: String,
    /// "" for a domain.
    pub domain_id: String,
    /// `None` for a domain.
    pub parent_id: Option<String>,
    pub name: String,
    pub description: String,
    pub enabled: bool,
    pub is_domain: bool,
    pub tags: Vec<String>,
    pub options: Map<String, Value>,
    pub extra: Map<String, Value>,
}

impl Project {
    /// A new enabled project without anything special.
    pub fn new(domain_id: &str, name: &str, description: &str) -> Self {
        Self {
            id: super::new_id(),
            domain_id: domain_id.to_owned(),
            parent_id: Some(domain_id.to_owned()),
            name: name.to_owned(),
            description: description.to_owned(),
            enabled: true,
            is_domain: false,
            tags: Vec::new(),
            options: Map::new(),
            extra: Map::new(),
        }
    }

    fn read(row: Row) -> Result<Self, StoreError> {
        let mut columns: Columns = row.columns();
        Ok(Self {
            id: columns.text()?,
            domain_id: columns.text()?,
            parent_id: columns.opt_text()?,
            name: columns.text()?,
            description: columns.text()?,
            enabled: columns.flag()?,
            is_domain: columns.flag()?,
            tags: split_tags(&columns.text()?),
            options: stored_object(&columns.text()?),
            extra: stored_object(&columns.text()?),
        })
    }

    /// As the wire shows it.
    pub fn view(&self, context: &Context) -> Value {
        let domain_id = if self.is_domain { Value::Null } else { json!(self.domain_id) };
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "domain_id": domain_id,
            "description": self.description,
            "enabled": self.enabled,
            "parent_id": self.parent_id,
            "is_domain": self.is_domain,
            "tags": self.tags,
            "options": self.options,
        });
        super::finish(&mut view, &self.extra, context.link(format_args!("projects/{}", self.id)));
        view
    }

    /// What rules ask about it.
    pub fn target(&self) -> Target<'_> {
        Target::new().with("target.project.id", &self.id).with("target.project.domain_id", &self.domain_id)
    }

    /// What `input` makes of it.
    pub fn changed(&self, input: &Input) -> Self {
        Self {
            name: input.text("name").unwrap_or_else(|| self.name.clone()),
            description: if input.has("description") {
                input.text("description").unwrap_or_default()
            } else {
                self.description.clone()
            },
            enabled: input.flag("enabled").unwrap_or(self.enabled),
            tags: input.texts("tags").unwrap_or_else(|| self.tags.clone()),
            options: input.merged_options(&self.options),
            extra: input.merged_extra(&self.extra),
            ..self.clone()
        }
    }

    /// The value of what PATCH may repeat but not change.
    fn fixed(&self, name: &str) -> Value {
        match name {
            "domain_id" => json!(self.domain_id),
            "parent_id" => json!(self.parent_id),
            _ => json!(self.is_domain),
        }
    }
}

/// One project; `None` when there is none, also for the id of a domain.
pub async fn find(session: &mut Session, id: &str) -> Result<Option<Project>, StoreError> {
    Ok(find_any(session, id).await?.filter(|project| !project.is_domain))
}

/// One project or domain.
pub async fn find_any(session: &mut Session, id: &str) -> Result<Option<Project>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM projects WHERE id = $1");
    session.row(&sql, values![id]).await?.map(Project::read).transpose()
}

/// One project, or 404. Domains can be got as projects too.
pub async fn get_any(session: &mut Session, id: &str) -> Result<Project, Fault> {
    find_any(session, id).await?.ok_or_else(|| Fault::not_found("project", id))
}

/// Those of the given ids that exist, ordered by id.
pub async fn by_ids(session: &mut Session, ids: Vec<SqlValue>) -> Result<Vec<Project>, StoreError> {
    let mut select = Select::new(COLUMNS, "projects");
    select.one_of("id", ids).order_by("id", false);
    select_all(session, select).await
}

/// The projects a SELECT of [`select`] finds.
pub async fn select_all(session: &mut Session, select: Select) -> Result<Vec<Project>, StoreError> {
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(Project::read).collect()
}

/// A SELECT over projects and domains.
pub fn select() -> Select {
    Select::new(COLUMNS, "projects")
}

/// Stores a new project or domain.
///
/// # Errors
/// 409 when the name is taken in the domain.
pub async fn insert(tx: &mut Tx, project: &Project) -> Result<(), Fault> {
    check_name(tx, project).await?;
    let sql = "INSERT INTO projects (id, domain_id, parent_id, name, description, enabled, is_domain, tags, \
               options, extra, tokens_after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)";
    let values = values![
        &project.id,
        &project.domain_id,
        project.parent_id.clone(),
        &project.name,
        &project.description,
        project.enabled,
        project.is_domain,
        join_tags(&project.tags),
        super::json_text(&project.options),
        super::json_text(&project.extra),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Stores a changed project or domain; disabling ends the tokens of its scope.
pub async fn update(tx: &mut Tx, before: &Project, after: &Project) -> Result<(), Fault> {
    if before.name != after.name {
        check_name(tx, after).await?;
    }
    let sql = "UPDATE projects SET name = $1, description = $2, enabled = $3, tags = $4, options = $5, \
               extra = $6 WHERE id = $7";
    let values = values![
        &after.name,
        &after.description,
        after.enabled,
        join_tags(&after.tags),
        super::json_text(&after.options),
        super::json_text(&after.extra),
        &after.id,
    ];
    tx.execute(sql, values).await?;
    if before.enabled && !after.enabled {
        let sql = format!("UPDATE projects SET {} WHERE id = $2", end_tokens("$1"));
        tx.execute(&sql, values![now(), &after.id]).await?;
    }
    Ok(())
}

async fn check_name(tx: &mut Tx, project: &Project) -> Result<(), Fault> {
    let sql = "SELECT id FROM projects WHERE domain_id = $1 AND name = $2";
    if tx.row(sql, values![&project.domain_id, &project.name]).await?.is_none() {
        return Ok(());
    }
    let details = if project.is_domain {
        format!(
            "it is not permitted to have two projects acting as domains with the same name: {}",
            project.name
        )
    } else {
        format!(
            "it is not permitted to have two projects with either the same name or same id in the same domain: \
             name is {}, project id {}",
            project.name, project.id
        )
    };
    Err(Fault::conflict("project", &details))
}

/// Removes a project or domain row and the roles held in it.
pub async fn remove(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    tx.execute_many(vec![
        ("DELETE FROM assignments WHERE scope_id = $1 AND scope_kind IN ('project', 'domain')", values![id]),
        ("UPDATE users SET default_project_id = NULL WHERE default_project_id = $1", values![id]),
        ("DELETE FROM credentials WHERE project_id = $1", values![id]),
        ("DELETE FROM projects WHERE id = $1", values![id]),
    ])
    .await?;
    Ok(())
}

/// Stored as ",red,blue,": a comma on both sides of each.
fn join_tags(tags: &[String]) -> String {
    if tags.is_empty() { String::new() } else { format!(",{},", tags.join(",")) }
}

fn split_tags(text: &str) -> Vec<String> {
    text.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// The filters over tags: all of, any of, not all of, none of.
pub fn restrict_tags(select: &mut Select, context: &Context) {
    for (key, every, wanted) in [
        ("tags", true, true),
        ("tags-any", false, true),
        ("not-tags", true, false),
        ("not-tags-any", false, false),
    ] {
        let Some(list) = context.query(key) else { continue };
        let tests: Vec<String> = list
            .split(',')
            .filter(|tag| check_tag(tag).is_ok())
            .map(|tag| {
                let tag = select.bind(format!(",{tag},"));
                // Not LIKE, which knows no case on SQLite.
                format!("REPLACE(tags, {tag}, '') <> tags")
            })
            .collect();
        if tests.is_empty() {
            continue;
        }
        let tests = tests.join(if every { " AND " } else { " OR " });
        select.condition(if wanted { format!("({tests})") } else { format!("NOT ({tests})") });
    }
}

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/projects", "list_projects", list)
        .post("/v3/projects", "create_project", create)
        .get("/v3/projects/{id}", "get_project", show)
        .patch("/v3/projects/{id}", "update_project", patch)
        .delete("/v3/projects/{id}", "delete_project", delete)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let domain = super::readable_domain(&app, &context, "identity:list_projects")?;
    let mut select = select();
    restrict(&mut select, "id", FILTERS, &context)?;
    restrict_tags(&mut select, &context);
    let domains = select.bind(context.query_flag("is_domain"));
    select.condition(format!("is_domain = {domains}"));
    if let Some(domain) = domain {
        select.one_of("domain_id", vec![domain.into()]);
    }
    let found = app.store.read_apart(move |session| Box::pin(select_all(session, select))).await?;
    page(&context, "projects", found.iter().map(|project| project.view(&context)).collect())
}

/// The project or domain, if the caller may do this with it.
pub async fn visible(app: &IdentityApp, context: &Context, id: &str, action: &str) -> Result<Project, Fault> {
    let found = find_any(&mut *app.store.reader().await?, id).await?;
    let project = super::found_or_hidden(app, context, found, "project", id)?;
    context.enforce(app, action, &project.target())?;
    Ok(project)
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let project = visible(&app, &context, &id, "identity:get_project").await?;
    let mut reader = app.store.reader().await?;
    let mut view = project.view(&context);
    tree::add_relatives(&mut reader, &context, &project, &mut view).await?;
    Ok(keyed(StatusCode::OK, "project", view))
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = context.read(&app, "identity:create_project", SCHEMA.create(&body))?;
    let default_domain = super::default_domain(&context);
    let max_depth = app.config.max_project_depth;
    let (asked, by) = (app.clone(), context.clone());
    let project = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let project = planned(tx, &input, default_domain, max_depth).await;
                // Who may not make projects learns nothing of what is there.
                match &project {
                    Ok(project) => by.enforce(&asked, "identity:create_project", &project.target())?,
                    Err(_) => by.enforce(&asked, "identity:create_project", &Target::new())?,
                }
                let project = project?;
                insert(tx, &project).await?;
                Ok(project)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "project", project.view(&context)))
}

/// The project a POST asks for, placed below its parent.
async fn planned(
    tx: &mut Tx,
    input: &Input,
    default_domain: String,
    max_depth: u32,
) -> Result<Project, Fault> {
    let blank = Project::new("", "", "").changed(input);
    if input.flag("is_domain") == Some(true) {
        if input.text("domain_id").is_some() || input.text("parent_id").is_some() {
            return Err(Fault::bad_request(
                "A project acting as a domain has neither domain_id nor parent_id.",
            ));
        }
        return Ok(Project { is_domain: true, parent_id: None, ..blank });
    }
    let parent = match input.text("parent_id") {
        Some(id) => Some(get_any(tx, &id).await?),
        None => None,
    };
    let parents_domain = parent
        .as_ref()
        .map(|parent| if parent.is_domain { parent.id.clone() } else { parent.domain_id.clone() });
    let domain_id = match (input.text("domain_id"), parents_domain) {
        (Some(given), Some(parents)) if given != parents => {
            return Err(Fault::bad_request(format!(
                "Project's domain {given} is not that of its parent, {parents}."
            )));
        }
        (_, Some(parents)) => parents,
        (Some(given), None) => given,
        (None, None) => default_domain,
    };
    super::domain::require(tx, &domain_id).await?;
    let parent_id = parent.map_or_else(|| domain_id.clone(), |parent| parent.id);
    tree::check_depth(tx, &parent_id, max_depth).await?;
    Ok(Project { parent_id: Some(parent_id), domain_id, ..blank })
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:update_project").await?;
    let project = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let before = get_any(tx, &id).await?;
                let input = SCHEMA.update(&body, &id, |name| before.fixed(name))?;
                super::check_mutable("project", &id, &before.options, Some(&input))?;
                let after = before.changed(&input);
                if before.enabled && !after.enabled {
                    tree::check_can_disable(tx, &before).await?;
                }
                update(tx, &before, &after).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "project", project.view(&context)))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:delete_project").await?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let project = get_any(tx, &id).await?;
            super::check_mutable("project", &id, &project.options, None)?;
            if project.is_domain {
                return super::domain::delete_row(tx, &project).await;
            }
            tree::check_is_leaf(tx, &id).await?;
            remove(tx, &id).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}
