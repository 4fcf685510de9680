//! Endpoints, and groups of them, given to projects.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{Method, StatusCode};
use isospin_api_kit::http::{answer, no_content};
use isospin_api_kit::policy::Target;
use isospin_store_kit::{Session, values};
use serde_json::json;

use super::groups::GROUP;
use super::visible::by_project;
use crate::IdentityApp;
use crate::fault::Fault;
use crate::listing::collection;
use crate::request::Context;
use crate::resources::{endpoint, project};
use crate::routes::Routes;

type App = State<IdentityApp>;
type Pair = Path<(String, String)>;

/// What is given to projects: its table and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Endpoint,
    Group,
}

impl Given {
    fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::Endpoint => ("project_endpoints", "endpoint_id"),
            Self::Group => ("endpoint_group_projects", "endpoint_group_id"),
        }
    }

    fn action(self, verb: &str) -> &'static str {
        match (self, verb) {
            (Self::Endpoint, "add") => "identity:add_endpoint_to_project",
            (Self::Endpoint, "remove") => "identity:remove_endpoint_from_project",
            (Self::Endpoint, _) => "identity:check_endpoint_in_project",
            (Self::Group, "add") => "identity:add_endpoint_group_to_project",
            (Self::Group, "remove") => "identity:remove_endpoint_group_from_project",
            (Self::Group, _) => "identity:get_endpoint_group_in_project",
        }
    }

    async fn check_ends(self, session: &mut Session, id: &str, project_id: &str) -> Result<(), Fault> {
        match self {
            Self::Endpoint => drop(endpoint::require(session, id).await?),
            Self::Group => drop(GROUP.require(session, id).await?),
        }
        project::get_any(session, project_id).await.map(|_| ())
    }

    fn missing(self, id: &str, project_id: &str) -> Fault {
        let kind = if self == Self::Endpoint { "Endpoint" } else { "Endpoint Group" };
        Fault::new(StatusCode::NOT_FOUND, format!("{kind} {id} not found in project {project_id}"))
    }
}

pub fn routes() -> Routes {
    const ENDPOINT: &str = "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{id}";
    const GROUP: &str = "/v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project_id}";
    let endpoint = |Path((project_id, id)): Pair| (Given::Endpoint, id, project_id);
    let group = |Path((id, project_id)): Pair| (Given::Group, id, project_id);
    Routes::new()
        .get(
            ENDPOINT,
            "check_endpoint_in_project",
            move |app: App, context: Context, method: Method, pair: Pair| {
                check(app, context, method, endpoint(pair))
            },
        )
        .put(ENDPOINT, "add_endpoint_to_project", move |app: App, context: Context, pair: Pair| {
            add(app, context, endpoint(pair))
        })
        .delete(ENDPOINT, "remove_endpoint_from_project", move |app: App, context: Context, pair: Pair| {
            remove(app, context, endpoint(pair))
        })
        .get(
            GROUP,
            "get_endpoint_group_in_project",
            move |app: App, context: Context, method: Method, pair: Pair| {
                check(app, context, method, group(pair))
            },
        )
        .put(GROUP, "add_endpoint_group_to_project", move |app: App, context: Context, pair: Pair| {
            add(app, context, group(pair))
        })
        .delete(GROUP, "remove_endpoint_group_from_project", move |app: App, context: Context, pair: Pair| {
            remove(app, context, group(pair))
        })
        .get(
            "/v3/OS-EP-FILTER/projects/{project_id}/endpoints",
            "list_endpoints_for_project",
            endpoints_of_project,
        )
        .get(
            "/v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups",
            "list_endpoint_groups_for_project",
            groups_of_project,
        )
        .get(
            "/v3/OS-EP-FILTER/endpoints/{id}/projects",
            "list_projects_for_endpoint",
            |app: App, context: Context, Path(id): Path<String>| {
                projects(app, context, Given::Endpoint, "identity:list_projects_for_endpoint", id)
            },
        )
        .get(
            "/v3/OS-EP-FILTER/endpoint_groups/{id}/projects",
            "list_projects_associated_with_endpoint_group",
            |app: App, context: Context, Path(id): Path<String>| {
                let action = "identity:list_projects_associated_with_endpoint_group";
                projects(app, context, Given::Group, action, id)
            },
        )
}

type Association = (Given, String, String);

async fn check(
    State(app): App,
    context: Context,
    method: Method,
    (given, id, project_id): Association,
) -> Result<Response, Fault> {
    context.enforce(&app, given.action("check"), &Target::new())?;
    let mut reader = app.store.reader().await?;
    given.check_ends(&mut reader, &id, &project_id).await?;
    let (table, column) = given.table();
    let sql = format!("SELECT project_id FROM {table} WHERE {column} = $1 AND project_id = $2");
    if reader.row(&sql, values![&id, &project_id]).await?.is_none() {
        return Err(given.missing(&id, &project_id));
    }
    if given == Given::Endpoint || method == Method::HEAD {
        return Ok(no_content());
    }
    let link = context.link(format_args!("OS-EP-FILTER/endpoint_groups/{id}/projects/{project_id}"));
    let view = json!({"endpoint_group_id": id, "project_id": project_id, "links": {"self": link}});
    Ok(answer(StatusCode::OK, &json!({"project_endpoint_group": view})))
}

async fn add(
    State(app): App,
    context: Context,
    (given, id, project_id): Association,
) -> Result<Response, Fault> {
    context.enforce(&app, given.action("add"), &Target::new())?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            given.check_ends(tx, &id, &project_id).await?;
            let (table, column) = given.table();
            let sql =
                format!("INSERT INTO {table} ({column}, project_id) VALUES ($1, $2) ON CONFLICT DO NOTHING");
            tx.execute(&sql, values![&id, &project_id]).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

async fn remove(
    State(app): App,
    context: Context,
    (given, id, project_id): Association,
) -> Result<Response, Fault> {
    context.enforce(&app, given.action("remove"), &Target::new())?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let (table, column) = given.table();
            let sql = format!("DELETE FROM {table} WHERE {column} = $1 AND project_id = $2");
            match tx.execute(&sql, values![&id, &project_id]).await? {
                0 => Err(given.missing(&id, &project_id)),
                _ => Ok(()),
            }
        })
    })
    .await?;
    Ok(no_content())
}

async fn endpoints_of_project(
    State(app): App,
    context: Context,
    Path(project_id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_endpoints_for_project", &Target::new())?;
    let mut reader = app.store.reader().await?;
    project::get_any(&mut reader, &project_id).await?;
    let mut select = endpoint::select();
    select.order_by("id", false);
    let all = endpoint::select_all(&mut reader, select).await?;
    let given = by_project(&mut reader).await?.remove(&project_id).unwrap_or_default();
    let shown =
        all.iter().filter(|endpoint| endpoint.is_given(&given)).map(|endpoint| endpoint.view(&context));
    Ok(collection(&context, "endpoints", shown.collect()))
}

async fn groups_of_project(
    State(app): App,
    context: Context,
    Path(project_id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_endpoint_groups_for_project", &Target::new())?;
    let mut reader = app.store.reader().await?;
    project::get_any(&mut reader, &project_id).await?;
    let mut select = GROUP.select();
    let project = select.bind(&project_id);
    select.condition(format!(
        "id IN (SELECT endpoint_group_id FROM endpoint_group_projects WHERE project_id = {project})"
    ));
    select.order_by("id", false);
    let found = GROUP.all(&mut reader, select).await?;
    Ok(collection(
        &context,
        "endpoint_groups",
        found.iter().map(|group| GROUP.view(group, &context)).collect(),
    ))
}

async fn projects(
    State(app): App,
    context: Context,
    given: Given,
    action: &'static str,
    id: String,
) -> Result<Response, Fault> {
    context.enforce(&app, action, &Target::new())?;
    let mut reader = app.store.reader().await?;
    match given {
        Given::Endpoint => drop(endpoint::require(&mut reader, &id).await?),
        Given::Group => drop(GROUP.require(&mut reader, &id).await?),
    }
    let (table, column) = given.table();
    let mut select = project::select();
    let wanted = select.bind(&id);
    select.condition(format!("id IN (SELECT project_id FROM {table} WHERE {column} = {wanted})"));
    select.order_by("id", false);
    let found = project::select_all(&mut reader, select).await?;
    Ok(collection(&context, "projects", found.iter().map(|project| project.view(&context)).collect()))
}
