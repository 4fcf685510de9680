//! Attaching a subnet or a port.

use std::net::IpAddr;

use isospin_api_kit::http::Context;
use isospin_api_kit::policy::Target;
use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::Tx;
use isospin_types::{PortId, SubnetId};

use super::super::model::Router;
use super::super::rules::{self, Candidate, bad};
use super::super::store;
use super::{Attached, existing_port, wanted};
use crate::App;
use crate::background::scheduling::routers as scheduling;
use crate::resources::network::model::Network;
use crate::resources::port::model::{Addresses, FixedIp, NewPort, Port, ROUTER_INTERFACE};
use crate::resources::port::policy as port_policy;
use crate::resources::port::rules::references::not_found as port_not_found;
use crate::resources::port::store as ports;
use crate::resources::subnet::model::Subnet;
use crate::resources::{network, subnet as subnets};

/// Attaches a subnet: its gateway address becomes the router's, on a new port, or
/// on the port the router has for IPv6 on that network already.
pub(super) async fn subnet(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    router: &mut Router,
    subnet_id: SubnetId,
) -> Result<Attached, Fault> {
    let (subnet, network) = usable_subnet(tx, app, context, subnet_id).await?;
    let candidate = candidate(&subnet);
    let ip_address = rules::interface_address(&candidate)?;
    let gateway_network = router.gateway.map(|gateway| gateway.network_id);
    let connected = store::connected(tx, router.id, gateway_network).await?;
    rules::check_new_subnets(&connected, &[(subnet.id, subnet.cidr)])?;

    scheduling::choose(tx, app, router).await?;
    let address = FixedIp { subnet_id, ip_address };
    let joined = rules::ipv6_interface(&connected, network.id).filter(|_| ip_address.is_ipv6());
    let port = match joined {
        Some(port_id) => join(tx, port_id, address).await,
        None => make(tx, app, router, network, address).await,
    };
    let port_id = port.map_err(|fault| in_use(fault, &subnet, ip_address))?.id;
    store::add_interface(tx, router.id, port_id, subnet_id).await?;
    Ok(Attached { port_id, network_id: subnet.network_id, subnet_ids: vec![subnet_id] })
}

/// Makes an interface with this address.
async fn make(
    tx: &mut Tx,
    app: &App,
    router: &Router,
    network: Network,
    address: FixedIp,
) -> Result<Port, Fault> {
    let mut new = NewPort::on(network, router.project_id.as_str());
    new.device_id = router.id.to_string();
    new.device_owner = ROUTER_INTERFACE.to_owned();
    new.host.clone_from(&router.host);
    new.addresses = Addresses::Exactly(vec![wanted(&address)]);
    ports::create(tx, app, new).await
}

/// Gives an interface one more address.
async fn join(tx: &mut Tx, port_id: PortId, added: FixedIp) -> Result<Port, Fault> {
    let before = existing_port(tx, port_id).await?;
    let mut port = before.clone();
    let all = port.fixed_ips.iter().chain([&added]).map(wanted).collect();
    ports::set_addresses(tx, &mut port, Addresses::Exactly(all)).await?;
    ports::save(tx, &before, &mut port).await?;
    Ok(port)
}

/// The gateway address of a subnet can be on another port already.
fn in_use(fault: Fault, subnet: &Subnet, address: IpAddr) -> Fault {
    if fault.kind != FaultType::IpAddressAlreadyAllocated {
        return fault;
    }
    Fault::new(
        FaultType::IpAddressInUse,
        format!(
            "Unable to complete operation for network {}. The IP address {address} is in use.",
            subnet.network_id
        ),
    )
}

/// The subnet with its network, when the caller may put a router on it: their own,
/// or on a network shared with them.
async fn usable_subnet(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    id: SubnetId,
) -> Result<(Subnet, Network), Fault> {
    let caller = &context.caller;
    let found = match subnets::store::get(tx, id).await? {
        Some(subnet) => network::store::get_for(tx, subnet.network_id, &caller.project_id)
            .await?
            .map(|(network, access)| (subnet, network, access)),
        None => None,
    };
    let seen = found.filter(|(subnet, network, access)| {
        let target = Target::owned_by(&subnet.project_id).with("network:project_id", &network.project_id);
        app.policy.allows("get_subnet", caller, &access.facts(target))
    });
    let (subnet, network, access) = seen.ok_or_else(|| subnets::rules::not_found(id))?;
    if !caller.is_admin() && !access.shared && subnet.project_id != caller.project_id {
        return Err(bad(format!(
            "Cannot add interface to router because subnet {id} is not owned by project making the request"
        )));
    }
    Ok((subnet, network))
}

fn candidate(subnet: &Subnet) -> Candidate {
    Candidate {
        id: subnet.id,
        cidr: subnet.cidr,
        gateway_ip: subnet.gateway_ip,
        announced_elsewhere: subnet.ipv6_address_mode.is_some() && subnet.ipv6_ra_mode.is_none(),
    }
}

/// Makes a port that exists an interface.
pub(super) async fn port(
    tx: &mut Tx,
    app: &App,
    context: &Context,
    router: &mut Router,
    port_id: PortId,
) -> Result<Attached, Fault> {
    let before = visible_port(tx, app, context, port_id).await?;
    let free = before.device_id.is_empty() || before.device_id == router.id.to_string();
    if !free || before.device_owner == ROUTER_INTERFACE {
        return Err(Fault::new(
            FaultType::PortInUse,
            format!(
                "Unable to complete operation on port {port_id} for network {}. Port already has an attached \
                 device {}.",
                before.network_id, before.device_id
            ),
        ));
    }
    let subnets = subnets::store::of_network(tx, before.network_id).await?;
    let candidates: Vec<Candidate> = subnets
        .iter()
        .filter(|subnet| before.fixed_ips.iter().any(|ip| ip.subnet_id == subnet.id))
        .map(candidate)
        .collect();
    let gateway_network = router.gateway.map(|gateway| gateway.network_id);
    let connected = store::connected(tx, router.id, gateway_network).await?;
    rules::check_interface_port(&connected, before.network_id, &candidates)?;

    scheduling::choose(tx, app, router).await?;
    let mut port = before.clone();
    port.device_id = router.id.to_string();
    ROUTER_INTERFACE.clone_into(&mut port.device_owner);
    // A router forwards what others send: nothing of an instance's filter fits it.
    port.port_security_enabled = false;
    port.security_groups.clear();
    port.allowed_address_pairs.clear();
    if !router.host.is_empty() {
        ports::rebind(tx, app, &mut port, &router.host).await?;
    }
    ports::save(tx, &before, &mut port).await?;
    let subnet_ids: Vec<SubnetId> = candidates.iter().map(|candidate| candidate.id).collect();
    for subnet_id in &subnet_ids {
        store::add_interface(tx, router.id, port_id, *subnet_id).await?;
    }
    Ok(Attached { port_id, network_id: port.network_id, subnet_ids })
}

async fn visible_port(tx: &mut Tx, app: &App, context: &Context, id: PortId) -> Result<Port, Fault> {
    ports::find(tx, id)
        .await?
        .filter(|found| app.policy.allows("get_port", &context.caller, &port_policy::target(found)))
        .map(|found| found.port)
        .ok_or_else(|| port_not_found(id))
}
