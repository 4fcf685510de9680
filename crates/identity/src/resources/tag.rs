//! Tags of a project.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::LOCATION;
use isospin_api_kit::http::{answer, no_content};
use isospin_api_kit::policy::Rule;
use serde_json::json;

use super::project::{self, Project};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{check_tag, check_tags};
use crate::request::{Context, RawBody};
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new(
        "identity:list_project_tags",
        "rule:reads_all or rule:project_domain_reader or project_id:%(target.project.id)s",
    ),
    Rule::new(
        "identity:get_project_tag",
        "rule:reads_all or rule:project_domain_reader or project_id:%(target.project.id)s",
    ),
    Rule::new("identity:update_project_tags", "rule:admin_required or rule:project_domain_manager"),
    Rule::new("identity:create_project_tag", "rule:admin_required or rule:project_domain_manager"),
    Rule::new("identity:delete_project_tags", "rule:admin_required or rule:project_domain_manager"),
    Rule::new("identity:delete_project_tag", "rule:admin_required or rule:project_domain_manager"),
];

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/projects/{id}/tags", "list_project_tags", list)
        .put("/v3/projects/{id}/tags", "update_project_tags", replace)
        .delete("/v3/projects/{id}/tags", "delete_project_tags", clear)
        .get("/v3/projects/{id}/tags/{tag}", "get_project_tag", check)
        .put("/v3/projects/{id}/tags/{tag}", "create_project_tag", add)
        .delete("/v3/projects/{id}/tags/{tag}", "delete_project_tag", remove)
}

/// The project, if the caller may do this with it; domains have no tags here.
async fn visible(app: &IdentityApp, context: &Context, id: &str, action: &str) -> Result<Project, Fault> {
    let project = project::visible(app, context, id, action).await?;
    if project.is_domain { Err(Fault::not_found("project", id)) } else { Ok(project) }
}

/// Stores the tags that `change` makes of those there are.
async fn change(
    app: &IdentityApp,
    context: &Context,
    id: String,
    change: impl FnOnce(&mut Vec<String>) -> Result<(), Fault> + Send + 'static,
) -> Result<Project, Fault> {
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let before = project::find(tx, &id).await?.ok_or_else(|| Fault::not_found("project", &id))?;
            let mut after = before.clone();
            change(&mut after.tags)?;
            project::update(tx, &before, &after).await?;
            Ok(after)
        })
    })
    .await
}

fn shown(context: &Context, project: &Project) -> Response {
    let links = json!({"self": context.link(format_args!("projects/{}/tags", project.id)), "next": null, "previous": null});
    answer(StatusCode::OK, &json!({"tags": project.tags, "links": links}))
}

async fn list(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let project = visible(&app, &context, &id, "identity:list_project_tags").await?;
    Ok(shown(&context, &project))
}

async fn replace(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:update_project_tags").await?;
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let given = document.get("tags").and_then(serde_json::Value::as_array);
    let given = given.ok_or_else(|| Fault::missing("tags", "request body"))?;
    check_tags(given).map_err(|reason| Fault::bad_request(format!("Invalid input for tags: {reason}")))?;
    let new: Vec<String> = given.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
    let replace = move |tags: &mut Vec<String>| {
        *tags = new;
        Ok(())
    };
    let project = change(&app, &context, id, replace).await?;
    Ok(shown(&context, &project))
}

async fn clear(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:delete_project_tags").await?;
    let clear = |tags: &mut Vec<String>| {
        tags.clear();
        Ok(())
    };
    change(&app, &context, id, clear).await?;
    Ok(no_content())
}

async fn check(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let project = visible(&app, &context, &id, "identity:get_project_tag").await?;
    if project.tags.contains(&tag) { Ok(no_content()) } else { Err(Fault::not_found("project tag", &tag)) }
}

async fn add(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:create_project_tag").await?;
    check_tag(&tag).map_err(|reason| Fault::bad_request(format!("Invalid input for tags: {reason}")))?;
    let location = context.link(format_args!("projects/{id}/tags/{tag}"));
    let add = move |tags: &mut Vec<String>| {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() > 80 { Err(Fault::bad_request("there are more than 80 tags")) } else { Ok(()) }
    };
    change(&app, &context, id, add).await?;
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

async fn remove(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    visible(&app, &context, &id, "identity:delete_project_tag").await?;
    let remove = move |tags: &mut Vec<String>| {
        let before = tags.len();
        tags.retain(|known| *known != tag);
        if tags.len() == before { Err(Fault::not_found("project tag", &tag)) } else { Ok(()) }
    };
    change(&app, &context, id, remove).await?;
    Ok(no_content())
}
