//! Requests about port forwardings.

use std::net::Ipv4Addr;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::{Session, Tx};
use isospin_types::{PortForwardingId, PortId};
use serde_json::Value;

use super::model::{PortForwarding, Protocol};
use super::{TYPE, input, rules, store, view};
use crate::resources::floating_ip;
use crate::resources::floating_ip::model::{FloatingIp, FloatingIpStatus};
use crate::{App, page};

/// `GET /v2.0/floatingips/{floatingip_id}/port_forwardings`
pub async fn list(
    State(app): State<App>,
    Path(parent): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let mut session = app.store.reader().await?;
    let floating_ip = seen_parent(&mut session, &app, &context.caller, &parent).await?;
    let found = store::list(&mut session, &query, floating_ip.id).await?;
    let ids: Vec<String> = found.iter().map(|each| each.id.to_string()).collect();
    let items: Vec<Value> = found.iter().map(|each| view::port_forwarding(&query.fields, each)).collect();
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/floatingips/{floatingip_id}/port_forwardings/{id}`
pub async fn show(
    State(app): State<App>,
    Path((parent, id)): Path<(String, String)>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let floating_ip = seen_parent(&mut session, &app, &context.caller, &parent).await?;
    let found = child(&floating_ip, &id)?;
    Ok(keyed(StatusCode::OK, TYPE.name, view::port_forwarding(&query.fields, found)))
}

/// `POST /v2.0/floatingips/{floatingip_id}/port_forwardings`
pub async fn create(
    State(app): State<App>,
    Path(parent): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let made = change(app, parent, context, "create_floatingip_port_forwarding", move |tx, work| {
        Box::pin(async move {
            let mut made = Vec::with_capacity(bodies.len());
            for body in &bodies {
                let new = wanted(work.floating_ip, body)?;
                work.check(tx, &new).await?;
                store::insert(tx, &new).await?;
                work.floating_ip.port_forwardings.push(new.clone());
                made.push(view::port_forwarding(&[], &new));
            }
            Ok(made)
        })
    })
    .await?;
    Ok(page::created(&TYPE, bulk, made))
}

fn wanted(floating_ip: &FloatingIp, body: &Body) -> Result<PortForwarding, Fault> {
    let protocol: Protocol = body.parsed("protocol").ok_or_else(Fault::not_found)?;
    Ok(PortForwarding {
        id: PortForwardingId::random(),
        floating_ip_id: floating_ip.id,
        internal_port_id: body.parsed("internal_port_id").ok_or_else(Fault::not_found)?,
        internal_ip_address: body.parsed("internal_ip_address").unwrap_or(Ipv4Addr::UNSPECIFIED),
        protocol,
        ports: input::ports(body, protocol, None)?,
        description: body.text("description").unwrap_or_default().to_owned(),
    })
}

/// `PUT /v2.0/floatingips/{floatingip_id}/port_forwardings/{id}`
pub async fn update(
    State(app): State<App>,
    Path((parent, id)): Path<(String, String)>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let changed = change(app, parent, context, "update_floatingip_port_forwarding", move |tx, work| {
        Box::pin(async move {
            let before = child(work.floating_ip, &id)?.clone();
            let after = altered(&before, &body)?;
            if after != before {
                work.check(tx, &after).await?;
                store::save(tx, &after).await?;
                let all = work.floating_ip.port_forwardings.iter_mut();
                all.filter(|each| each.id == after.id).for_each(|each| each.clone_from(&after));
            }
            Ok(view::port_forwarding(&[], &after))
        })
    })
    .await?;
    Ok(keyed(StatusCode::OK, TYPE.name, changed))
}

fn altered(before: &PortForwarding, body: &Body) -> Result<PortForwarding, Fault> {
    let mut after = before.clone();
    if let Some(port_id) = body.parsed::<PortId>("internal_port_id") {
        after.internal_port_id = port_id;
    }
    if let Some(address) = body.parsed("internal_ip_address") {
        after.internal_ip_address = address;
    }
    if let Some(protocol) = body.parsed("protocol") {
        after.protocol = protocol;
    }
    if let Some(description) = body.text("description") {
        description.clone_into(&mut after.description);
    }
    after.ports = input::ports(body, after.protocol, before.ports)?;
    Ok(after)
}

/// `DELETE /v2.0/floatingips/{floatingip_id}/port_forwardings/{id}`
pub async fn delete(
    State(app): State<App>,
    Path((parent, id)): Path<(String, String)>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    change(app, parent, context, "delete_floatingip_port_forwarding", move |tx, work| {
        Box::pin(async move {
            let id = child(work.floating_ip, &id)?.id;
            store::delete(tx, id).await?;
            work.floating_ip.port_forwardings.retain(|each| each.id != id);
            if work.floating_ip.port_forwardings.is_empty() {
                work.floating_ip.forwarding_router = None;
                work.floating_ip.status = FloatingIpStatus::Down;
            }
            Ok(())
        })
    })
    .await?;
    Ok(no_content())
}

/// What an edit of a floating IP's port forwardings works with.
struct Work<'w> {
    app: &'w App,
    caller: &'w Caller,
    floating_ip: &'w mut FloatingIp,
}

impl Work<'_> {
    /// Checks a forwarding as it is to be, and notes the router it leads through.
    async fn check(&mut self, tx: &mut Tx, new: &PortForwarding) -> Result<(), Fault> {
        if let Some(ports) = new.ports {
            rules::check_relation(ports)?;
        }
        let port = floating_ip::visible_port(tx, self.app, self.caller, new.internal_port_id).await?;
        let of_address = store::to_address(tx, new.internal_port_id, new.internal_ip_address).await?;
        rules::check_collisions(new, &of_address, &self.floating_ip.port_forwardings)?;
        if let Some(other) = store::binding_floating_ip(tx, port.id).await? {
            return Err(rules::bound(new, other));
        }
        if self.floating_ip.association.is_some() {
            let inner = new.internal_ip_address.into();
            return Err(floating_ip::rules::already_associated(self.floating_ip, port.id, inner, None));
        }
        let subnet_id = rules::inner_subnet(&port, new)?;
        let network_id = self.floating_ip.floating_network_id;
        let router_id = floating_ip::store::router_between(tx, subnet_id, network_id)
            .await?
            .ok_or_else(|| rules::unreachable(self.floating_ip, subnet_id, new))?;
        rules::check_router(self.floating_ip, router_id, new)?;
        self.floating_ip.forwarding_router = Some(router_id);
        Ok(())
    }
}

/// Finds the floating IP, lets `edit` change its forwardings, and stores it when they changed.
async fn change<T, F>(
    app: App,
    parent: String,
    context: Context,
    action: &'static str,
    edit: F,
) -> Result<T, Fault>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx, &'t mut Work<'_>) -> BoxFuture<'t, Result<T, Fault>> + Send + 'static,
{
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let before = seen_parent(tx, &app, &context.caller, &parent).await?;
                app.policy.check(action, &context.caller, &owned_by(&before))?;
                let mut after = before.clone();
                let mut work = Work { app: &app, caller: &context.caller, floating_ip: &mut after };
                let answer = edit(tx, &mut work).await?;
                if after != before {
                    floating_ip::store::save(tx, &before, &mut after).await?;
                }
                Ok::<_, Fault>(answer)
            })
        })
        .await
}

/// The floating IP, if the caller may see it and what it forwards.
async fn seen_parent(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<FloatingIp, Fault> {
    let (found, _) = floating_ip::visible(session, app, caller, id).await?;
    if !app.policy.allows("get_floatingip_port_forwarding", caller, &owned_by(&found)) {
        return Err(Fault::not_found());
    }
    Ok(found)
}

/// The forwarding of this id, among those of this floating IP only (N26).
fn child<'f>(floating_ip: &'f FloatingIp, id: &str) -> Result<&'f PortForwarding, Fault> {
    let wanted: Option<PortForwardingId> = id.parse().ok();
    floating_ip
        .port_forwardings
        .iter()
        .find(|each| Some(each.id) == wanted)
        .ok_or_else(|| rules::not_found(id))
}

fn owned_by(floating_ip: &FloatingIp) -> Target<'_> {
    Target::new().with("ext_parent:project_id", &floating_ip.project_id)
}
