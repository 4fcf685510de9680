//! Leading a floating IP to a port.

use std::net::IpAddr;

use isospin_api_kit::{Body, Caller, Fault};
use isospin_store_kit::Tx;
use isospin_types::PortId;

use super::model::{Association, FloatingIp, FloatingIpStatus};
use super::rules::bad;
use super::{rules, store};
use crate::App;
use crate::resources::port::model::Port;
use crate::resources::{port, port_forwarding};

/// What a request wants of the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing was said.
    Keep,
    /// Lead nowhere.
    Part,
    /// Lead to this port, to its only IPv4 address unless one is named.
    Lead { port_id: PortId, fixed_ip_address: Option<IpAddr> },
}

impl Wish {
    /// Reads a validated body of an update. One without any attribute parts: that was
    /// the way to say so before there was any other, and clients still do.
    ///
    /// # Errors
    /// As [`Wish::of`].
    pub fn of_update(body: &Body) -> Result<Self, Fault> {
        if body.given().next().is_none() { Ok(Self::Part) } else { Self::of(body) }
    }

    /// Reads a validated body.
    ///
    /// # Errors
    /// 400 for a fixed address without port.
    pub fn of(body: &Body) -> Result<Self, Fault> {
        let fixed_ip_address: Option<IpAddr> = body.parsed("fixed_ip_address");
        match body.change::<PortId>("port_id") {
            Some(Some(port_id)) => Ok(Self::Lead { port_id, fixed_ip_address }),
            _ if fixed_ip_address.is_some() => {
                Err(bad("fixed_ip_address cannot be specified without a port_id"))
            }
            Some(None) => Ok(Self::Part),
            None => Ok(Self::Keep),
        }
    }
}

/// Changes `floating_ip` as wished; the caller stores it. `existing` is false while
/// the floating IP is being made.
///
/// # Errors
/// 400, 404, 409; see reference/network-api-core §7.
pub async fn apply(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    floating_ip: &mut FloatingIp,
    existing: bool,
    wish: Wish,
) -> Result<(), Fault> {
    match wish {
        Wish::Keep => {}
        Wish::Part => {
            if floating_ip.association.take().is_some() {
                floating_ip.status = FloatingIpStatus::Down;
            }
        }
        Wish::Lead { .. } if !floating_ip.port_forwardings.is_empty() => {
            return Err(port_forwarding::rules::in_use(floating_ip));
        }
        Wish::Lead { port_id, fixed_ip_address } => {
            let port = visible_port(tx, app, caller, port_id).await?;
            if !caller.is_admin() {
                rules::check_same_project(floating_ip, existing, &port)?;
            }
            // Naming the port again means the address it leads to already.
            let current = floating_ip.association.as_ref().filter(|to| to.port_id == port_id);
            let wanted = fixed_ip_address.or(current.map(|to| to.fixed_ip_address));
            lead(tx, floating_ip, existing, port, wanted).await?;
        }
    }
    Ok(())
}

async fn lead(
    tx: &mut Tx,
    floating_ip: &mut FloatingIp,
    existing: bool,
    port: Port,
    wanted: Option<IpAddr>,
) -> Result<(), Fault> {
    let fixed = rules::fixed_address(&port, wanted)?;
    let network_id = floating_ip.floating_network_id;
    let router_id = store::router_between(tx, fixed.subnet_id, network_id)
        .await?
        .ok_or_else(|| rules::unreachable(network_id, fixed.subnet_id, port.id))?;
    // A new row meets the unique index instead; see `store::insert`.
    if existing && let Some(other) = store::leading_to(tx, floating_ip, port.id, fixed.ip_address).await? {
        return Err(rules::already_associated(floating_ip, port.id, fixed.ip_address, Some(other)));
    }
    floating_ip.association = Some(Association {
        port_id: port.id,
        fixed_ip_address: fixed.ip_address,
        router_id,
        port: port.into(),
    });
    Ok(())
}

/// The port, if the caller may see it.
///
/// # Errors
/// 404.
pub async fn visible_port(tx: &mut Tx, app: &App, caller: &Caller, id: PortId) -> Result<Port, Fault> {
    port::store::find(tx, id)
        .await?
        .filter(|found| app.policy.allows("get_port", caller, &port::policy::target(found)))
        .map(|found| found.port)
        .ok_or_else(|| port::rules::references::not_found(id))
}
