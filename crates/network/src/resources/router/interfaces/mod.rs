//! Interfaces: the ports of a router on the subnets it forwards between.

mod attach;
mod detach;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::Fault;
use isospin_api_kit::http::{Context, answer};
use isospin_api_kit::policy::Target;
use isospin_store_kit::Tx;
use isospin_types::{NetworkId, PortId, RouterId, SubnetId};
use serde_json::{Value, json};

use super::input::InterfaceRequest;
use super::model::Router;
use super::rules::bad;
use super::{handlers, store};
use crate::App;
use crate::resources::port;
use crate::resources::port::model::{FixedIp, Port, WantedIp};
use crate::resources::port::rules::references::not_found as port_not_found;

/// A port of a router on some subnets: what both actions answer.
struct Attached {
    port_id: PortId,
    network_id: NetworkId,
    subnet_ids: Vec<SubnetId>,
}

/// `PUT /v2.0/routers/{id}/add_router_interface`
pub async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = InterfaceRequest::parse(&body)?;
    if request.subnet_id.is_some() && request.port_id.is_some() {
        return Err(bad("Cannot specify both subnet-id and port-id"));
    }
    change(app, id, context, request, true).await
}

/// `PUT /v2.0/routers/{id}/remove_router_interface`
pub async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = InterfaceRequest::parse(&body)?;
    change(app, id, context, request, false).await
}

async fn change(
    app: App,
    id: String,
    context: Context,
    request: InterfaceRequest,
    adding: bool,
) -> Result<Response, Fault> {
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    let (router, attached) = store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let mut router = handlers::found(tx, &app, &context.caller, &id).await?;
                let action = if adding { "add_router_interface" } else { "remove_router_interface" };
                app.policy.check(action, &context.caller, &Target::owned_by(&router.project_id))?;
                context.check_revision(router.revision_number)?;
                let attached = match (adding, request.subnet_id, request.port_id) {
                    (true, Some(subnet_id), _) => {
                        attach::subnet(tx, &app, &context, &mut router, subnet_id).await?
                    }
                    (true, None, Some(port_id)) => {
                        attach::port(tx, &app, &context, &mut router, port_id).await?
                    }
                    _ => detach::interface(tx, &router, &request).await?,
                };
                store::save(tx, &mut router).await?;
                Ok::<_, Fault>((router, attached))
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &shown(&router, &attached)))
}

/// Attaches a subnet and stores the router: what the cloud does by itself.
///
/// # Errors
/// As for `add_router_interface`.
pub(in crate::resources) async fn attach_subnet(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    router: &mut Router,
    subnet_id: SubnetId,
) -> Result<(), Fault> {
    attach::subnet(tx, app, context, router, subnet_id).await?;
    Ok(store::save(tx, router).await?)
}

/// Detaches a subnet, if the router is there and has it.
///
/// # Errors
/// As for `remove_router_interface`.
pub(in crate::resources) async fn detach_subnet(
    tx: &mut Tx,
    router_id: RouterId,
    subnet_id: SubnetId,
) -> Result<(), Fault> {
    let attached = store::interfaces(tx, router_id).await?;
    let Some(mut router) = store::get(tx, router_id).await? else { return Ok(()) };
    if attached.iter().any(|interface| interface.subnet_id == subnet_id) {
        let request = InterfaceRequest { subnet_id: Some(subnet_id), port_id: None };
        detach::interface(tx, &router, &request).await?;
        store::save(tx, &mut router).await?;
    }
    Ok(())
}

fn shown(router: &Router, attached: &Attached) -> Value {
    let subnets: Vec<String> = attached.subnet_ids.iter().map(ToString::to_string).collect();
    json!({
        "id": router.id.to_string(),
        "project_id": router.project_id,
        "port_id": attached.port_id.to_string(),
        "network_id": attached.network_id.to_string(),
        "subnet_id": subnets.first(),
        "subnet_ids": subnets,
        "tenant_id": router.project_id,
        "tags": [],
    })
}

/// The port of an interface: a foreign key says that it is there.
async fn existing_port(tx: &mut Tx, id: PortId) -> Result<Port, Fault> {
    port::store::get(tx, id).await?.ok_or_else(|| port_not_found(id))
}

/// The wish to keep an address.
fn wanted(own: &FixedIp) -> WantedIp {
    WantedIp { subnet_id: Some(own.subnet_id), ip: Some(own.ip_address) }
}
