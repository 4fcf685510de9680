//! Prefixes for subnets, on the pool's terms. Two servers cannot take the same one: units of
//! work run one at a time (docs/adr/0001-one-writer.md).

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
    let prefixlen = match request {
        Request::Any(length) => rules::prefix_length(pool, length)?,
        Request::Exactly(net) => rules::prefix_length(pool, Some(net.prefix_len()))?,
    };
    if pool.default_quota.is_some() {
        let has = store::allocated_to(tx, pool.id, project_id).await?;
        rules::check_quota(pool, &has, prefixlen)?;
    }
    match request {
        Request::Any(_) => {
            prefixes::take_any(tx, pool.id, pool.is_ipv4(), prefixlen).await?.ok_or_else(|| {
                rules::no_room(format!("Insufficient prefix space to allocate subnet size /{prefixlen}"))
                    .with_detail(format!("Subnet pool {} has no free prefix of this size.", pool.id))
            })
        }
        Request::Exactly(net) if prefixes::take(tx, pool.id, net).await? => Ok(net),
        Request::Exactly(net) => {
            Err(rules::no_room("Cannot allocate requested subnet from the available set of prefixes")
                .with_detail(format!("{net} is not free in subnet pool {}.", pool.id)))
        }
    }
}

/// The pool of this id, if the caller may use it: who sees a pool may.
///
/// # Errors
/// 404.
pub async fn usable(
    session: &mut Session,
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<SubnetPool, Fault> {
    Ok(visible(session, app, caller, "get_subnetpool", id).await?.pool)
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
