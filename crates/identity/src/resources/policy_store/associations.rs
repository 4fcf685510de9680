//! OS-ENDPOINT-POLICY: a policy for one endpoint, for a service, or for a service in a
//! region. The closest one counts: endpoint, then region and those above it, then service.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::http::{keyed, no_content};
use isospin_api_kit::policy::Target;
use isospin_store_kit::{Session, Value as SqlValue, values};

use super::POLICY;
use crate::IdentityApp;
use crate::fault::Fault;
use crate::listing::collection;
use crate::request::Context;
use crate::resources::{endpoint, region, service};
use crate::routes::Routes;

type App = State<IdentityApp>;
type Ids = Path<BTreeMap<String, String>>;

/// What a policy is for, and how its URLs and rules end.
#[derive(Debug, Clone, Copy)]
struct Aim {
    path: &'static str,
    rule: &'static str,
}

const AIMS: &[Aim] = &[
    Aim { path: "endpoints/{endpoint_id}", rule: "endpoint" },
    Aim { path: "services/{service_id}", rule: "service" },
    Aim { path: "services/{service_id}/regions/{region_id}", rule: "region_and_service" },
];

pub fn routes() -> Routes {
    let mut routes = Routes::new()
        .get("/v3/policies/{id}/OS-ENDPOINT-POLICY/endpoints", "list_endpoints_for_policy", endpoints)
        .get("/v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy", "get_policy_for_endpoint", of_endpoint);
    for aim in AIMS {
        let path = format!("/v3/policies/{{id}}/OS-ENDPOINT-POLICY/{}", aim.path);
        let action = |verb: &str| format!("{verb}_policy_association_for_{}", aim.rule);
        routes = routes
            .get(&path, &action("check"), move |app: App, context: Context, ids: Ids| {
                check(app, context, aim, ids)
            })
            .put(&path, &action("create"), move |app: App, context: Context, ids: Ids| {
                create(app, context, aim, ids)
            })
            .delete(&path, &action("delete"), move |app: App, context: Context, ids: Ids| {
                delete(app, context, aim, ids)
            });
    }
    routes
}

/// Endpoint, service and region of an association, "" for what it does not name.
fn aimed(ids: &BTreeMap<String, String>) -> Vec<SqlValue> {
    ["endpoint_id", "service_id", "region_id"]
        .iter()
        .map(|key| ids.get(*key).cloned().unwrap_or_default().into())
        .collect()
}

fn enforce(app: &IdentityApp, context: &Context, verb: &str, aim: &Aim) -> Result<(), Fault> {
    let action = format!("identity:{verb}_policy_association_for_{}", aim.rule);
    context.enforce(app, &action, &Target::new())
}

/// 404 unless policy, endpoint, service and region are there; the policy's id.
async fn ends(session: &mut Session, ids: &BTreeMap<String, String>) -> Result<String, Fault> {
    let id = ids.get("id").cloned().unwrap_or_default();
    POLICY.require(session, &id).await?;
    if let Some(id) = ids.get("endpoint_id") {
        endpoint::require(session, id).await?;
    }
    if let Some(id) = ids.get("service_id") {
        service::require(session, id).await?;
    }
    if let Some(id) = ids.get("region_id") {
        region::require(session, id).await?;
    }
    Ok(id)
}

const ONE: &str = "policy_id = $4 AND endpoint_id = $1 AND service_id = $2 AND region_id = $3";

async fn check(
    State(app): App,
    context: Context,
    aim: &'static Aim,
    Path(ids): Ids,
) -> Result<Response, Fault> {
    enforce(&app, &context, "check", aim)?;
    let mut reader = app.store.reader().await?;
    let id = ends(&mut reader, &ids).await?;
    let mut values = aimed(&ids);
    values.push((&id).into());
    let sql = format!("SELECT policy_id FROM policy_associations WHERE {ONE}");
    match reader.row(&sql, values).await? {
        Some(_) => Ok(no_content()),
        None => Err(Fault::new(StatusCode::NOT_FOUND, "Could not find policy association.")),
    }
}

async fn create(
    State(app): App,
    context: Context,
    aim: &'static Aim,
    Path(ids): Ids,
) -> Result<Response, Fault> {
    enforce(&app, &context, "create", aim)?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let id = ends(tx, &ids).await?;
            let mut values = aimed(&ids);
            let sql = "DELETE FROM policy_associations WHERE endpoint_id = $1 AND service_id = $2 AND region_id = $3";
            tx.execute(sql, values.clone()).await?;
            values.push(id.into());
            let sql = "INSERT INTO policy_associations (endpoint_id, service_id, region_id, policy_id) \
                       VALUES ($1, $2, $3, $4)";
            tx.execute(sql, values).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

async fn delete(
    State(app): App,
    context: Context,
    aim: &'static Aim,
    Path(ids): Ids,
) -> Result<Response, Fault> {
    enforce(&app, &context, "delete", aim)?;
    app.write(context.request_id(), move |tx| {
        Box::pin(async move {
            let id = ends(tx, &ids).await?;
            let mut values = aimed(&ids);
            values.push(id.into());
            tx.execute(&format!("DELETE FROM policy_associations WHERE {ONE}"), values).await?;
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

async fn endpoints(State(app): App, context: Context, Path(id): Path<String>) -> Result<Response, Fault> {
    context.enforce(&app, "identity:list_endpoints_for_policy", &Target::new())?;
    let mut reader = app.store.reader().await?;
    POLICY.require(&mut reader, &id).await?;
    let mut select = endpoint::select();
    let policy = select.bind(&id);
    select.condition(format!(
        "EXISTS (SELECT a.policy_id FROM policy_associations a WHERE a.policy_id = {policy} AND \
         (a.endpoint_id = endpoints.id OR (a.service_id = endpoints.service_id AND \
         (a.region_id = '' OR a.region_id = endpoints.region_id))))"
    ));
    select.order_by("id", false);
    let found = endpoint::select_all(&mut reader, select).await?;
    Ok(collection(&context, "endpoints", found.iter().map(|endpoint| endpoint.view(&context)).collect()))
}

async fn of_endpoint(State(app): App, context: Context, Path(id): Path<String>) -> Result<Response, Fault> {
    context.enforce(&app, "identity:get_policy_for_endpoint", &Target::new())?;
    let mut reader = app.store.reader().await?;
    let endpoint = endpoint::require(&mut reader, &id).await?;
    // `far`: how many regions up; behind them the service as a whole.
    let sql = "WITH RECURSIVE above (id, far) AS (SELECT region_id, 1 FROM endpoints WHERE id = $1 \
               UNION SELECT r.parent_region_id, b.far + 1 FROM regions r JOIN above b ON r.id = b.id \
               WHERE r.parent_region_id IS NOT NULL) \
               SELECT policy_id, 0 AS far FROM policy_associations WHERE endpoint_id = $1 \
               UNION SELECT a.policy_id, b.far FROM policy_associations a JOIN above b ON a.region_id = b.id \
               WHERE a.service_id = $2 \
               UNION SELECT policy_id, 1000000 FROM policy_associations WHERE service_id = $2 AND region_id = '' \
               ORDER BY far LIMIT 1";
    let row = reader.row(sql, values![&endpoint.id, &endpoint.service_id]).await?;
    let missing = || Fault::not_found("policy", &format!("of endpoint {id}"));
    let policy_id = row.ok_or_else(missing)?.columns().text()?;
    let policy = POLICY.require(&mut reader, &policy_id).await?;
    Ok(keyed(StatusCode::OK, "policy", POLICY.view(&policy, &context)))
}
