//! A trunk as clients see it, in the key order of the reference's samples.

use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::{SubPort, Trunk, TrunkDetails, VLAN};

/// The trunk for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(policy: &Policy, caller: &Caller, trunk: &Trunk, tags: &[String], fields: &[String]) -> Value {
    let object: Map<String, Value> = [
        ("admin_state_up", json!(trunk.admin_state_up)),
        ("id", json!(trunk.id.to_string())),
        ("project_id", json!(trunk.project_id)),
        ("name", json!(trunk.name)),
        ("port_id", json!(trunk.port_id.to_string())),
        ("status", json!(trunk.status.as_str())),
        ("sub_ports", sub_ports(&trunk.sub_ports)),
        ("revision_number", json!(trunk.revision_number)),
        ("description", json!(trunk.description)),
        ("created_at", json!(trunk.created_at)),
        ("updated_at", json!(trunk.updated_at)),
        ("tenant_id", json!(trunk.project_id)),
        ("tags", json!(tags)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, policy, caller, &Target::owned_by(&trunk.project_id), fields, object)
}

/// The ports of a trunk.
#[must_use]
pub fn sub_ports(all: &[SubPort]) -> Value {
    all.iter()
        .map(|own| {
            json!({
                "port_id": own.port_id.to_string(),
                "segmentation_type": VLAN,
                "segmentation_id": own.segmentation_id,
            })
        })
        .collect()
}

/// `trunk_details` of the parent port.
#[must_use]
pub fn details(trunk: &TrunkDetails) -> Value {
    let sub_ports: Vec<Value> = trunk
        .sub_ports
        .iter()
        .map(|(own, mac)| {
            json!({
                "segmentation_id": own.segmentation_id,
                "segmentation_type": VLAN,
                "port_id": own.port_id.to_string(),
                "mac_address": mac.to_string(),
            })
        })
        .collect();
    json!({"trunk_id": trunk.trunk_id.to_string(), "sub_ports": sub_ports})
}
