//! What the subnets of one network have in common: a pool, or an address scope.

use isospin_api_kit::{Fault, FaultType};
use isospin_types::{AddressScopeId, SubnetId, SubnetPoolId};

/// A subnet of a network, and where its addresses belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub subnet_id: SubnetId,
    pub pool: Option<SubnetPoolId>,
    /// Of the pool.
    pub scope: Option<AddressScopeId>,
}

/// Refuses a subnet beside others of its family that are neither of the same pool
/// (or like it of none) nor of the same address scope.
///
/// # Errors
/// 400 naming one of the others.
pub fn check_affinity(
    others: &[Member],
    pool: Option<SubnetPoolId>,
    scope: Option<AddressScopeId>,
) -> Result<(), Fault> {
    let fits = |other: &&Member| other.pool == pool || (scope.is_some() && other.scope == scope);
    let Some(other) = others.iter().find(|other| !fits(other)) else { return Ok(()) };
    let fault = if pool.is_some() && other.scope.is_some() { several_scopes() } else { several_pools() };
    let whose = match other.pool {
        Some(pool) => format!("is of subnet pool {pool}"),
        None => "is of no subnet pool".to_owned(),
    };
    Err(fault.with_detail(format!("Subnet {} of the network {whose}.", other.subnet_id)))
}

/// 400: the network's subnets would be in several address scopes.
#[must_use]
pub fn several_scopes() -> Fault {
    Fault::new(
        FaultType::NetworkAddressScopeAffinityError,
        "Subnets of the same address family hosted on the same network must all participate in the same address \
         scope.",
    )
}

fn several_pools() -> Fault {
    Fault::new(
        FaultType::NetworkSubnetPoolAffinityError,
        "Subnets hosted on the same network must be allocated from the same subnet pool.",
    )
}
