//! A network as JSON.

use isospin_api_kit::policy::Policy;
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::model::NetworkDetails;
use super::{TYPE, target};

/// The network as this caller gets to see it; `fields` empty means all.
pub fn network(policy: &Policy, caller: &Caller, details: &NetworkDetails, fields: &[String]) -> Value {
    let NetworkDetails { network, subnets, availability_zones, address_scopes, tags, access } = details;
    let project = Value::from(network.project_id.as_str());
    let subnets: Vec<String> = subnets.iter().map(ToString::to_string).collect();
    let object: Map<String, Value> = [
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
        ("provider:network_type", json!(network.network_type.as_str())),
        ("provider:physical_network", json!(network.physical_network)),
        ("provider:segmentation_id", json!(network.segmentation_id)),
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
        // Every network is one segment, so its hosts always reach each other directly.
        ("l2_adjacency", json!(true)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, policy, caller, &target(network, *access), fields, object)
}
