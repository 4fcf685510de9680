//! Making and removing a topology from the parts other resources make.

use std::sync::Arc;

use isospin_api_kit::attribute::ResourceType;
use isospin_api_kit::http::Context;
use isospin_api_kit::{Bodies, Body, Caller, Fault};
use isospin_store_kit::{Session, Tx};
use isospin_types::{NetworkId, RouterId, SubnetId};
use serde_json::{Value, json};

use super::rules::{failure, part_failed};
use super::store;
use crate::App;
use crate::background::scheduling::ensure_dhcp;
use crate::resources::subnet_pool::model::SubnetPool;
use crate::resources::{network, router, subnet, subnet_pool};

const NO_PRIVATE: &str = "Unable to provide project private network";
const NO_CONNECTION: &str = "Unable to provide external connectivity";

/// What a topology is made with: where it leads, and where its prefixes are from.
struct Ingredients {
    external: NetworkId,
    /// One for each IP version that has one.
    pools: Vec<SubnetPool>,
}

/// Whether a topology could be made for the caller.
///
/// # Errors
/// 409 naming what is missing.
pub async fn check(session: &mut Session, app: &App, caller: &Caller) -> Result<(), Fault> {
    ingredients(session, app, caller).await.map(|_| ())
}

async fn ingredients(session: &mut Session, app: &App, caller: &Caller) -> Result<Ingredients, Fault> {
    let external = match network::store::default_external(session).await? {
        Some(id) => network::visible(session, app, caller, id).await?,
        None => None,
    };
    let (external, _) = external.ok_or_else(|| failure("No default router:external network"))?;
    let mut pools = Vec::with_capacity(2);
    for ip_version in [4, 6] {
        pools.extend(subnet_pool::usable_default(session, app, caller, ip_version).await?);
    }
    if pools.is_empty() {
        return Err(failure("No default subnetpools defined"));
    }
    Ok(Ingredients { external: external.id, pools })
}

/// The network of the project's topology, made now if there is none.
///
/// # Errors
/// 409 when the cloud is not set up for it, or the project has reached a limit.
pub async fn get_or_make(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    project_id: &str,
) -> Result<NetworkId, Fault> {
    if let Some(topology) = store::get(tx, project_id).await? {
        return Ok(topology.network_id);
    }
    let ingredients = ingredients(tx, app, &context.caller).await?;
    let context = as_system(context);
    let (network_id, subnets) = private_network(tx, app, &context, project_id, &ingredients.pools)
        .await
        .map_err(|fault| part_failed(NO_PRIVATE, fault))?;
    let router_id = connect(tx, app, &context, project_id, ingredients.external, &subnets)
        .await
        .map_err(|fault| part_failed(NO_CONNECTION, fault))?;
    store::insert(tx, project_id, network_id, router_id).await?;
    Ok(network_id)
}

/// Who may ask is decided: the parts are made by the system, for the project.
fn as_system(context: &Context) -> Context {
    Context { caller: Arc::new(Caller::system()), if_match: None, ..context.clone() }
}

async fn private_network(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    project_id: &str,
    pools: &[SubnetPool],
) -> Result<(NetworkId, Vec<SubnetId>), Fault> {
    let wanted = json!({"name": "auto_allocated_network", "project_id": project_id});
    let network = network::make(tx, app, project_id, &body(&network::TYPE, wanted)?).await?;
    let mut subnets = Vec::with_capacity(pools.len());
    for pool in pools {
        let wanted = json!({
            "name": format!("auto_allocated_subnet_v{}", pool.ip_version),
            "project_id": project_id,
            "network_id": network.id.to_string(),
            "ip_version": pool.ip_version,
            "subnetpool_id": pool.id.to_string(),
        });
        let made = subnet::make(tx, app, context, project_id, &body(&subnet::TYPE, wanted)?).await?;
        subnets.push(made.id);
    }
    ensure_dhcp(tx, app, network.id).await?;
    Ok((network.id, subnets))
}

async fn connect(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    project_id: &str,
    external: NetworkId,
    subnets: &[SubnetId],
) -> Result<RouterId, Fault> {
    let wanted = json!({
        "name": "auto_allocated_router",
        "project_id": project_id,
        "external_gateway_info": {"network_id": external.to_string()},
    });
    let mut router = router::make(tx, app, &context.caller, &body(&router::TYPE, wanted)?).await?;
    for subnet_id in subnets {
        router::attach_subnet(tx, app, context, &mut router, *subnet_id).await?;
    }
    Ok(router.id)
}

/// What a client would have sent.
fn body(resource: &ResourceType, object: Value) -> Result<Body, Fault> {
    let document = json!({ resource.name: object }).to_string();
    match Body::create(resource, document.as_bytes())? {
        Bodies::One(body) => Ok(body),
        Bodies::Many(_) => Err(failure(NO_PRIVATE)),
    }
}

/// Removes the topology of a project, if it has one.
///
/// # Errors
/// 409 while something else is attached to its router or network.
pub async fn remove(tx: &mut Tx, app: &App, context: &Context, project_id: &str) -> Result<(), Fault> {
    let Some(topology) = store::get(tx, project_id).await? else { return Ok(()) };
    let context = as_system(context);
    if let Some(router_id) = topology.router_id {
        for subnet in subnet::store::of_network(tx, topology.network_id).await? {
            router::detach_subnet(tx, router_id, subnet.id).await?;
        }
        router::delete_one(tx, app, &context, &router_id.to_string()).await?;
    }
    if let Some(network) = network::store::get(tx, topology.network_id).await? {
        network::delete_one(tx, &network).await?;
    }
    Ok(())
}
