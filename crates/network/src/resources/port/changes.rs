//! What a PUT changes on a port.

use std::collections::BTreeSet;

use isospin_api_kit::{Body, Caller, Fault, FaultType};
use isospin_store_kit::{Session, Tx, values};
use isospin_types::{MacAddr, SubnetId};

use super::input;
use super::model::{
    Addresses, DhcpOption, FLOATING_IP, IpAllocation, NewAddressPair, Port, ROUTER_GATEWAY, ROUTER_INTERFACE,
    is_trusted_owner,
};
use super::rules::reach::is_routed;
use super::rules::{reach, references, security};
use super::store;
use crate::App;
use crate::resources::{floating_ip, port_forwarding, security_group, subnet};

/// Applies the body to the port; the caller authorises before and saves after.
/// Addresses are written here.
///
/// # Errors
/// 400, 404, 409; see reference/network-api-core §4.
pub async fn apply(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    body: &Body,
    port: &mut Port,
) -> Result<(), Fault> {
    let before = port.clone();
    plain(app, body, port)?;
    device(tx, caller, body, &before, port).await?;
    mac(tx, body, port).await?;
    filtering(tx, app, caller, body, &before, port).await?;
    addresses(tx, body, &before, port).await?;
    binding(tx, app, body, &before, port).await?;
    reachable(tx, app, &before, port).await
}

fn plain(app: &App, body: &Body, port: &mut Port) -> Result<(), Fault> {
    if let Some(name) = body.text("name") {
        name.clone_into(&mut port.name);
    }
    if let Some(description) = body.text("description") {
        description.clone_into(&mut port.description);
    }
    if body.has("dns_name") {
        port.dns_name = input::dns_name(&app.settings, body)?;
    }
    if let Some(dns_domain) = body.text("dns_domain") {
        dns_domain.clone_into(&mut port.dns_domain);
    }
    if body.has("data_plane_status") {
        port.data_plane_status = body.text("data_plane_status").map(str::to_owned);
    }
    port.card = input::card(port.card.clone(), body);
    if body.has("extra_dhcp_opts") {
        merge_options(&mut port.extra_dhcp_opts, input::options(body));
    }
    Ok(())
}

/// Options are merged by name and family; one without value is removed.
fn merge_options(options: &mut Vec<DhcpOption>, changes: Vec<(DhcpOption, bool)>) {
    for (change, kept) in changes {
        let place = options
            .iter()
            .position(|option| option.name == change.name && option.ip_version == change.ip_version);
        match (place, kept) {
            (Some(at), true) => options[at] = change,
            (Some(at), false) => {
                options.remove(at);
            }
            (None, true) => options.push(change),
            (None, false) => {}
        }
    }
}

async fn device(
    tx: &mut Tx,
    caller: &Caller,
    body: &Body,
    before: &Port,
    port: &mut Port,
) -> Result<(), Fault> {
    if let Some(device_id) = body.text("device_id") {
        device_id.clone_into(&mut port.device_id);
    }
    if let Some(device_owner) = body.text("device_owner") {
        device_owner.clone_into(&mut port.device_owner);
    }
    if before.device_id == port.device_id && before.device_owner == port.device_owner {
        return Ok(());
    }
    if is_referred_to(tx, before).await? {
        return Err(references::in_use(before));
    }
    check_router(tx, caller, &port.project_id, &port.device_owner, &port.device_id).await
}

/// Refuses a port that claims to be a router's when the router is another project's (N03).
///
/// # Errors
/// 409 `DeviceIDNotOwnedByTenant`.
pub async fn check_router(
    session: &mut Session,
    caller: &Caller,
    project_id: &str,
    device_owner: &str,
    device_id: &str,
) -> Result<(), Fault> {
    let claims = device_owner.starts_with("network:router") || device_owner.starts_with("network:ha_router");
    if !claims || device_id.is_empty() || caller.is_admin() {
        return Ok(());
    }
    let sql = "SELECT project_id FROM routers WHERE id = $1";
    match session.row(sql, values![device_id]).await? {
        Some(row) if row.clone().columns().text()? != project_id => Err(Fault::new(
            FaultType::DeviceIDNotOwnedByTenant,
            format!(
                "The following device_id {device_id} is not owned by your tenant or matches another tenants router."
            ),
        )),
        _ => Ok(()),
    }
}

/// Whether a router or floating IP holds on to the port.
///
/// # Errors
/// The store's.
pub async fn is_referred_to(session: &mut Session, port: &Port) -> Result<bool, Fault> {
    let sql = match port.device_owner.as_str() {
        ROUTER_INTERFACE => "SELECT 1 FROM router_interfaces WHERE port_id = $1 LIMIT 1",
        ROUTER_GATEWAY => "SELECT 1 FROM routers WHERE gateway_port_id = $1 LIMIT 1",
        FLOATING_IP => "SELECT 1 FROM floating_ips WHERE floating_port_id = $1 LIMIT 1",
        _ => return Ok(false),
    };
    Ok(session.row(sql, values![port.id]).await?.is_some())
}

/// A new MAC, given or (for null) generated; pairs with the old MAC follow it.
async fn mac(tx: &mut Tx, body: &Body, port: &mut Port) -> Result<(), Fault> {
    let Some(wanted) = body.change::<MacAddr>("mac_address") else { return Ok(()) };
    let new = wanted.unwrap_or_else(store::random_mac);
    let old = port.mac_address;
    if new == old {
        return Ok(());
    }
    if port.binding.is_bound() {
        return Err(Fault::new(
            FaultType::PortBound,
            format!(
                "Unable to complete operation on port {}, port is already bound, port type: {}, old_mac {old}, \
                 new_mac {new}.",
                port.id, port.binding.vif_type
            ),
        ));
    }
    // Before addresses are made from it: the refusal names the MAC, not them.
    if store::has_mac(tx, port.network_id, new).await? {
        return Err(references::mac_in_use(port.network_id, new));
    }
    port.mac_address = new;
    for pair in port.allowed_address_pairs.iter_mut().filter(|pair| pair.mac_address == old) {
        pair.mac_address = new;
    }
    Ok(())
}

/// Port security, groups and address pairs, which only make sense together.
async fn filtering(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    body: &Body,
    before: &Port,
    port: &mut Port,
) -> Result<(), Fault> {
    if let Some(groups) = input::security_groups(body) {
        let groups: BTreeSet<_> = groups.into_iter().collect();
        let new = groups.iter().copied().filter(|group| !before.security_groups.contains(group)).collect();
        security_group::store::check_usable(tx, caller, &port.project_id, &new).await?;
        port.security_groups = groups.into_iter().collect();
        security_group::store::check_alike(tx, [port.security_groups.as_slice()].into_iter()).await?;
    }
    if body.has("allowed_address_pairs") {
        let pairs: Vec<NewAddressPair> = input::address_pairs(body)?;
        let most = app.settings.max_allowed_address_pairs;
        port.allowed_address_pairs = security::address_pairs(&pairs, port.mac_address, most)?;
    }
    if let Some(port_security) = body.flag("port_security_enabled") {
        port.port_security_enabled =
            security::port_security(&port.device_owner, Some(port_security), port_security);
    }
    let touched = ["security_groups", "allowed_address_pairs", "port_security_enabled"];
    if !touched.iter().any(|name| body.has(name)) {
        return Ok(());
    }
    security::check_change(
        port.port_security_enabled,
        !port.security_groups.is_empty(),
        body.has("security_groups"),
        !port.allowed_address_pairs.is_empty(),
    )
}

async fn addresses(tx: &mut Tx, body: &Body, before: &Port, port: &mut Port) -> Result<(), Fault> {
    let wanted = match input::addresses(body) {
        Some(wanted) => wanted,
        None if before.mac_address != port.mac_address => store::as_wanted(tx, port).await?,
        None => return Ok(()),
    };
    store::set_addresses(tx, port, wanted).await?;
    if before.fixed_ips == port.fixed_ips {
        return Ok(());
    }
    let gone = before.fixed_ips.iter().filter(|own| !port.fixed_ips.contains(own));
    let gone: Vec<_> = gone.map(|own| own.ip_address).collect();
    let translated = floating_ip::store::associated_addresses(tx, port.id).await?;
    if let Some(address) = gone.iter().find(|address| translated.contains(address)) {
        return Err(references::translated(port.id, *address));
    }
    let kept: Vec<_> = port.fixed_ips.iter().map(|own| own.ip_address).collect();
    port_forwarding::store::forget_port(tx, port.id, &kept).await?;
    let subnets =
        |port: &Port| -> BTreeSet<SubnetId> { port.fixed_ips.iter().map(|own| own.subnet_id).collect() };
    let moved = before.device_owner == FLOATING_IP || subnets(before) != subnets(port);
    if moved && is_referred_to(tx, before).await? {
        return Err(references::in_use(before));
    }
    Ok(())
}

async fn binding(tx: &mut Tx, app: &App, body: &Body, before: &Port, port: &mut Port) -> Result<(), Fault> {
    let mut again = false;
    if let Some(vnic_type) = body.text("binding:vnic_type")
        && vnic_type != port.binding.vnic_type
    {
        if port.binding.is_bound() {
            return Err(references::in_use(before));
        }
        vnic_type.clone_into(&mut port.binding.vnic_type);
        again = !port.binding.host.is_empty();
    }
    if body.has("binding:profile") {
        port.binding.profile = input::profile(body);
    }
    if let Some(up) = body.flag("admin_state_up") {
        port.admin_state_up = up;
    }
    let host = body.text("binding:host_id").map_or_else(|| port.binding.host.clone(), str::to_owned);
    if again || body.has("binding:host_id") {
        store::rebind(tx, app, port, &host).await?;
    }
    if before.admin_state_up != port.admin_state_up {
        port.status = store::status_before_reports(&port.device_owner, port.admin_state_up, &port.binding);
    }
    Ok(())
}

/// On a routed network the host decides which addresses work: those that waited for
/// it are found now, others must fit it.
///
/// # Errors
/// 400, 409; see [`reach`].
pub async fn reachable(tx: &mut Tx, app: &App, before: &Port, port: &mut Port) -> Result<(), Fault> {
    let moved = before.binding.host != port.binding.host || before.fixed_ips != port.fixed_ips;
    if !moved || is_trusted_owner(&port.device_owner) {
        return Ok(());
    }
    let subnets = subnet::store::of_network(tx, port.network_id).await?;
    if !is_routed(&subnets) {
        return Ok(());
    }
    let host = port.binding.host.clone();
    let on = store::segments_of_host(tx, app, port.network_id, &host).await?;
    if host.is_empty() || port.ip_allocation != IpAllocation::Deferred {
        return reach::check(port, &subnets, &on);
    }
    let found = (host.as_str(), &on);
    let wanted = Addresses::Automatic;
    let usable = reach::eligible(port.network_id, &subnets, &port.device_owner, Some(found), &wanted)?;
    match usable {
        Some(usable) => store::set_addresses_from(tx, port, &usable, wanted).await,
        None => Ok(()),
    }
}
