//! The ports of a trunk: requests, and what joining and leaving does to a port.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::attribute::check;
use isospin_api_kit::http::{Context, answer};
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::{Session, Tx, Value as Stored, values};
use isospin_types::{NetworkId, PortId};
use serde_json::{Map, Value, json};

use super::handlers::visible;
use super::model::{SUBPORT, SubPort, Trunk, TrunkStatus, WantedSubPort};
use super::rules::{self, leaving, no_such_subport, parent_in_use, port_in_trunk, sub_ports};
use super::store::{self, Part};
use super::{view, wiring};
use crate::App;
use crate::drivers::{NetworkType, Segment};
use crate::resources::network::model::Network;
use crate::resources::port::store::Found;
use crate::resources::segment::model::NetworkSegment;
use crate::resources::{network, port, segment};

/// `GET /v2.0/trunks/{id}/get_subports`
pub async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let mut session = app.store.reader().await?;
    let (trunk, _) = visible(&mut session, &app, &context.caller, &id).await?;
    app.policy.check("get_subports", &context.caller, &Target::owned_by(&trunk.project_id))?;
    Ok(answer(StatusCode::OK, &json!({"sub_ports": view::sub_ports(&trunk.sub_ports)})))
}

/// `PUT /v2.0/trunks/{id}/add_subports`
pub async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = rules::wanted(&named(&body, sub_ports)?);
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let (changed, tags) = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (app, caller) = (&unit_app, &unit_context.caller);
                let (mut trunk, tags) = allowed(tx, app, &unit_context, &id, "add_subports").await?;
                rules::check_enabled(&trunk)?;
                rules::check_sound(&trunk)?;
                if !wanted.is_empty() {
                    let parent = port(tx, trunk.port_id).await?;
                    join(tx, app, caller, &mut trunk, &parent, &wanted).await?;
                    changed(tx, &mut trunk).await?;
                }
                Ok::<_, Fault>((trunk, tags))
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &view::show(&app.policy, &context.caller, &changed, &tags, &[])))
}

/// Stores a trunk that got or lost ports. Its status is told as DOWN, and then what its
/// ports make of it.
async fn changed(tx: &mut Tx, trunk: &mut Trunk) -> Result<(), Fault> {
    trunk.status = TrunkStatus::Down;
    store::save(tx, trunk).await?;
    wiring::restate(tx, &[Stored::from(trunk.port_id)]).await?;
    Ok(())
}

/// `PUT /v2.0/trunks/{id}/remove_subports`
pub async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = rules::wanted(&named(&body, leaving)?);
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let (changed, tags) = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (mut trunk, tags) = allowed(tx, &unit_app, &unit_context, &id, "remove_subports").await?;
                rules::check_enabled(&trunk)?;
                let ports: Vec<PortId> = wanted.iter().map(|own| own.port_id).collect();
                let is_in = |id: &PortId| trunk.sub_ports.iter().any(|own| own.port_id == *id);
                if let Some(stranger) = ports.iter().find(|id| !is_in(id)) {
                    return Err(no_such_subport(trunk.id, *stranger));
                }
                if !ports.is_empty() {
                    part(tx, &unit_app, &ports).await?;
                    trunk.sub_ports.retain(|own| !ports.contains(&own.port_id));
                    changed(tx, &mut trunk).await?;
                }
                Ok::<_, Fault>((trunk, tags))
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &view::show(&app.policy, &context.caller, &changed, &tags, &[])))
}

/// The list under `sub_ports`, checked.
fn named(bytes: &[u8], check: impl Fn(&Value) -> Result<Value, String>) -> Result<Vec<Value>, Fault> {
    let document: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|_| Fault::bad_request("Body contains invalid data"))?;
    if let Some(unknown) = document.keys().find(|key| *key != "sub_ports") {
        return Err(Fault::bad_request(format!("Unrecognized attribute(s) '{unknown}'")));
    }
    let Some(list) = document.get("sub_ports") else {
        return Err(Fault::bad_request(
            "Failed to parse request. Required attribute 'sub_ports' not specified",
        ));
    };
    match check(list).map_err(Fault::invalid_input)? {
        Value::Array(items) => Ok(items),
        other => Err(Fault::invalid_input(format!("'{}' is not a list", check::plain(&other)))),
    }
}

/// The trunk with its tags, if the caller may do `action` to it and means its present
/// revision: 403 when it may only be seen, 404 when not even that.
async fn allowed(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    id: &str,
    action: &str,
) -> Result<(Trunk, Vec<String>), Fault> {
    let (trunk, tags) = visible(tx, app, &context.caller, id).await?;
    app.policy.check(action, &context.caller, &Target::owned_by(&trunk.project_id))?;
    context.check_revision(trunk.revision_number)?;
    Ok((trunk, tags))
}

/// The port a new trunk shall have as its parent.
///
/// # Errors
/// 404 for a port the caller may not see; 409 when it is part of a trunk, or wired
/// already: no loaded driver makes a wired port the parent of a trunk.
pub(super) async fn parent(tx: &mut Tx, app: &App, caller: &Caller, id: PortId) -> Result<Found, Fault> {
    let mut found = visible_ports(tx, app, caller, &[id]).await?;
    let parent = found.pop().ok_or_else(|| port::rules::references::not_found(id))?;
    match store::parts(tx, &[id]).await?.get(&id) {
        Some(Part::SubPort(trunk)) => Err(port_in_trunk(id, Some(*trunk))),
        Some(Part::Parent(trunk)) => Err(parent_in_use(id, Some(*trunk))),
        None if !parent.port.binding.host.is_empty() => Err(parent_in_use(id, None)),
        None => Ok(parent),
    }
}

/// Refuses to let a port go that is part of a trunk.
///
/// # Errors
/// 409 `PortInUseAsTrunkParent`, `PortInUseAsSubPort`.
pub async fn check_unused(session: &mut Session, id: PortId) -> Result<(), Fault> {
    match store::parts(session, &[id]).await?.get(&id) {
        Some(Part::Parent(trunk_id)) => Err(rules::is_parent(id, *trunk_id)),
        Some(Part::SubPort(trunk_id)) => Err(rules::is_subport(id, *trunk_id)),
        None => Ok(()),
    }
}

/// Whether the port is on a host.
pub(super) async fn is_bound(session: &mut Session, id: PortId) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM ports WHERE id = $1 AND binding_host <> ''";
    Ok(session.row(sql, values![id]).await?.is_some())
}

/// Makes ports part of the trunk: rows, owner, device and host; the caller stores the
/// trunk itself.
///
/// # Errors
/// 400 for a tag that cannot be inherited; 404 for ports the caller may not see; 409
/// for ports in use elsewhere, tags in use, and too large an MTU.
pub(super) async fn join(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    trunk: &mut Trunk,
    parent: &Found,
    wanted: &[WantedSubPort],
) -> Result<(), Fault> {
    let ids: Vec<PortId> = wanted.iter().map(|own| own.port_id).collect();
    if ids.contains(&trunk.port_id) {
        return Err(parent_in_use(trunk.port_id, None));
    }
    let mut found = visible_ports(tx, app, caller, &ids).await?;
    let taken = store::parts(tx, &ids).await?;
    let networks = networks_of(tx, found.iter().chain([parent])).await?;
    let mtu = network_of(&networks, parent)?.mtu;
    let segments = segment::store::of_networks(tx, networks.keys().map(Stored::from).collect()).await?;
    let mut new = Vec::with_capacity(wanted.len());
    for (own, found) in wanted.iter().zip(&found) {
        let network = network_of(&networks, found)?;
        if network.mtu > mtu {
            return Err(rules::mtu(own.port_id, network.mtu, trunk.port_id, mtu));
        }
        match taken.get(&own.port_id) {
            Some(Part::SubPort(trunk)) => return Err(port_in_trunk(own.port_id, Some(*trunk))),
            Some(Part::Parent(trunk)) => return Err(parent_in_use(own.port_id, Some(*trunk))),
            None if !found.port.device_id.is_empty() => {
                return Err(port::rules::references::in_use(&found.port));
            }
            None => {
                let first = segments.get(&network.id).and_then(|segments| segments.first());
                new.push(SubPort { port_id: own.port_id, segmentation_id: tag_of(own, network.id, first)? });
            }
        }
    }
    store::add(tx, trunk, &new).await?;
    for found in &mut found {
        let before = found.port.clone();
        found.port.device_id = trunk.id.to_string();
        SUBPORT.clone_into(&mut found.port.device_owner);
        port::store::rebind(tx, app, &mut found.port, &parent.port.binding.host).await?;
        port::store::save(tx, &before, &mut found.port).await?;
    }
    Ok(())
}

/// The tag asked for, or that of the subport's own network when it is a VLAN.
fn tag_of(
    own: &WantedSubPort,
    network_id: NetworkId,
    segment: Option<&NetworkSegment>,
) -> Result<u16, Fault> {
    let inherited = || match segment.map(|segment| &segment.place) {
        Some(Segment { network_type: NetworkType::Vlan, segmentation_id: Some(id), .. }) => {
            u16::try_from(*id).ok()
        }
        _ => None,
    };
    own.segmentation_id.or_else(inherited).ok_or_else(|| {
        Fault::invalid_input(format!(
            "port {} cannot inherit its segmentation: network {network_id} is not of type vlan",
            own.port_id
        ))
    })
}

/// Takes ports out of their trunk and off its host; they are free for other use.
pub(super) async fn part(tx: &mut Tx, app: &App, ids: &[PortId]) -> Result<(), Fault> {
    store::take_out(tx, ids).await?;
    for mut found in port::store::found_many(tx, ids).await? {
        let before = found.port.clone();
        found.port.device_id.clear();
        found.port.device_owner.clear();
        port::store::rebind(tx, app, &mut found.port, "").await?;
        port::store::save(tx, &before, &mut found.port).await?;
    }
    Ok(())
}

/// The ports of these ids, in this order, if the caller may see all of them.
async fn visible_ports(tx: &mut Tx, app: &App, caller: &Caller, ids: &[PortId]) -> Result<Vec<Found>, Fault> {
    let mut found = port::store::found_many(tx, ids).await?;
    let mut ports = Vec::with_capacity(ids.len());
    for id in ids {
        let at = found.iter().position(|found| {
            found.port.id == *id && app.policy.allows("get_port", caller, &port::policy::target(found))
        });
        ports.push(found.swap_remove(at.ok_or_else(|| port::rules::references::not_found(id))?));
    }
    Ok(ports)
}

async fn port(tx: &mut Tx, id: PortId) -> Result<Found, Fault> {
    port::store::find(tx, id).await?.ok_or_else(|| port::rules::references::not_found(id))
}

async fn networks_of(
    tx: &mut Tx,
    ports: impl Iterator<Item = &Found>,
) -> Result<BTreeMap<NetworkId, Network>, Fault> {
    let ids: BTreeSet<NetworkId> = ports.map(|found| found.port.network_id).collect();
    let networks = network::store::get_many(tx, &ids).await?;
    Ok(networks.into_iter().map(|network| (network.id, network)).collect())
}

fn network_of<'n>(networks: &'n BTreeMap<NetworkId, Network>, found: &Found) -> Result<&'n Network, Fault> {
    let id = found.port.network_id;
    networks.get(&id).ok_or_else(|| network::rules::not_found(id))
}
