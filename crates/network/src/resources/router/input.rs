//! What clients say about routers: checks of single values, and the typed form of
//! a request.

use std::collections::BTreeSet;

use ipnet::IpNet;
use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault};
use isospin_types::{NetworkId, PortId, QosPolicyId, SubnetId};
use serde_json::{Map, Value, json};

use super::model::Route;
use super::rules::bad;
use crate::resources::port::model::WantedIp;

/// A wish for the external gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRequest {
    pub network_id: NetworkId,
    /// `None` = as it was, or the configured default.
    pub enable_snat: Option<bool>,
    /// `None` = automatic, or as they were.
    pub fixed_ips: Option<Vec<WantedIp>>,
    /// `None` = as it was; `Some(None)` = none.
    pub qos_policy_id: Option<Option<QosPolicyId>>,
}

/// What a request wants of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayChange {
    Keep,
    Clear,
    Set(GatewayRequest),
}

/// What to attach or detach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceRequest {
    pub subnet_id: Option<SubnetId>,
    pub port_id: Option<PortId>,
}

impl GatewayChange {
    /// Reads a validated body.
    pub fn of(body: &Body) -> Self {
        if !body.has("external_gateway_info") {
            return Self::Keep;
        }
        let info = body.get("external_gateway_info").and_then(Value::as_object);
        let network_id = info.and_then(|info| parsed(info, "network_id"));
        let (Some(info), Some(network_id)) = (info, network_id) else { return Self::Clear };
        let fixed_ips = info.get("external_fixed_ips").and_then(Value::as_array).map(|items| {
            let entries = items.iter().filter_map(Value::as_object);
            entries
                .map(|entry| WantedIp {
                    subnet_id: parsed(entry, "subnet_id"),
                    ip: parsed(entry, "ip_address"),
                })
                .collect()
        });
        let enable_snat = info.get("enable_snat").and_then(Value::as_bool);
        let qos_policy_id = info.get("qos_policy_id").map(|_| parsed(info, "qos_policy_id"));
        Self::Set(GatewayRequest { network_id, enable_snat, fixed_ips, qos_policy_id })
    }
}

impl InterfaceRequest {
    /// Reads the body of `add_router_interface` or `remove_router_interface`.
    ///
    /// # Errors
    /// 400: no object, neither key, or a value that is no UUID.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let object = match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => object,
            _ => return Err(Fault::bad_request("Body contains invalid data")),
        };
        let subnet_id = id(&object, "subnet_id")?.and_then(|text| text.parse().ok());
        let port_id = id(&object, "port_id")?.and_then(|text| text.parse().ok());
        if subnet_id.is_none() && port_id.is_none() {
            return Err(bad("Either subnet_id or port_id must be specified"));
        }
        Ok(Self { subnet_id, port_id })
    }
}

fn id(object: &Map<String, Value>, key: &str) -> Result<Option<String>, Fault> {
    object.get(key).map(check::uuid).transpose().map_err(bad)
}

fn parsed<T: std::str::FromStr>(object: &Map<String, Value>, key: &str) -> Option<T> {
    object.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok())
}

/// The routes of a validated body, if given.
pub fn given_routes(body: &Body) -> Option<Vec<Route>> {
    if !body.has("routes") {
        return None;
    }
    let items = body.list("routes").unwrap_or_default().iter().filter_map(Value::as_object);
    let route = |item: &Map<String, Value>| {
        Some(Route { destination: parsed(item, "destination")?, nexthop: parsed(item, "nexthop")? })
    };
    Some(items.filter_map(route).collect())
}

/// Check of `distributed` and `ha`: kinds of router no loaded driver makes.
pub fn never(value: &Value) -> Result<Value, String> {
    if check::boolean(value)? {
        return Err(format!("'{value}' is not possible: no loaded driver makes such routers, only false is"));
    }
    Ok(Value::Bool(false))
}

/// Check of `external_gateway_info`; `{}` means no gateway.
pub fn gateway_info(value: &Value) -> Result<Value, String> {
    let object = dictionary(value, &["network_id", "enable_snat", "external_fixed_ips", "qos_policy_id"])?;
    if object.is_empty() {
        return Ok(value.clone());
    }
    let Some(network_id) = object.get("network_id") else {
        return Err("the key 'network_id' is missing".to_owned());
    };
    let mut canonical = Map::new();
    canonical.insert("network_id".to_owned(), Value::String(check::uuid(network_id)?));
    if let Some(flag) = object.get("enable_snat").filter(|flag| !flag.is_null()) {
        canonical.insert("enable_snat".to_owned(), Value::Bool(check::boolean(flag)?));
    }
    match object.get("qos_policy_id") {
        None => {}
        Some(Value::Null) => {
            canonical.insert("qos_policy_id".to_owned(), Value::Null);
        }
        Some(id) => {
            canonical.insert("qos_policy_id".to_owned(), Value::String(check::uuid(id)?));
        }
    }
    if let Some(wanted) = object.get("external_fixed_ips").filter(|wanted| !wanted.is_null()) {
        canonical.insert("external_fixed_ips".to_owned(), fixed_ips(wanted)?);
    }
    Ok(Value::Object(canonical))
}

fn fixed_ips(value: &Value) -> Result<Value, String> {
    let Value::Array(items) = value else {
        return Err(format!("'{}' is not a list", check::plain(value)));
    };
    let mut seen = BTreeSet::new();
    let mut canonical: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        let object = dictionary(item, &["subnet_id", "ip_address"])?;
        let mut entry = Map::new();
        if let Some(subnet) = object.get("subnet_id").filter(|subnet| !subnet.is_null()) {
            entry.insert("subnet_id".to_owned(), Value::String(check::uuid(subnet)?));
        }
        if let Some(address) = object.get("ip_address").filter(|address| !address.is_null()) {
            let address = check::ip(address)?;
            if !seen.insert(address) {
                return Err(format!("Duplicate IP address '{address}'"));
            }
            entry.insert("ip_address".to_owned(), Value::String(address.to_string()));
        }
        if entry.is_empty() {
            return Err("IP allocation requires subnet_id or ip_address".to_owned());
        }
        canonical.push(Value::Object(entry));
    }
    Ok(Value::Array(canonical))
}

/// Check of `routes`: a list of destinations (network addresses) and next hops of
/// the same family, each once.
pub fn routes(value: &Value) -> Result<Value, String> {
    let Value::Array(items) = value else {
        return Err(format!("Invalid data format for hostroute: '{}'", check::plain(value)));
    };
    let mut canonical = Vec::with_capacity(items.len());
    for item in items {
        let route = route(item)?;
        if canonical.contains(&route) {
            return Err(format!("Duplicate hostroute '{}'", check::plain(item)));
        }
        canonical.push(route);
    }
    Ok(Value::Array(canonical))
}

fn route(item: &Value) -> Result<Value, String> {
    let object = dictionary(item, &["destination", "nexthop"])?;
    let (Some(destination), Some(nexthop)) = (object.get("destination"), object.get("nexthop")) else {
        return Err(format!("Invalid data format for hostroute: '{}'", check::plain(item)));
    };
    let network = check::cidr(destination)?;
    let exact = destination.as_str().and_then(|text| text.parse::<IpNet>().ok());
    if exact != Some(network) {
        return Err(format!(
            "'{}' isn't a recognized IP subnet cidr, '{network}' is recommended",
            check::plain(destination)
        ));
    }
    let nexthop = check::ip(nexthop)?;
    if nexthop.is_ipv4() != network.addr().is_ipv4() {
        return Err(format!("'{nexthop}' and '{network}' are of different IP versions"));
    }
    Ok(json!({"destination": network.to_string(), "nexthop": nexthop.to_string()}))
}

fn dictionary<'v>(value: &'v Value, known: &[&str]) -> Result<&'v Map<String, Value>, String> {
    let Value::Object(object) = value else {
        return Err(format!("'{}' is not a dictionary", check::plain(value)));
    };
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(format!("'{unknown}' is not one of the keys '{}'", known.join("', '"))),
        None => Ok(object),
    }
}
