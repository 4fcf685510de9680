//! The external gateway of a router: a port on an external network.

use std::net::IpAddr;

use isospin_api_kit::{Caller, Fault, FaultType};
use isospin_store_kit::Tx;
use isospin_types::PortId;

use super::input::GatewayRequest;
use super::model::{Connected, Gateway, Router};
use super::{rules, store};
use crate::App;
use crate::background::scheduling::routers as scheduling;
use crate::resources::network::model::Network;
use crate::resources::port::model::{Addresses, FixedIp, NewPort, Port, ROUTER_GATEWAY};
use crate::resources::qos_policy::bindings;
use crate::resources::qos_policy::routed::{self, Asking};
use crate::resources::{network, port, subnet};

/// Gives the router the gateway asked for and changes `router` accordingly; the
/// caller stores it. Addresses of the gateway port, when they changed.
///
/// # Errors
/// 400, 404, 409; see reference/network-api-core §6.
pub async fn set(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    router: &mut Router,
    request: GatewayRequest,
) -> Result<Option<Vec<FixedIp>>, Fault> {
    if let Some(flag) = request.enable_snat {
        router.enable_snat = flag;
    }
    let network = external_network(tx, app, caller, &request).await?;
    if let Some(wanted) = request.qos_policy_id {
        bindings::check_change(tx, app, caller, router.qos_policy_id, wanted).await?;
        router.qos_policy_id = wanted;
        let asking = wanted.map(|policy_id| Asking::Gateway(router.id, policy_id));
        routed::check(tx, asking.as_slice()).await?;
    }
    let subnets = subnet::store::of_network(tx, network.id).await?;
    let wanted: Vec<IpAddr> = request.fixed_ips.iter().flatten().filter_map(|wanted| wanted.ip).collect();
    let gateways: Vec<IpAddr> = subnets.iter().filter_map(|subnet| subnet.gateway_ip).collect();
    rules::check_gateway_addresses(wanted, &gateways)?;

    if let Some(gateway) = router.gateway.filter(|gateway| gateway.network_id == network.id) {
        let Some(fixed_ips) = request.fixed_ips else { return Ok(None) };
        let mut port = existing(tx, gateway.port_id).await?;
        port::store::set_addresses(tx, &mut port, Addresses::Exactly(fixed_ips)).await?;
        return Ok(Some(port.fixed_ips));
    }
    // Another gateway keeps what the one before asked for.
    let kept = router.qos_policy_id;
    clear(tx, router).await?;
    router.qos_policy_id = kept;
    let new: Vec<_> = subnets.iter().map(|subnet| (subnet.id, subnet.cidr)).collect();
    let inner: Vec<Connected> = store::connected(tx, router.id, None).await?;
    rules::check_new_subnets(&inner, &new)?;
    scheduling::choose(tx, app, router).await?;
    let network_id = network.id;
    let mut wanted = NewPort::on(network, "");
    wanted.device_id = router.id.to_string();
    wanted.device_owner = ROUTER_GATEWAY.to_owned();
    wanted.host.clone_from(&router.host);
    if let Some(fixed_ips) = request.fixed_ips {
        wanted.addresses = Addresses::Exactly(fixed_ips);
    }
    let made = port::store::create(tx, app, wanted).await?;
    router.gateway = Some(Gateway { port_id: made.id, network_id });
    Ok(Some(made.fixed_ips))
}

/// Removes the gateway, if there is one, with its port; the caller stores the router.
///
/// # Errors
/// 409 while floating IPs lead through it.
pub async fn clear(tx: &mut Tx, router: &mut Router) -> Result<(), Fault> {
    let Some(gateway) = router.gateway.take() else { return Ok(()) };
    let floating_ips = store::floating_ips(tx, router.id).await?;
    if !floating_ips.is_empty() {
        let message = format!(
            "Gateway cannot be updated for router {}, since a gateway to external network {} is required by one \
             or more floating IPs.",
            router.id, gateway.network_id
        );
        return Err(Fault::new(FaultType::RouterExternalGatewayInUseByFloatingIp, message)
            .blocked_by("floatingip", floating_ips));
    }
    router.qos_policy_id = None;
    store::part_from_gateway(tx, router.id).await?;
    let port = existing(tx, gateway.port_id).await?;
    port::remove(tx, None, &port).await
}

/// The port of a gateway: a foreign key says that it is there.
async fn existing(tx: &mut Tx, id: PortId) -> Result<Port, Fault> {
    port::store::get(tx, id).await?.ok_or_else(|| port::rules::references::not_found(id))
}

async fn external_network(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    request: &GatewayRequest,
) -> Result<Network, Fault> {
    let id = request.network_id;
    let (network, _) =
        network::visible(tx, app, caller, id).await?.ok_or_else(|| network::rules::not_found(id))?;
    if !network.external {
        return Err(rules::bad(format!("Network {id} is not an external network")));
    }
    Ok(network)
}
