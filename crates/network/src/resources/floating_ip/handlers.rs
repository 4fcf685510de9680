//! Requests about floating IPs.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use isospin_api_kit::http::{Context, keyed, no_content};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Body, Caller, Fault, FaultType, now_seconds};
use isospin_store_kit::{Session, Tx};
use isospin_types::{FloatingIpId, NetworkId, QosPolicyId, SubnetId};
use serde_json::Value;

use super::association::{self, Wish};
use super::model::{FloatingIp, FloatingIpStatus};
use super::{TYPE, rules, store, view};
use crate::resources::network::model::Network;
use crate::resources::port::model::{Addresses, FLOATING_IP, NewPort, Port, WantedIp};
use crate::resources::qos_policy::bindings;
use crate::resources::qos_policy::routed::{self, Asking};
use crate::resources::{network, port, port_forwarding};
use crate::{App, owner, page, quota};

/// `GET /v2.0/floatingips`
pub async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, app.settings.pagination_max_limit)?;
    let (policy, caller) = (app.policy.clone(), context.caller.clone());
    let (ids, items, query) = app
        .store
        .read_apart(move |session| {
            Box::pin(async move {
                let sees_all = policy.allows("get_floatingip", &caller, &Target::new());
                let project = (!sees_all).then_some(caller.project_id.as_str());
                let found = store::list(session, &query, project).await?;
                let ids: Vec<String> = found.iter().map(|(each, _)| each.id.to_string()).collect();
                let items: Vec<Value> = found
                    .iter()
                    .filter(|(each, _)| sees(&policy, &caller, each))
                    .map(|(each, tags)| view::floating_ip(&policy, &caller, &query.fields, each, tags))
                    .collect();
                Ok::<_, Fault>((ids, items, query))
            })
        })
        .await?;
    Ok(page::answer(&TYPE, &query, &context.url(), &ids, items))
}

/// `GET /v2.0/floatingips/{id}`
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let mut session = app.store.reader().await?;
    let (found, tags) = visible(&mut session, &app, &context.caller, &id).await?;
    let shown = view::floating_ip(&app.policy, &context.caller, &query.fields, &found, &tags);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// A floating IP to be made.
struct NewFloatingIp {
    project_id: String,
    description: String,
    floating_network_id: NetworkId,
    subnet_id: Option<SubnetId>,
    address: Option<IpAddr>,
    dns_name: String,
    dns_domain: String,
    qos_policy_id: Option<QosPolicyId>,
    wish: Wish,
}

/// `POST /v2.0/floatingips`
pub async fn create(State(app): State<App>, context: Context, body: Bytes) -> Result<Response, Fault> {
    let (bodies, bulk) = page::bodies(Body::create(&TYPE, &body)?);
    let wanted =
        bodies.iter().map(|body| wanted(&app, &context.caller, body)).collect::<Result<Vec<_>, _>>()?;
    let (unit_app, caller) = (app.clone(), context.caller.clone());
    let made = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let policies = wanted.iter().filter_map(|new| new.qos_policy_id).collect();
                bindings::check_usable(tx, &unit_app, &caller, &policies).await?;
                let mut made = Vec::with_capacity(wanted.len());
                for new in wanted {
                    made.push(create_one(tx, &unit_app, &caller, new).await?);
                }
                let asking: Vec<Asking> = made.iter().filter_map(asking).collect();
                routed::check(tx, &asking).await?;
                Ok::<_, Fault>(made)
            })
        })
        .await?;
    let shown =
        made.iter().map(|each| view::floating_ip(&app.policy, &context.caller, &[], each, &[])).collect();
    Ok(page::created(&TYPE, bulk, shown))
}

fn wanted(app: &App, caller: &Caller, body: &Body) -> Result<NewFloatingIp, Fault> {
    let project_id = owner::project(body, caller)?;
    app.policy.check_create(&TYPE, caller, &Target::owned_by(&project_id), body)?;
    let floating_network_id = body.parsed("floating_network_id").ok_or_else(Fault::not_found)?;
    let address: Option<IpAddr> = body.parsed("floating_ip_address");
    if let Some(address) = address.filter(IpAddr::is_ipv6) {
        return Err(rules::bad(format!("{address} is not an IPv4 address")));
    }
    Ok(NewFloatingIp {
        project_id,
        description: body.text("description").unwrap_or_default().to_owned(),
        floating_network_id,
        subnet_id: body.parsed("subnet_id"),
        address,
        dns_name: body.text("dns_name").unwrap_or_default().to_owned(),
        dns_domain: body.text("dns_domain").unwrap_or_default().to_owned(),
        qos_policy_id: body.parsed("qos_policy_id"),
        wish: Wish::of(body)?,
    })
}

async fn create_one(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    new: NewFloatingIp,
) -> Result<FloatingIp, Fault> {
    quota::take(tx, &app.settings, &new.project_id, "floatingip", 1).await?;
    let network = external_network(tx, app, caller, new.floating_network_id).await?;
    let id = FloatingIpId::random();
    let qos_network_policy_id = network.qos_policy_id;
    let holder = hold_address(tx, app, network, id, &new).await?;
    let address = holder.fixed_ips.iter().map(|ip| ip.ip_address).find(IpAddr::is_ipv4).ok_or_else(|| {
        Fault::new(
            FaultType::ExternalIpAddressExhausted,
            format!("Unable to find any IP address on external network {}.", new.floating_network_id),
        )
    })?;
    let now = now_seconds();
    let mut made = FloatingIp {
        id,
        project_id: new.project_id,
        description: new.description,
        floating_network_id: new.floating_network_id,
        floating_ip_address: address,
        floating_port_id: holder.id,
        association: None,
        port_forwardings: Vec::new(),
        forwarding_router: None,
        status: FloatingIpStatus::Down,
        qos_policy_id: new.qos_policy_id,
        qos_network_policy_id,
        dns_name: new.dns_name,
        dns_domain: new.dns_domain,
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    };
    association::apply(tx, app, caller, &mut made, false, new.wish).await?;
    match (store::insert(tx, &made).await?, &made.association) {
        (false, Some(to)) => {
            let other = store::leading_to(tx, &made, to.port_id, to.fixed_ip_address).await?;
            Err(rules::already_associated(&made, to.port_id, to.fixed_ip_address, other))
        }
        _ => Ok(made),
    }
}

/// The policy it asks for itself.
fn asking(floating_ip: &FloatingIp) -> Option<Asking> {
    Some(Asking::FloatingIp(floating_ip.id, floating_ip.qos_policy_id?))
}

async fn external_network(tx: &mut Tx, app: &App, caller: &Caller, id: NetworkId) -> Result<Network, Fault> {
    let (network, _) =
        network::visible(tx, app, caller, id).await?.ok_or_else(|| network::rules::not_found(id))?;
    if !network.external {
        return Err(rules::bad(format!("Network {id} is not a valid external network")));
    }
    Ok(network)
}

/// Makes the hidden port that holds the address.
async fn hold_address(
    tx: &mut Tx,
    app: &App,
    network: Network,
    id: FloatingIpId,
    new: &NewFloatingIp,
) -> Result<Port, Fault> {
    let network_id = network.id;
    let sources = store::sources(tx, network_id).await?;
    if sources.is_empty() {
        return Err(rules::bad(format!("Network {network_id} does not contain any IPv4 subnet")));
    }
    let wanted = match (new.subnet_id, new.address) {
        (None, None) => WantedIp { subnet_id: rules::source(&sources), ip: None },
        (subnet_id, ip) => WantedIp { subnet_id, ip },
    };
    let mut holder = NewPort::on(network, "");
    holder.device_id = id.to_string();
    holder.device_owner = FLOATING_IP.to_owned();
    // All subnets kept for other owners: what is automatic refuses as it should.
    if wanted.subnet_id.is_some() || wanted.ip.is_some() {
        holder.addresses = Addresses::Exactly(vec![wanted]);
    }
    port::store::create(tx, app, holder).await.map_err(|fault| in_use(fault, network_id, new.address))
}

/// The address somebody asks for can be on another port already.
fn in_use(fault: Fault, network_id: NetworkId, address: Option<IpAddr>) -> Fault {
    match (fault.kind, address) {
        (FaultType::IpAddressAlreadyAllocated, Some(address)) => Fault::new(
            FaultType::IpAddressInUse,
            format!(
                "Unable to complete operation for network {network_id}. The IP address {address} is in use."
            ),
        ),
        _ => fault,
    }
}

/// `PUT /v2.0/floatingips/{id}`
pub async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    let body = Body::update(&TYPE, &body)?;
    let wish = Wish::of_update(&body)?;
    let (unit_app, unit_context) = (app.clone(), context.clone());
    let (changed, tags) = app
        .store
        .write(&context.request_id, move |tx| {
            Box::pin(async move {
                let (app, context) = (unit_app, unit_context);
                let (before, tags) = visible(tx, &app, &context.caller, &id).await?;
                let target = Target::owned_by(&before.project_id);
                app.policy.check_update(&TYPE, &context.caller, &target, &body)?;
                context.check_revision(before.revision_number)?;
                let mut after = before.clone();
                if let Some(description) = body.text("description") {
                    description.clone_into(&mut after.description);
                }
                if let Some(policy_id) = body.change("qos_policy_id") {
                    let caller = &context.caller;
                    bindings::check_change(tx, &app, caller, before.qos_policy_id, policy_id).await?;
                    after.qos_policy_id = policy_id;
                    let asking: Vec<Asking> = asking(&after).into_iter().collect();
                    routed::check(tx, &asking).await?;
                }
                association::apply(tx, &app, &context.caller, &mut after, true, wish).await?;
                if after != before {
                    store::save(tx, &before, &mut after).await?;
                }
                Ok::<_, Fault>((after, tags))
            })
        })
        .await?;
    let shown = view::floating_ip(&app.policy, &context.caller, &[], &changed, &tags);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

/// `DELETE /v2.0/floatingips/{id}`
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    context: Context,
    body: Bytes,
) -> Result<Response, Fault> {
    page::no_body(&body)?;
    let store = app.store.clone();
    let request_id = context.request_id.clone();
    store
        .write(&request_id, move |tx| {
            Box::pin(async move {
                let (found, _) = visible(tx, &app, &context.caller, &id).await?;
                let target = Target::owned_by(&found.project_id);
                app.policy.check("delete_floatingip", &context.caller, &target)?;
                context.check_revision(found.revision_number)?;
                if !found.port_forwardings.is_empty() {
                    return Err(port_forwarding::rules::in_use(&found));
                }
                release(tx, &found).await
            })
        })
        .await?;
    Ok(no_content())
}

/// Removes a floating IP and the hidden port that holds its address.
async fn release(tx: &mut Tx, floating_ip: &FloatingIp) -> Result<(), Fault> {
    store::delete(tx, floating_ip).await?;
    if let Some(holder) = port::store::get(tx, floating_ip.floating_port_id).await? {
        port::remove(tx, None, &holder).await?;
    }
    quota::give_back(tx, &floating_ip.project_id, "floatingip", 1).await?;
    Ok(())
}

/// Removes the floating IPs of an external network that lead nowhere: they do not
/// keep it from being deleted.
///
/// # Errors
/// The store's.
pub async fn release_unused(tx: &mut Tx, network_id: NetworkId) -> Result<(), Fault> {
    for floating_ip in store::unused(tx, network_id).await? {
        release(tx, &floating_ip).await?;
    }
    Ok(())
}

/// The floating IP of this id with its tags, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn visible(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<(FloatingIp, Vec<String>), Fault> {
    let found = match id.parse() {
        Ok(id) => store::find(session, id).await?,
        Err(_) => None,
    };
    found.filter(|(each, _)| sees(&app.policy, caller, each)).ok_or_else(|| rules::not_found(id))
}

fn sees(policy: &Policy, caller: &Caller, floating_ip: &FloatingIp) -> bool {
    policy.allows("get_floatingip", caller, &Target::owned_by(&floating_ip.project_id))
}
