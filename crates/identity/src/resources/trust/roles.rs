//! The roles of a trust, and `/v3/OS-TRUST/trusts/{id}/roles`.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{answer, keyed};
use isospin_store_kit::{Session, Tx, Value as SqlValue};
use serde_json::{Value, json};

use super::handlers::visible;
use super::{Trust, store};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::Input;
use crate::request::Context;
use crate::resources::{held, role};
use crate::tokens::scope::Named;

/// The roles a body asks for: those the trustor, or who trusted the trustor, holds.
pub async fn trusted(
    tx: &mut Tx,
    trust: &Trust,
    input: &Input,
    parent: Option<&Trust>,
) -> Result<Vec<Named>, Fault> {
    let asked = input.objects("roles").unwrap_or_default();
    let Some(project) = &trust.project_id else {
        return if asked.is_empty() {
            Ok(Vec::new())
        } else {
            Err(Fault::bad_request("roles need a project_id"))
        };
    };
    if asked.is_empty() {
        return Err(Fault::forbidden("At least one role should be specified"));
    }
    let grantor = match parent {
        Some(parent) => store::grantor(tx, parent).await?,
        None => trust.trustor_user_id.clone(),
    };
    let held = held::roles(tx, &grantor, ("project", project)).await?;
    let mut roles: Vec<Named> = Vec::new();
    for given in &asked {
        let name = ["id", "name"].iter().find_map(|key| given.get(*key)?.as_str()).unwrap_or_default();
        let role = held::named(given, &held).ok_or_else(|| Fault::not_found("role", name))?;
        if !roles.contains(role) {
            roles.push(role.clone());
        }
    }
    Ok(roles)
}

/// The roles as objects of their own.
pub async fn views(session: &mut Session, trust: &Trust, context: &Context) -> Result<Value, Fault> {
    let ids: Vec<SqlValue> = trust.roles.iter().map(|role| (&role.id).into()).collect();
    let roles = role::by_ids(session, ids).await?;
    Ok(roles.iter().map(|role| role.view(context)).collect())
}

pub fn links(trust: &Trust, context: &Context) -> Value {
    let url = context.link(format_args!("OS-TRUST/trusts/{}/roles", trust.id));
    json!({"self": url, "next": null, "previous": null})
}

pub async fn list(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let trust = visible(&app, &context, &id, "identity:list_roles_for_trust").await?;
    let roles = views(&mut *app.store.reader().await?, &trust, &context).await?;
    Ok(answer(StatusCode::OK, &json!({"roles": roles, "links": links(&trust, &context)})))
}

pub async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, role_id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let trust = visible(&app, &context, &id, "identity:get_role_for_trust").await?;
    if trust.roles.iter().all(|role| role.id != role_id) {
        return Err(Fault::not_found("role", &role_id));
    }
    let role = role::require(&mut *app.store.reader().await?, &role_id).await?;
    Ok(keyed(StatusCode::OK, "role", role.view(&context)))
}
