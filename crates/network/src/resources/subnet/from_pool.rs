//! Where a new subnet has its prefix from: the client, or a subnet pool.

use std::fmt::Display;
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::{Body, Caller, Fault, FaultType};
use isospin_store_kit::Tx;

use super::rules::{self, Prefix};
use super::store;
use crate::App;
use crate::resources::network::model::Network;
use crate::resources::subnet_pool::model::SubnetPool;
use crate::resources::subnet_pool::{self, Request};

/// The prefix a POST asks for; taken out of its pool, if it names one.
///
/// # Errors
/// 400 for what cannot be meant, 404 for a hidden pool, 409 when nothing fits.
pub async fn prefix(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    project_id: &str,
    network: &Network,
    body: &Body,
) -> Result<Prefix, Fault> {
    let cidr: Option<IpNet> = body.parsed("cidr");
    let ip_version = if body.int("ip_version") == Some(6) { 6 } else { 4 };
    if let Some(cidr) = cidr {
        rules::check_family(cidr, ip_version)?;
        if body.int("prefixlen").is_some() {
            return Err(bad("cidr and prefixlen must not be supplied together"));
        }
    }
    let others = store::members(tx, network.id, ip_version).await?;
    let Some(pool) = pool(tx, app, caller, body, ip_version).await? else {
        let cidr = cidr.ok_or_else(|| bad("a subnetpool must be specified in the absence of a cidr"))?;
        rules::check_affinity(&others, None, None)?;
        return Ok(Prefix { cidr, subnetpool_id: None, any: false });
    };
    rules::check_affinity(&others, Some(pool.id), pool.address_scope_id)?;
    let request = match cidr {
        Some(cidr) => Request::Exactly(cidr),
        None => without_cidr(body, ip_version)?,
    };
    let cidr = subnet_pool::allocate(tx, &pool, project_id, request).await?;
    Ok(Prefix { cidr, subnetpool_id: Some(pool.id), any: matches!(request, Request::Any(_)) })
}

/// The pool a POST names or means.
async fn pool(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    body: &Body,
    ip_version: u8,
) -> Result<Option<SubnetPool>, Fault> {
    let use_default = body.flag("use_default_subnetpool").unwrap_or(false);
    match body.text("subnetpool_id") {
        Some(_) if use_default => {
            Err(bad("subnetpool_id and use_default_subnetpool cannot both be specified"))
        }
        Some(id) => Ok(Some(subnet_pool::usable(tx, app, caller, id, ip_version).await?)),
        None if use_default => match subnet_pool::usable_default(tx, app, caller, ip_version).await? {
            Some(pool) => Ok(Some(pool)),
            None => Err(bad(format!("No default subnetpool found for IPv{ip_version}"))),
        },
        None => Ok(None),
    }
}

/// Any prefix of a length, or the one the gateway is in.
fn without_cidr(body: &Body, ip_version: u8) -> Result<Request, Fault> {
    if body.has("allocation_pools") {
        return Err(bad("allocation_pools allowed only for specific subnet requests"));
    }
    let length = body.int("prefixlen").and_then(|length| u8::try_from(length).ok());
    match body.parsed::<IpAddr>("gateway_ip") {
        None => Ok(Request::Any(length)),
        Some(gateway) if gateway.is_ipv4() == (ip_version == 4) => Ok(Request::Around(gateway, length)),
        Some(gateway) => Err(rules::wrong_family("gateway_ip", gateway, ip_version)),
    }
}

fn bad(reason: impl Display) -> Fault {
    Fault::new(FaultType::BadRequest, format!("Bad subnets request: {reason}."))
}
