//! Detaching a port, or a subnet from one.

use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::Tx;
use isospin_types::SubnetId;

use super::super::input::InterfaceRequest;
use super::super::model::Router;
use super::super::store::Interface;
use super::super::{rules, store};
use super::{Attached, existing_port, wanted};
use crate::resources::port::model::Addresses;
use crate::resources::port::store as ports;
use crate::resources::{floating_ip, port_forwarding, subnet as subnets};

/// Removes the interface named, or one subnet of it, unless something needs it.
pub(super) async fn interface(
    tx: &mut Tx,
    router: &Router,
    request: &InterfaceRequest,
) -> Result<Attached, Fault> {
    let all = store::interfaces(tx, router.id).await?;
    let going = going(tx, router, request, &all).await?;
    let routes = store::routes(tx, router.id).await?;
    for interface in &going {
        if interface.floated {
            let leading = store::floating_ips_into(tx, router.id, interface.subnet_id).await?;
            return Err(rules::needed_by_floating_ip(router.id, interface.subnet_id, &leading));
        }
        rules::check_not_routed(router.id, interface.subnet_id, &interface.cidr, &routes)?;
    }
    let Some(Interface { port_id, .. }) = going.first().copied() else {
        return Err(Fault::not_found());
    };
    let before = existing_port(tx, port_id).await?;
    let subnet_ids: Vec<SubnetId> = going.iter().map(|interface| interface.subnet_id).collect();
    let whole = all.iter().filter(|interface| interface.port_id == port_id).count() == going.len();
    if whole {
        // A floating IP may lead to the interface itself, through another router.
        floating_ip::store::disassociate_port(tx, None, port_id).await?;
        port_forwarding::store::forget_port(tx, port_id, &[]).await?;
        ports::delete(tx, &before).await?;
    } else {
        let mut port = before.clone();
        let stay = port.fixed_ips.iter().filter(|ip| !subnet_ids.contains(&ip.subnet_id));
        let stay = stay.map(wanted).collect();
        for subnet_id in &subnet_ids {
            store::remove_interface(tx, router.id, *subnet_id).await?;
        }
        ports::set_addresses(tx, &mut port, Addresses::Exactly(stay)).await?;
        let kept: Vec<_> = port.fixed_ips.iter().map(|ip| ip.ip_address).collect();
        port_forwarding::store::forget_port(tx, port_id, &kept).await?;
        ports::save(tx, &before, &mut port).await?;
    }
    Ok(Attached { port_id, network_id: before.network_id, subnet_ids })
}

/// The interface rows a request means: all of a port, or the one on a subnet.
async fn going(
    tx: &mut Tx,
    router: &Router,
    request: &InterfaceRequest,
    all: &[Interface],
) -> Result<Vec<Interface>, Fault> {
    if let Some(port_id) = request.port_id {
        let of_port: Vec<Interface> =
            all.iter().filter(|interface| interface.port_id == port_id).copied().collect();
        if of_port.is_empty() {
            return Err(Fault::new(
                FaultType::RouterInterfaceNotFound,
                format!("Router {} does not have an interface with id {port_id}", router.id),
            ));
        }
        return match request.subnet_id {
            Some(subnet_id) if !of_port.iter().any(|interface| interface.subnet_id == subnet_id) => {
                Err(Fault::new(
                    FaultType::SubnetMismatchForPort,
                    format!("Subnet on port {port_id} does not match the requested subnet {subnet_id}."),
                ))
            }
            _ => Ok(of_port),
        };
    }
    let Some(subnet_id) = request.subnet_id else { return Ok(Vec::new()) };
    if let Some(interface) = all.iter().find(|interface| interface.subnet_id == subnet_id) {
        return Ok(vec![*interface]);
    }
    if subnets::store::get(tx, subnet_id).await?.is_none() {
        return Err(subnets::rules::not_found(subnet_id));
    }
    Err(Fault::new(
        FaultType::RouterInterfaceNotFoundForSubnet,
        format!("Router {} has no interface on subnet {subnet_id}", router.id),
    ))
}
