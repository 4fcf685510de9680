//! Checks and decisions about address groups, without database.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::{AddressGroupId, SecurityGroupRuleId};
use serde_json::{Map, Value};

use super::model::AddressGroup;

/// A list of prefixes, without host bits and each once. An address has to be written
/// as the prefix of its full length, as Neutron wants it of a POST (`subnet_list`).
pub fn addresses(value: &Value) -> Result<Value, String> {
    let nets = prefixes(value, check::cidr)?;
    Ok(nets.iter().map(ToString::to_string).collect())
}

fn prefixes(
    value: &Value,
    read: impl Fn(&Value) -> Result<IpNet, String>,
) -> Result<BTreeSet<IpNet>, String> {
    match value {
        Value::Array(items) => items.iter().map(read).collect(),
        other => Err(format!("'{}' is not a list", check::plain(other))),
    }
}

/// What the actions take besides: an address alone.
fn prefix_or_address(value: &Value) -> Result<IpNet, String> {
    match value.as_str().and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(single) => Ok(IpNet::from(single)),
        None => check::cidr(value),
    }
}

/// The prefixes of a list that was checked.
#[must_use]
pub fn nets(list: &Value) -> BTreeSet<IpNet> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter_map(|text| text.parse().ok())
        .collect()
}

/// The group a POST describes.
#[must_use]
pub fn create(body: &Body, project_id: String, now: String) -> AddressGroup {
    AddressGroup {
        id: AddressGroupId::random(),
        project_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        addresses: body.get("addresses").map(nets).unwrap_or_default(),
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    }
}

/// The addresses that the body of an action names.
///
/// # Errors
/// 400 for anything but a list of prefixes and addresses.
pub fn named(bytes: &[u8]) -> Result<BTreeSet<IpNet>, Fault> {
    let document: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|_| Fault::bad_request("Body contains invalid data"))?;
    let given = document
        .get("addresses")
        .ok_or_else(|| Fault::bad_request("Unable to find 'addresses' in request body"))?;
    if let Some(other) = document.keys().find(|name| *name != "addresses") {
        return Err(Fault::bad_request(format!("Unrecognized attribute(s) '{other}'")));
    }
    prefixes(given, prefix_or_address).map_err(|reason| Fault::invalid_attribute("addresses", reason))
}

/// 404, also for groups hidden from the caller.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(FaultType::AddressGroupNotFound, format!("Address group {id} could not be found."))
}

/// 400: the group has these addresses.
#[must_use]
pub fn already_there(id: AddressGroupId, addresses: &BTreeSet<IpNet>) -> Fault {
    Fault::new(
        FaultType::AddressesAlreadyExist,
        format!("Addresses {} already exist in the address group {id}.", listed(addresses)),
    )
}

/// 404: the group has no such addresses.
#[must_use]
pub fn not_there(id: AddressGroupId, addresses: &BTreeSet<IpNet>) -> Fault {
    Fault::new(
        FaultType::AddressesNotFound,
        format!("Addresses {} not found in the address group {id}.", listed(addresses)),
    )
}

fn listed(addresses: &BTreeSet<IpNet>) -> String {
    let texts: Vec<String> = addresses.iter().map(|net| format!("'{net}'")).collect();
    format!("[{}]", texts.join(", "))
}

/// 409: rules name the group.
#[must_use]
pub fn in_use(id: AddressGroupId, rules: &[SecurityGroupRuleId]) -> Fault {
    Fault::new(
        FaultType::AddressGroupInUse,
        format!("Address group {id} is in use on one or more security group rules."),
    )
    .blocked_by("security_group_rule", rules)
}
