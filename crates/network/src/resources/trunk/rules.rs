//! Checks and decisions about trunks: pure.

use std::collections::BTreeSet;

use isospin_api_kit::attribute::check;
use isospin_api_kit::{Fault, FaultType};
use isospin_types::{PortId, TrunkId};
use serde_json::{Map, Value, json};

use super::model::{Trunk, TrunkStatus, VLAN, WantedSubPort};

/// Kind of tag that is the VLAN of the port's network.
const INHERIT: &str = "inherit";

/// 404 for a trunk that is not there, or hidden from the caller.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::TrunkNotFound, format!("Trunk {id} could not be found."))
}

/// 404: the port is not part of the trunk.
#[must_use]
pub fn no_such_subport(trunk_id: TrunkId, port_id: PortId) -> Fault {
    Fault::new(
        FaultType::SubPortNotFound,
        format!("SubPort on trunk {trunk_id} with parent port {port_id} could not be found."),
    )
}

/// 409: the port cannot be a parent.
#[must_use]
pub fn parent_in_use(id: PortId, trunk: Option<TrunkId>) -> Fault {
    Fault::new(
        FaultType::ParentPortInUse,
        format!("Port {id} is currently in use and is not eligible for use as a parent port."),
    )
    .blocked_by("trunk", trunk)
}

/// 409: the port is part of a trunk.
#[must_use]
pub fn port_in_trunk(id: PortId, other: Option<TrunkId>) -> Fault {
    Fault::new(FaultType::TrunkPortInUse, format!("Port {id} is in use by another trunk."))
        .blocked_by("trunk", other)
}

/// 409: another port of the trunk has the tag.
#[must_use]
pub fn duplicate(trunk_id: TrunkId, segmentation_id: u16) -> Fault {
    Fault::new(
        FaultType::DuplicateSubPort,
        format!(
            "segmentation_type {VLAN} and segmentation_id {segmentation_id} already in use on trunk {trunk_id}."
        ),
    )
}

/// 409: larger packets than the parent can carry.
#[must_use]
pub fn mtu(port_id: PortId, port_mtu: u32, trunk_port: PortId, trunk_mtu: u32) -> Fault {
    Fault::new(
        FaultType::SubPortMtuGreaterThanTrunkPortMtu,
        format!(
            "MTU {port_mtu} of subport {port_id} cannot be greater than MTU {trunk_mtu} of trunk {trunk_port}."
        ),
    )
}

/// 409: the port cannot go while it is the parent of a trunk.
#[must_use]
pub fn is_parent(port_id: PortId, trunk_id: TrunkId) -> Fault {
    Fault::new(
        FaultType::PortInUseAsTrunkParent,
        format!("Port {port_id} is currently a parent port for trunk {trunk_id}."),
    )
}

/// 409: the port cannot go while it is part of a trunk.
#[must_use]
pub fn is_subport(port_id: PortId, trunk_id: TrunkId) -> Fault {
    Fault::new(
        FaultType::PortInUseAsSubPort,
        format!("Port {port_id} is currently a subport for trunk {trunk_id}."),
    )
}

/// 409: the parent is wired.
#[must_use]
pub fn in_use(id: TrunkId, parent: PortId) -> Fault {
    Fault::new(FaultType::TrunkInUse, format!("Trunk {id} is currently in use."))
        .blocked_by("bound port", [parent])
}

/// Refuses changes of a trunk that is administratively down.
///
/// # Errors
/// 409 `TrunkDisabled`.
pub fn check_enabled(trunk: &Trunk) -> Result<(), Fault> {
    if trunk.admin_state_up {
        return Ok(());
    }
    Err(Fault::new(FaultType::TrunkDisabled, format!("Trunk {} is currently disabled.", trunk.id)))
}

/// Refuses more ports for a trunk that cannot be wired as it is.
///
/// # Errors
/// 409 `TrunkInErrorState`.
pub fn check_sound(trunk: &Trunk) -> Result<(), Fault> {
    if trunk.status != TrunkStatus::Error {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::TrunkInErrorState,
        format!(
            "Trunk {} is in error state. Attempt to resolve the error condition before proceeding.",
            trunk.id
        ),
    ))
}

/// Check of `sub_ports`: a list of ports, each once, with the tag each has.
pub fn sub_ports(value: &Value) -> Result<Value, String> {
    entries(value, true)
}

/// Check of the ports to be taken out of a trunk: tags may be left out.
pub fn leaving(value: &Value) -> Result<Value, String> {
    entries(value, false)
}

fn entries(value: &Value, tagged: bool) -> Result<Value, String> {
    let Value::Array(items) = value else {
        return Err(format!("Invalid data format for subports: '{}' is not a list", check::plain(value)));
    };
    let mut canonical: Vec<Value> = Vec::with_capacity(items.len());
    let (mut ports, mut tags) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        let Value::Object(object) = item else {
            return Err(format!(
                "Invalid data format for subport: '{}' is not a dictionary",
                check::plain(item)
            ));
        };
        let entry = entry(object, tagged)?;
        if !ports.insert(entry["port_id"].as_str().map(str::to_owned)) {
            return Err(format!("port ID '{}' specified more than once", check::plain(&entry["port_id"])));
        }
        if let Some(tag) = entry["segmentation_id"].as_i64()
            && !tags.insert(tag)
        {
            return Err(format!("Segmentation ID '{tag}' specified more than once"));
        }
        canonical.push(entry);
    }
    Ok(Value::Array(canonical))
}

fn entry(object: &Map<String, Value>, tagged: bool) -> Result<Value, String> {
    let known = ["port_id", "segmentation_type", "segmentation_id"];
    if let Some(unknown) = object.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("Unexpected key '{unknown}' in subport"));
    }
    let port_id = object.get("port_id").ok_or("A valid port UUID must be specified")?;
    let port_id = check::uuid(port_id)?;
    if !tagged {
        return Ok(json!({"port_id": port_id, "segmentation_id": null}));
    }
    let kind = object.get("segmentation_type").and_then(Value::as_str);
    let number = object.get("segmentation_id").filter(|number| !number.is_null());
    let number = match (kind, number) {
        (Some(VLAN), Some(number)) => Some(check::integer(number, 1, 4094)?),
        (Some(INHERIT), _) => None,
        (Some(other), _) if other != VLAN => return Err(format!("Unknown segmentation_type '{other}'")),
        _ => {
            return Err(format!(
                "Invalid subport details of port '{port_id}': missing segmentation information. Must specify both \
                 segmentation_id and segmentation_type"
            ));
        }
    };
    Ok(json!({"port_id": port_id, "segmentation_id": number}))
}

/// The ports of a list that has passed its check.
#[must_use]
pub fn wanted(list: &[Value]) -> Vec<WantedSubPort> {
    let entry = |item: &Value| {
        let number = item["segmentation_id"].as_u64().and_then(|number| u16::try_from(number).ok());
        Some(WantedSubPort { port_id: item["port_id"].as_str()?.parse().ok()?, segmentation_id: number })
    };
    list.iter().filter_map(entry).collect()
}
