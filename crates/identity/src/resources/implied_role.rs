//! Roles that bring other roles with them: admin implies manager, and so on.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{Method, StatusCode};
use isospin_api_kit::http::{answer, no_content};
use isospin_api_kit::policy::{Rule, Target};
use isospin_store_kit::{Session, StoreError, Value as SqlValue, values};
use serde_json::{Value, json};

use super::role::{self, Role};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::request::Context;
use crate::routes::Routes;

/// A role that cannot be implied: who has it should have been given it.
const NEVER_IMPLIED: &str = "admin";

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_implied_roles", "rule:reads_all"),
    Rule::new("identity:get_implied_role", "rule:reads_all"),
    Rule::new("identity:check_implied_role", "rule:reads_all"),
    Rule::new("identity:list_role_inference_rules", "rule:reads_all"),
    Rule::new("identity:create_implied_role", "rule:admin_required"),
    Rule::new("identity:delete_implied_role", "rule:admin_required"),
];

pub fn routes() -> Routes {
    Routes::new()
        .get("/v3/roles/{id}/implies", "list_implied_roles", list)
        .put("/v3/roles/{id}/implies/{implied}", "create_implied_role", create)
        .get("/v3/roles/{id}/implies/{implied}", "get_implied_role check_implied_role", show)
        .delete("/v3/roles/{id}/implies/{implied}", "delete_implied_role", delete)
        .get("/v3/role_inferences", "list_role_inference_rules", inferences)
}

async fn list(
    State(app): State<IdentityApp>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_implied_roles", &Target::new())?;
    let mut reader = app.store.reader().await?;
    let prior = role::require(&mut reader, &id).await?;
    let pairs = pairs(&mut reader).await?;
    let ids = pairs.into_iter().filter(|(from, _)| *from == id).map(|(_, to)| SqlValue::Text(to)).collect();
    let implied = role::by_ids(&mut reader, ids).await?;
    let body = json!({
        "role_inference": inference(&context, &prior, &implied),
        "links": {"self": context.link(format_args!("roles/{id}/implies"))},
    });
    Ok(answer(StatusCode::OK, &body))
}

fn inference(context: &Context, prior: &Role, implied: &[Role]) -> Value {
    let implied: Vec<Value> = implied.iter().map(|role| role.brief(context)).collect();
    json!({"prior_role": prior.brief(context), "implies": implied})
}

/// All implications, as (prior, implied).
async fn pairs(session: &mut Session) -> Result<Vec<(String, String)>, StoreError> {
    let sql = "SELECT prior_id, implied_id FROM implied_roles ORDER BY prior_id, implied_id";
    let rows = session.rows(sql, values![]).await?;
    rows.into_iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok((columns.text()?, columns.text()?))
        })
        .collect()
}

async fn create(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, implied)): Path<(String, String)>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:create_implied_role", &Target::new())?;
    let (prior, implied) = app
        .write(context.request_id(), move |tx| {
            Box::pin(async move {
                let (prior, implied) = (role::require(tx, &id).await?, role::require(tx, &implied).await?);
                // A role of everywhere brings none of a single domain.
                let elsewhere = implied.domain_id.is_some() && prior.domain_id.is_none();
                if implied.name == NEVER_IMPLIED || elsewhere {
                    return Err(Fault::refused(format!("{} cannot be an implied roles.", implied.id)));
                }
                let sql = "INSERT INTO implied_roles (prior_id, implied_id) VALUES ($1, $2) \
                           ON CONFLICT DO NOTHING";
                tx.execute(sql, values![&prior.id, &implied.id]).await?;
                Ok((prior, implied))
            })
        })
        .await?;
    Ok(one(&context, StatusCode::CREATED, &prior, &implied))
}

fn one(context: &Context, status: StatusCode, prior: &Role, implied: &Role) -> Response {
    let body = json!({
        "role_inference": {"prior_role": prior.brief(context), "implies": implied.brief(context)},
        "links": {"self": context.link(format_args!("roles/{}/implies/{}", prior.id, implied.id))},
    });
    answer(status, &body)
}

async fn show(
    State(app): State<IdentityApp>,
    context: Context,
    method: Method,
    Path((id, implied)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let head = method == Method::HEAD;
    let action = if head { "identity:check_implied_role" } else { "identity:get_implied_role" };
    context.enforce(&app, action, &Target::new())?;
    let mut reader = app.store.reader().await?;
    let prior = role::require(&mut reader, &id).await?;
    let implied = role::require(&mut reader, &implied).await?;
    let sql = "SELECT prior_id FROM implied_roles WHERE prior_id = $1 AND implied_id = $2";
    if reader.row(sql, values![&prior.id, &implied.id]).await?.is_none() {
        return Err(not_implied(&prior.id, &implied.id));
    }
    if head {
        return Ok(no_content());
    }
    Ok(one(&context, StatusCode::OK, &prior, &implied))
}

fn not_implied(prior: &str, implied: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, format!("{prior} does not imply {implied}."))
}

async fn delete(
    State(app): State<IdentityApp>,
    context: Context,
    Path((id, implied)): Path<(String, String)>,
) -> Result<Response, Fault> {
    context.enforce(&app, "identity:delete_implied_role", &Target::new())?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let sql = "DELETE FROM implied_roles WHERE prior_id = $1 AND implied_id = $2";
            match tx.execute(sql, values![&id, &implied]).await? {
                0 => Err(not_implied(&id, &implied)),
                _ => Ok(()),
            }
        })
    })
    .await?;
    Ok(no_content())
}

async fn inferences(State(app): State<IdentityApp>, context: Context) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_role_inference_rules", &Target::new())?;
    let mut reader = app.store.reader().await?;
    let pairs = pairs(&mut reader).await?;
    let ids = pairs.iter().flat_map(|(prior, implied)| [prior, implied]).map(SqlValue::from).collect();
    let roles = role::by_ids(&mut reader, ids).await?;
    let of = |id: &str| roles.iter().find(|role| role.id == id).cloned();
    let rules: Vec<Value> = pairs
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|group| {
            let prior = of(&group.first()?.0)?;
            let implied: Vec<Role> = group.iter().filter_map(|(_, id)| of(id)).collect();
            Some(inference(&context, &prior, &implied))
        })
        .collect();
    Ok(answer(StatusCode::OK, &json!({"role_inferences": rules})))
}
