//! What a subnet pool is inside the server.

use ipnet::IpNet;
use isospin_types::{AddressScopeId, SubnetPoolId};

/// Prefixes that subnets are cut from, and the terms for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPool {
    pub id: SubnetPoolId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    /// 4 or 6.
    pub ip_version: u8,
    pub lengths: Lengths,
    /// Used for subnets of its family whose client names no pool but wants one.
    pub is_default: bool,
    /// What each project may have: addresses of IPv4, /64s of IPv6; none = no limit.
    pub default_quota: Option<i64>,
    pub address_scope_id: Option<AddressScopeId>,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

/// The prefix lengths of subnets of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    pub min: u8,
    pub default: u8,
    pub max: u8,
}

impl SubnetPool {
    /// Whether its prefixes are of IPv4.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.ip_version == 4
    }
}

/// A pool with what an answer shows beside its own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPoolDetails {
    pub pool: SubnetPool,
    /// As few as can be, in order of address.
    pub prefixes: Vec<IpNet>,
    pub tags: Vec<String>,
    /// Whether the caller's project is among those it is opened to.
    pub shared: bool,
}
