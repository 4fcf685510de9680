//! Domains: what users, groups and projects have their names in.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::{Session, StoreError, Tx, values};
use serde_json::{Value, json};

use super::project::{self, Project};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, IMMUTABLE_OPTION, Kind, Schema};
use crate::listing::{Filter, page, restrict};
use crate::request::{Context, RawBody};
use crate::routes::Routes;

/// The domain of clients that name none; it cannot be deleted.
pub const DEFAULT: &str = "default";

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_domains", "rule:reads_all or (role:reader and domain_id:%(target.domain.id)s)"),
    Rule::new(
        "identity:get_domain",
        "rule:reads_all or domain_id:%(target.domain.id)s or project_domain_id:%(target.domain.id)s",
    ),
    Rule::new("identity:create_domain", "rule:admin_required"),
    Rule::new("identity:update_domain", "rule:admin_required"),
    Rule::new("identity:delete_domain", "rule:admin_required"),
];

const SCHEMA: Schema = Schema {
    key: "domain",
    fields: &[
        Field::required("name", Kind::Name(64)),
        Field::nullable("description", Kind::Text),
        Field::new("enabled", Kind::Flag),
        Field::new("tags", Kind::Tags),
        Field::new("options", Kind::Options(IMMUTABLE_OPTION)),
        Field::new("explicit_domain_id", Kind::Name(64)),
    ],
    fixed: &[],
};

const FILTERS: &[Filter] = &[Filter::text("name", "name"), Filter::flag("enabled", "enabled")];

/// As the wire shows it.
pub fn view(domain: &Project, context: &Context) -> Value {
    let mut view = json!({
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "tags": domain.tags,
        "options": domain.options,
    });
    super::finish(&mut view, &domain.extra, context.link(format_args!("domains/{}", domain.id)));
    view
}

/// One domain, or 404.
pub async fn require(session: &mut Session, id: &str) -> Result<Project, Fault> {
    find(session, id).await?.ok_or_else(|| Fault::not_found("domain", id))
}

async fn find(session: &mut Session, id: &str) -> Result<Option<Project>, StoreError> {
    Ok(project::find_any(session, id).await?.filter(|domain| domain.is_domain))
}

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/domains", "list_domains", list)
        .post("/v3/domains", "create_domain", create)
        .get("/v3/domains/{id}", "get_domain", show)
        .patch("/v3/domains/{id}", "update_domain", patch)
        .delete("/v3/domains/{id}", "delete_domain", delete)
}

async fn list(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    let own = super::readable_domain(&app, &context, "identity:list_domains")?;
    let mut select = project::select();
    restrict(&mut select, "id", FILTERS, &context)?;
    project::restrict_tags(&mut select, &context);
    select.condition("is_domain = true");
    if let Some(own) = own {
        select.one_of("id", vec![own.into()]);
    }
    let found = app.store.read_apart(move |session| Box::pin(project::select_all(session, select))).await?;
    page(&context, "domains", found.iter().map(|domain| view(domain, &context)).collect())
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let found = find(&mut *app.store.reader().await?, &id).await?;
    let domain = super::found_or_hidden(&app, &context, found, "domain", &id)?;
    context.enforce(&app, "identity:get_domain", &Target::new().with("target.domain.id", &id))?;
    Ok(keyed(StatusCode::OK, "domain", view(&domain, &context)))
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_domain", &Target::new())?;
    let input = SCHEMA.create(&body)?;
    let blank = Project { is_domain: true, parent_id: None, ..Project::new("", "", "") };
    let mut domain = blank.changed(&input);
    if let Some(id) = input.text("explicit_domain_id") {
        domain.id = id;
    }
    let domain = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                if project::find_any(tx, &domain.id).await?.is_some() {
                    return Err(Fault::conflict("domain", &format!("Duplicate ID, {}", domain.id)));
                }
                project::insert(tx, &domain).await?;
                Ok(domain)
            })
        })
        .await?;
    Ok(keyed(StatusCode::CREATED, "domain", view(&domain, &context)))
}

async fn patch(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:update_domain", &Target::new())?;
    let domain = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let before = require(tx, &id).await?;
                let input = SCHEMA.update(&body, &id, |_| Value::Null)?;
                super::check_mutable("domain", &id, &before.options, Some(&input))?;
                let after = before.changed(&input);
                project::update(tx, &before, &after).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(keyed(StatusCode::OK, "domain", view(&domain, &context)))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:delete_domain", &Target::new())?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let domain = require(tx, &id).await?;
            super::check_mutable("domain", &id, &domain.options, None)?;
            delete_row(tx, &domain).await
        })
    })
    .await?;
    Ok(no_content())
}

/// Deletes a disabled domain and everything in it.
pub async fn delete_row(tx: &mut Tx, domain: &Project) -> Result<(), Fault> {
    if domain.id == DEFAULT {
        return Err(Fault::forbidden("delete the default domain"));
    }
    if domain.enabled {
        return Err(Fault::forbidden("Cannot delete a domain that is enabled, please disable it first"));
    }
    let id = &domain.id;
    let in_domain = |table: &str, scope: &str| {
        format!("DELETE FROM assignments WHERE {scope} IN (SELECT id FROM {table} WHERE domain_id = $1)")
    };
    let statements = [
        in_domain("users", "actor_kind = 'user' AND actor_id"),
        in_domain("user_groups", "actor_kind = 'group' AND actor_id"),
        in_domain("projects", "scope_kind = 'project' AND scope_id"),
        "UPDATE users SET default_project_id = NULL WHERE default_project_id IN \
         (SELECT id FROM projects WHERE domain_id = $1)"
            .to_owned(),
        "DELETE FROM credentials WHERE project_id IN (SELECT id FROM projects WHERE domain_id = $1)"
            .to_owned(),
        "DELETE FROM users WHERE domain_id = $1".to_owned(),
        "DELETE FROM user_groups WHERE domain_id = $1".to_owned(),
        "DELETE FROM roles WHERE domain_id = $1".to_owned(),
        "DELETE FROM projects WHERE domain_id = $1".to_owned(),
    ];
    for statement in &statements {
        tx.execute(statement, values![id]).await?;
    }
    project::remove(tx, id).await?;
    Ok(())
}
