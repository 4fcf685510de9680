//! Values of single attributes: checked once, canonical afterwards (N09).

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::Body;
use isospin_api_kit::attribute::check;
use serde_json::{Map, Value, json};

use super::super::model::{AllocationPool, HostRoute};
use super::super::store;
use crate::prefix;

/// 4 or 6.
pub fn ip_version(value: &Value) -> Result<Value, String> {
    match check::integer(value, i64::MIN, i64::MAX)? {
        version @ (4 | 6) => Ok(Value::from(version)),
        other => Err(format!("'{other}' is not in [4, 6]")),
    }
}

/// A prefix with its host bits cleared.
pub fn cidr(value: &Value) -> Result<Value, String> {
    let net = check::cidr(value)?;
    // Larger prefixes begin at `::`, which rules refuse for all of them.
    if prefix::covers_mapped_ipv4(&net) && !net.network().is_unspecified() {
        return Err(format!("'{net}' covers IPv4-mapped addresses"));
    }
    Ok(Value::String(net.to_string()))
}

/// Distinct addresses of name servers; null counts as none.
pub fn dns_nameservers(value: &Value) -> Result<Value, String> {
    check::list(value, |item| match check::ip(item) {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("'{}' is not a valid nameserver", check::plain(item))),
    })
}

/// Distinct routes `{destination, nexthop}`; null counts as none.
pub fn host_routes(value: &Value) -> Result<Value, String> {
    let mut seen = BTreeSet::new();
    let mut routes = Vec::new();
    for item in items(value)? {
        let [destination, nexthop] = pair(item, ["destination", "nexthop"])
            .ok_or_else(|| format!("Invalid data format for hostroute: '{}'", check::plain(item)))?;
        let route = HostRoute { destination: route_destination(destination)?, nexthop: check::ip(nexthop)? };
        if !seen.insert(route) {
            return Err(format!("Duplicate hostroute '{}'", check::plain(item)));
        }
        routes.push(route);
    }
    Ok(store::route_list(&routes))
}

fn route_destination(value: &Value) -> Result<IpNet, String> {
    let net = value.as_str().and_then(|text| text.parse::<IpNet>().ok());
    let Some(net) = net else { return Err(format!("'{}' is not a valid IP subnet", check::plain(value))) };
    if net != net.trunc() {
        return Err(format!("'{net}' is not a network address, '{}' is recommended", net.trunc()));
    }
    if net.addr().is_loopback() {
        return Err(format!("'{net}' is a loopback network"));
    }
    Ok(net)
}

/// Pools `{start, end}`, in the order given.
pub fn allocation_pools(value: &Value) -> Result<Value, String> {
    let mut pools = Vec::new();
    for item in items(value)? {
        let [start, end] = pair(item, ["start", "end"])
            .ok_or_else(|| format!("Invalid data format for IP pool: '{}'", check::plain(item)))?;
        pools.push(json!({"start": check::ip(start)?.to_string(), "end": check::ip(end)?.to_string()}));
    }
    Ok(Value::Array(pools))
}

fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        other => Err(format!("'{}' is not a list", check::plain(other))),
    }
}

/// The two values of a dictionary that has exactly these keys.
fn pair<'v>(item: &'v Value, keys: [&str; 2]) -> Option<[&'v Value; 2]> {
    let object: &Map<String, Value> = item.as_object().filter(|object| object.len() == 2)?;
    Some([object.get(keys[0])?, object.get(keys[1])?])
}

/// The id of a subnet pool. Prefixes delegated from outside are not offered.
pub fn subnet_pool(value: &Value) -> Result<Value, String> {
    match value.as_str() {
        Some("prefix_delegation") => {
            Err("'prefix_delegation' is not supported by this cloud: give the id of a \
             subnet pool, or a cidr"
                .to_owned())
        }
        _ => check::uuid(value).map(Value::String),
    }
}

/// `dns_nameservers` of a body, if given or defaulted.
pub(super) fn addresses_of(body: &Body) -> Option<Vec<IpAddr>> {
    let texts = body.texts("dns_nameservers")?;
    Some(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// `host_routes` of a body, if given or defaulted.
pub(super) fn routes_of(body: &Body) -> Option<Vec<HostRoute>> {
    let parsed = |item: &Value| {
        Some(HostRoute {
            destination: item["destination"].as_str()?.parse().ok()?,
            nexthop: item["nexthop"].as_str()?.parse().ok()?,
        })
    };
    Some(body.list("host_routes")?.iter().filter_map(parsed).collect())
}

/// `allocation_pools` of a body, if given.
pub(super) fn pools_of(body: &Body) -> Option<Vec<AllocationPool>> {
    let parsed = |item: &Value| {
        Some(AllocationPool {
            start: item["start"].as_str()?.parse().ok()?,
            end: item["end"].as_str()?.parse().ok()?,
        })
    };
    Some(body.list("allocation_pools")?.iter().filter_map(parsed).collect())
}
