//! Checks and decisions about subnet pools, without database (reference §5).

use std::fmt::Display;

use ipnet::IpNet;
use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::{AddressScopeId, NetworkId, SubnetId, SubnetPoolId};

use super::model::{Lengths, SubnetPool, SubnetPoolDetails};
use super::prefixes;
use super::{TYPE, input};
use crate::resources::subnet::{self, model::Subnet};
use crate::{prefix, ranges};

/// 404, also for pools hidden from the caller.
pub fn not_found(id: impl Display) -> Fault {
    Fault::new(FaultType::SubnetPoolNotFound, format!("Subnet pool {id} could not be found."))
}

/// The pool a POST describes, and its prefixes.
///
/// # Errors
/// 400 for prefixes and lengths that cannot be.
pub fn create(body: &Body, project_id: String, now: String) -> Result<(SubnetPool, Vec<IpNet>), Fault> {
    let given = input::parsed(body.list("prefixes").unwrap_or_default());
    let ip_version = family(&given)?;
    let pool = SubnetPool {
        id: SubnetPoolId::random(),
        project_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        ip_version,
        lengths: lengths(body, None, ip_version)?,
        is_default: body.flag("is_default").unwrap_or(false),
        default_quota: body.int("default_quota"),
        address_scope_id: body.parsed("address_scope_id"),
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    };
    Ok((pool, prefixes::compact(prefixes::ranges_of(&given))))
}

/// The pool as a PUT wants it, with the revision it has now, and its prefixes.
///
/// # Errors
/// 400 for prefixes and lengths that cannot be, and for prefixes left out.
pub fn update(current: &SubnetPoolDetails, body: &Body) -> Result<(SubnetPool, Vec<IpNet>), Fault> {
    let mut pool = current.pool.clone();
    if let Some(name) = body.text("name") {
        name.clone_into(&mut pool.name);
    }
    if let Some(description) = body.text("description") {
        description.clone_into(&mut pool.description);
    }
    if let Some(is_default) = body.flag("is_default") {
        pool.is_default = is_default;
    }
    if body.has("default_quota") {
        pool.default_quota = body.int("default_quota");
    }
    if let Some(address_scope_id) = body.change("address_scope_id") {
        pool.address_scope_id = address_scope_id;
    }
    pool.lengths = lengths(body, Some(pool.lengths), pool.ip_version)?;
    let prefixes = match body.list("prefixes") {
        Some(given) => with_all(current, input::parsed(given))?,
        None => current.prefixes.clone(),
    };
    Ok((pool, prefixes))
}

/// The prefixes a PUT gives, which must hold all that the pool has.
fn with_all(current: &SubnetPoolDetails, given: Vec<IpNet>) -> Result<Vec<IpNet>, Fault> {
    let (old, new) = (prefixes::ranges_of(&current.prefixes), prefixes::ranges_of(&given));
    if !ranges::difference(old, new.clone()).is_empty() {
        return Err(prefixes_stay("Existing prefixes must be a subset of the new prefixes"));
    }
    if family(&given)? != current.pool.ip_version {
        return Err(mixed());
    }
    Ok(prefixes::compact(new))
}

/// The prefixes of the pool and these.
///
/// # Errors
/// 400 for those of another family.
pub fn with_more(current: &SubnetPoolDetails, more: &[IpNet]) -> Result<Vec<IpNet>, Fault> {
    if !more.is_empty() && family(more)? != current.pool.ip_version {
        return Err(mixed());
    }
    let mut all = prefixes::ranges_of(&current.prefixes);
    all.extend(prefixes::ranges_of(more));
    Ok(prefixes::compact(all))
}

/// 4 or 6, whichever all prefixes are of.
fn family(prefixes: &[IpNet]) -> Result<u8, Fault> {
    let is_ipv4 = |net: &IpNet| net.addr().is_ipv4();
    match prefixes {
        [] => Err(Fault::new(FaultType::EmptySubnetPoolPrefixList, "Empty subnet pool prefix list.")),
        nets if nets.iter().all(is_ipv4) => Ok(4),
        nets if !nets.iter().any(is_ipv4) => Ok(6),
        _ => Err(mixed()),
    }
}

fn mixed() -> Fault {
    Fault::new(FaultType::PrefixVersionMismatch, "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
}

/// The lengths a body gives, over those the pool has or the defaults of its family.
fn lengths(body: &Body, current: Option<Lengths>, ip_version: u8) -> Result<Lengths, Fault> {
    let (least, most) = if ip_version == 4 { (8, 32) } else { (64, 128) };
    let stored = |of: fn(Lengths) -> u8| current.map(|lengths| i64::from(of(lengths)));
    let min = body.int("min_prefixlen").or_else(|| stored(|lengths| lengths.min)).unwrap_or(least);
    let max = body.int("max_prefixlen").or_else(|| stored(|lengths| lengths.max)).unwrap_or(most);
    let default = body.int("default_prefixlen").or_else(|| stored(|lengths| lengths.default)).unwrap_or(min);
    for (name, length, base_name, base, fits) in [
        ("min_prefixlen", min, "max_prefixlen", max, min <= max),
        ("max_prefixlen", max, "ip_version_max", most, max <= most),
        ("default_prefixlen", default, "min_prefixlen", min, default >= min),
        ("default_prefixlen", default, "max_prefixlen", max, default <= max),
    ] {
        if !fits {
            return Err(Fault::new(
                FaultType::IllegalSubnetPoolPrefixBounds,
                format!("Illegal prefix bounds: {name}={length}, {base_name}={base}."),
            ));
        }
    }
    // Nothing is above 128 now.
    let small = |length: i64| u8::try_from(length).unwrap_or(u8::MAX);
    Ok(Lengths { min: small(min), default: small(default), max: small(max) })
}

/// The length of a new prefix: the wanted one, else the pool's default.
///
/// # Errors
/// 400 naming the bound it is outside of.
pub fn prefix_length(pool: &SubnetPool, wanted: Option<u8>) -> Result<u8, Fault> {
    let prefixlen = wanted.unwrap_or(pool.lengths.default);
    let refused = |kind, word: &str, bound: u8| {
        Err(Fault::new(
            kind,
            format!(
                "Unable to allocate subnet with prefix length {prefixlen}, {word} allowed prefix is {bound}."
            ),
        ))
    };
    let Lengths { min, max, .. } = pool.lengths;
    if prefixlen > max {
        return refused(FaultType::MaxPrefixSubnetAllocationError, "maximum", max);
    }
    if prefixlen < min {
        return refused(FaultType::MinPrefixSubnetAllocationError, "minimum", min);
    }
    Ok(prefixlen)
}

/// Refuses a prefix more than the project may have, beside those it has. No limit
/// and a limit of 0 are the same, as clients know it.
///
/// # Errors
/// 409 `SubnetPoolQuotaExceeded`.
pub fn check_quota(pool: &SubnetPool, has: &[IpNet], wanted: u8) -> Result<(), Fault> {
    let Some(quota) = pool.default_quota.filter(|quota| *quota > 0) else { return Ok(()) };
    let bits: u8 = if pool.is_ipv4() { 32 } else { 128 };
    // Addresses, so that prefixes longer than the unit of IPv6, a /64, count as well.
    let addresses = |prefixlen: u8| match bits.saturating_sub(prefixlen) {
        128 => u128::MAX,
        free => 1_u128 << free,
    };
    let unit = if pool.is_ipv4() { 1 } else { addresses(64) };
    let used = has.iter().map(|net| addresses(net.prefix_len())).fold(0, u128::saturating_add);
    let limit = unit.saturating_mul(u128::try_from(quota).unwrap_or_default());
    if used.saturating_add(addresses(wanted)) <= limit {
        return Ok(());
    }
    let what = if pool.is_ipv4() { "addresses" } else { "/64 prefixes" };
    Err(Fault::new(FaultType::SubnetPoolQuotaExceeded, "Per-project subnet pool prefix quota exceeded.")
        .with_detail(format!("Each project may have {quota} {what} of subnet pool {}.", pool.id)))
}

/// 409: no free prefix does.
#[must_use]
pub fn no_room(reason: impl Display) -> Fault {
    Fault::new(FaultType::SubnetAllocationError, format!("Failed to allocate subnet: {reason}."))
}

/// 409: this address or prefix is another's already, or none of the pool's.
#[must_use]
pub fn not_free(pool: &SubnetPool, what: impl Display) -> Fault {
    no_room("Cannot allocate requested subnet from the available set of prefixes")
        .with_detail(format!("{what} is not free in subnet pool {}.", pool.id))
}

/// Refuses subnets of the family the pool is not of.
///
/// # Errors
/// 400.
pub fn check_serves(pool: &SubnetPool, ip_version: u8) -> Result<(), Fault> {
    if pool.ip_version == ip_version {
        return Ok(());
    }
    let reason = format!("Cannot allocate IPv{ip_version} subnet from IPv{} subnet pool", pool.ip_version);
    Err(Fault::new(FaultType::BadRequest, format!("Bad subnets request: {reason}.")))
}

/// 400: these subnets are of the pool.
#[must_use]
pub fn has_allocations(subnets: &[SubnetId]) -> Fault {
    Fault::new(
        FaultType::SubnetPoolDeleteError,
        "Unable to delete subnet pool: Subnet pool has existing allocations.",
    )
    .blocked_by("subnet", subnets)
}

/// 400: the prefixes stay as they are, for this reason.
fn prefixes_stay(reason: impl Display) -> Fault {
    Fault::new(FaultType::IllegalSubnetPoolPrefixUpdate, format!("Illegal update to prefixes: {reason}."))
}

/// 400: these subnets have some of the prefixes.
#[must_use]
pub fn prefixes_in_use(subnets: &[SubnetId]) -> Fault {
    prefixes_stay("One or more the prefixes to be removed is in use by a subnet")
        .blocked_by("subnet", subnets)
}

/// 400: only one pool of a family is the default.
#[must_use]
pub fn default_exists(other: SubnetPoolId) -> Fault {
    Fault::invalid_input(
        "A default subnetpool for this IP family has already been set. Only one default may exist per IP family",
    )
    .with_detail(format!("The default is subnet pool {other}."))
}

/// 400: pool and scope are of different families.
#[must_use]
pub fn wrong_scope(pool: SubnetPoolId, scope: AddressScopeId, ip_version: u8) -> Fault {
    Fault::new(
        FaultType::IllegalSubnetPoolIpVersionAssociationToAddressScope,
        format!(
            "Illegal subnetpool association: subnetpool {pool} cannot associate with address scope {scope} because \
             subnetpool ip_version is not {ip_version}."
        ),
    )
}

/// 400: the scope belongs to another project, which relies on what is in it.
#[must_use]
pub fn foreign_scope(pool: SubnetPoolId, scope: AddressScopeId) -> Fault {
    illegal_update(format!(
        "subnetpool {pool} cannot be updated when associated with shared address scope {scope}"
    ))
}

/// 400 `IllegalSubnetPoolUpdate`.
pub fn illegal_update(reason: impl Display) -> Fault {
    Fault::new(FaultType::IllegalSubnetPoolUpdate, format!("Illegal subnetpool update : {reason}."))
}

/// Whether the fault says that the pool, or a project's part of it, has nothing left.
#[must_use]
pub fn is_used_up(fault: &Fault) -> bool {
    matches!(fault.kind, FaultType::SubnetAllocationError | FaultType::SubnetPoolQuotaExceeded)
}

/// Refuses prefixes that pools of the scope have as well.
///
/// # Errors
/// 409 naming the pools.
pub fn check_scope_prefixes(
    prefixes_of_pool: &[IpNet],
    others: &[(SubnetPoolId, IpNet)],
) -> Result<(), Fault> {
    let blocking: Vec<String> = others
        .iter()
        .filter(|(_, other)| prefixes_of_pool.iter().any(|net| prefix::overlap(net, other)))
        .map(|(id, other)| format!("{id} with {other}"))
        .collect();
    if blocking.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::AddressScopePrefixConflict,
        "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.",
    )
    .blocked_by(TYPE.name, blocking))
}

/// 400: these subnets would stay behind in another scope.
#[must_use]
pub fn scope_split(subnets: &[SubnetId]) -> Fault {
    subnet::rules::several_scopes().blocked_by("subnet", subnets)
}

/// Refuses to onboard subnets of the family the pool is not of.
///
/// # Errors
/// 400.
pub fn check_family(pool: &SubnetPool, wanted: Option<i64>) -> Result<(), Fault> {
    let ip_version = pool.ip_version;
    match wanted.filter(|wanted| *wanted != i64::from(ip_version)) {
        Some(wanted) => Err(Fault::invalid_input(format!(
            "ip_version '{wanted}' is not that of the subnet pool, '{ip_version}'"
        ))),
        None => Ok(()),
    }
}

/// 403: only its owner brings the subnets of a network into a pool.
#[must_use]
pub fn foreign_network(id: NetworkId) -> Fault {
    Fault::new(FaultType::NotAuthorized, "Not authorized.")
        .with_detail(format!("Network {id} belongs to another project."))
}

/// Refuses a subnet whose addresses subnets of the pool have already.
///
/// # Errors
/// 400 naming the subnet.
pub fn check_free(pool: &SubnetPool, in_use: &[IpNet], subnet: &Subnet) -> Result<(), Fault> {
    if !in_use.iter().any(|net| net.contains(&subnet.cidr) || subnet.cidr.contains(net)) {
        return Ok(());
    }
    Err(illegal_update(format!(
        "Onboarding subnet {}: {} conflicts with allocated prefixes in subnet pool {}",
        subnet.id, subnet.cidr, pool.id
    )))
}
