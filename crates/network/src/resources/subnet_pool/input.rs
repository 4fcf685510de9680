//! What clients say about subnet pools: checks of single values, and bodies of the
//! actions, which have no resource key.

use ipnet::IpNet;
use isospin_api_kit::Fault;
use isospin_api_kit::attribute::check;
use isospin_types::NetworkId;
use serde_json::{Map, Value};

use crate::prefix;

/// Distinct prefixes with their host bits cleared; null counts as none.
pub fn prefixes(value: &Value) -> Result<Value, String> {
    check::list(value, |item| {
        let net = check::cidr(item)?;
        if prefix::covers_mapped_ipv4(&net) {
            return Err(format!("'{net}' covers IPv4-mapped addresses"));
        }
        Ok(net.to_string())
    })
}

/// Prefixes as JSON.
#[must_use]
pub fn prefix_list(prefixes: &[IpNet]) -> Value {
    prefixes.iter().map(ToString::to_string).collect()
}

/// The prefixes of a canonical list.
#[must_use]
pub fn parsed(prefixes: &[Value]) -> Vec<IpNet> {
    prefixes.iter().filter_map(|item| item.as_str()?.parse().ok()).collect()
}

/// The body of `add_prefixes` and `remove_prefixes`.
///
/// # Errors
/// 400 unless it has a list of prefixes that is not empty, and nothing else.
pub fn prefixes_of(bytes: &[u8]) -> Result<Vec<IpNet>, Fault> {
    let document = document(bytes, &["prefixes"])?;
    let Some(given @ Value::Array(items)) = document.get("prefixes") else { return Err(no_prefixes()) };
    if items.is_empty() {
        return Err(no_prefixes());
    }
    let canonical = prefixes(given).map_err(|reason| Fault::invalid_attribute("prefixes", reason))?;
    Ok(parsed(canonical.as_array().map(Vec::as_slice).unwrap_or_default()))
}

fn no_prefixes() -> Fault {
    Fault::bad_request("Request body contains invalid data")
        .with_detail("It must be {\"prefixes\": [\"10.0.0.0/16\", …]} with at least one prefix.")
}

/// The body of `onboard_network_subnets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onboarding {
    pub network_id: NetworkId,
    /// Given by some clients; can only be the pool's.
    pub ip_version: Option<i64>,
}

impl Onboarding {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 without a network, for a value that cannot be, or anything else in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let document = document(bytes, &["network_id", "ip_version"])?;
        let Some(given) = document.get("network_id") else {
            return Err(Fault::invalid_input("network_id must be specified"));
        };
        let invalid = |reason| Fault::invalid_attribute("network_id", reason);
        let text = check::uuid(given).map_err(invalid)?;
        let network_id = text.parse().map_err(|error| invalid(format!("{error}")))?;
        let ip_version = document
            .get("ip_version")
            .filter(|value| !value.is_null())
            .map(|value| check::integer(value, 4, 6))
            .transpose()
            .map_err(|reason| Fault::invalid_attribute("ip_version", reason))?;
        Ok(Self { network_id, ip_version })
    }
}

/// A JSON object with no other keys than these.
fn document(bytes: &[u8], known: &[&str]) -> Result<Map<String, Value>, Fault> {
    let Ok(Value::Object(document)) = serde_json::from_slice(bytes) else {
        return Err(Fault::bad_request("Body contains invalid data"));
    };
    let unknown: Vec<&str> =
        document.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
    if unknown.is_empty() {
        return Ok(document);
    }
    Err(Fault::bad_request(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))))
}
