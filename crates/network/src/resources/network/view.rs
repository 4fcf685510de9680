//! A network as JSON.

use isospin_api_kit::policy::Policy;
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::model::NetworkDetails;
use super::{PHYSICAL_NETWORK, SEGMENTATION_ID, TYPE, TYPE_OF_SEGMENT, target};
use crate::drivers::Segment;

/// The network as this caller gets to see it; `fields` empty means all.
pub fn network(policy: &Policy, caller: &Caller, details: &NetworkDetails, fields: &[String]) -> Value {
    let NetworkDetails {
        network,
        segments,
        routed,
        subnets,
        availability_zones,
        address_scopes,
        tags,
        access,
    } = details;
    let project = Value::from(network.project_id.as_str());
    let subnets: Vec<String> = subnets.iter().map(ToString::to_string).collect();
    let mut object: Map<String, Value> = [
        ("id", json!(network.id.to_string())),
        ("name", json!(network.name)),
        ("tenant_id", project.clone()),
        ("project_id", project),
        ("admin_state_up", json!(network.admin_state_up)),
        ("mtu", json!(network.mtu)),
        ("status", json!(network.status)),
        ("subnets", json!(subnets)),
        ("shared", json!(access.shared)),
        ("port_security_enabled", json!(network.port_security_enabled)),
        ("qos_policy_id", json!(network.qos_policy_id.map(|id| id.to_string()))),
        ("dns_domain", json!(network.dns_domain)),
        ("router:external", json!(network.external)),
        ("is_default", json!(network.is_default)),
        ("availability_zone_hints", json!(network.availability_zone_hints)),
        ("availability_zones", json!(availability_zones)),
        ("ipv4_address_scope", json!(address_scopes.ipv4.map(|id| id.to_string()))),
        ("ipv6_address_scope", json!(address_scopes.ipv6.map(|id| id.to_string()))),
        ("description", json!(network.description)),
        ("tags", json!(tags)),
        ("revision_number", json!(network.revision_number)),
        ("created_at", json!(network.created_at)),
        ("updated_at", json!(network.updated_at)),
        ("l2_adjacency", json!(!routed)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let mut places = segments.iter().map(|segment| place(&segment.place));
    match (places.next(), places.len()) {
        (Some(only), 0) => object.extend(only),
        (first, _) => {
            let all = first.into_iter().chain(places).map(Value::Object).collect();
            object.insert("segments".to_owned(), Value::Array(all));
        }
    }
    view::project(&TYPE, policy, caller, &target(network, *access), fields, object)
}

/// A segment in the words of provider networks.
fn place(segment: &Segment) -> Map<String, Value> {
    [
        (TYPE_OF_SEGMENT, json!(segment.network_type.as_str())),
        (PHYSICAL_NETWORK, json!(segment.physical_network)),
        (SEGMENTATION_ID, json!(segment.segmentation_id)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
