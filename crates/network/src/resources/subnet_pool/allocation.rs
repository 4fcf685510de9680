//! Prefixes for subnets, on the pool's terms. Two servers cannot take the same one: units of
//! work run one at a time (docs/adr/0001-one-writer.md).

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::{Session, Tx};

use super::handlers::visible;
use super::model::SubnetPool;
use super::{prefixes, rules, store, target};
use crate::App;
use crate::resources::rbac_policy::Access;

/// What a new subnet wants of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Any prefix, of this length or of the pool's default.
    Any(Option<u8>),
    /// The prefix that this address is in, of this length or of the pool's default.
    Around(IpAddr, Option<u8>),
    /// This prefix.
    Exactly(IpNet),
}

/// Takes a prefix for a subnet of the project.
///
/// # Errors
/// 400 for a length outside of the pool's bounds; 409 when the project has had its
/// share, or nothing that fits is free.
pub async fn allocate(
    tx: &mut Tx,
    pool: &SubnetPool,
    project_id: &str,
    request: Request,
) -> Result<IpNet, Fault> {
    let prefixlen = rules::prefix_length(pool, request.length())?;
    if pool.default_quota.is_some() {
        let has = store::allocated_to(tx, pool.id, project_id).await?;
        rules::check_quota(pool, &has, prefixlen)?;
    }
    match request {
        Request::Any(_) => take_any(tx, pool, prefixlen).await,
        Request::Around(address, _) => {
            let net = IpNet::new(address, prefixlen).map_err(|_| rules::not_free(pool, address))?;
            take(tx, pool, net.trunc()).await
        }
        Request::Exactly(net) => take(tx, pool, net).await,
    }
}

impl Request {
    fn length(self) -> Option<u8> {
        match self {
            Self::Any(length) | Self::Around(_, length) => length,
            Self::Exactly(net) => Some(net.prefix_len()),
        }
    }
}

async fn take_any(tx: &mut Tx, pool: &SubnetPool, prefixlen: u8) -> Result<IpNet, Fault> {
    prefixes::take_any(tx, pool.id, pool.is_ipv4(), prefixlen).await?.ok_or_else(|| {
        rules::no_room(format!("Insufficient prefix space to allocate subnet size /{prefixlen}"))
            .with_detail(format!("Subnet pool {} has no free prefix of this size.", pool.id))
    })
}

async fn take(tx: &mut Tx, pool: &SubnetPool, net: IpNet) -> Result<IpNet, Fault> {
    if prefixes::take(tx, pool.id, net).await? { Ok(net) } else { Err(rules::not_free(pool, net)) }
}

/// The pool of this id for a subnet of this family, if the caller may use it: who sees a
/// pool may.
///
/// # Errors
/// 404; 400 for a pool of the other family.
pub async fn usable(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
    ip_version: u8,
) -> Result<SubnetPool, Fault> {
    let pool = visible(session, app, caller, "get_subnetpool", id).await?.pool;
    rules::check_serves(&pool, ip_version)?;
    Ok(pool)
}

/// The default pool of the family, if there is one that the caller may use.
///
/// # Errors
/// The store's.
pub async fn usable_default(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    ip_version: u8,
) -> Result<Option<SubnetPool>, Fault> {
    let Some(pool) = store::default(session, ip_version).await? else { return Ok(None) };
    let access = Access::of(session, &caller.project_id, pool.id).await?;
    let may = app.policy.allows("get_subnetpool", caller, &target(&pool, access.shared));
    Ok(may.then_some(pool))
}
