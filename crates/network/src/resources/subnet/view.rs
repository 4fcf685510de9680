//! A subnet as JSON.

use isospin_api_kit::policy::Policy;
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::model::SubnetDetails;
use super::{TYPE, store, target};

/// The subnet as this caller gets to see it; `fields` empty means all.
pub fn subnet(policy: &Policy, caller: &Caller, details: &SubnetDetails, fields: &[String]) -> Value {
    let subnet = &details.subnet;
    let pools: Vec<Value> = details
        .allocation_pools
        .iter()
        .map(|pool| json!({"start": pool.start.to_string(), "end": pool.end.to_string()}))
        .collect();
    let object: Map<String, Value> = [
        ("id", json!(subnet.id.to_string())),
        ("name", json!(subnet.name)),
        ("project_id", json!(subnet.project_id)),
        ("network_id", json!(subnet.network_id.to_string())),
        ("ip_version", json!(subnet.ip_version())),
        ("subnetpool_id", json!(subnet.subnetpool_id.map(|id| id.to_string()))),
        ("enable_dhcp", json!(subnet.enable_dhcp)),
        ("ipv6_ra_mode", json!(subnet.ipv6_ra_mode.map(|mode| mode.as_str()))),
        ("ipv6_address_mode", json!(subnet.ipv6_address_mode.map(|mode| mode.as_str()))),
        ("gateway_ip", json!(subnet.gateway_ip.map(|address| address.to_string()))),
        ("cidr", json!(subnet.cidr.to_string())),
        ("allocation_pools", Value::Array(pools)),
        ("host_routes", store::route_list(&subnet.host_routes)),
        ("dns_nameservers", store::address_list(&subnet.dns_nameservers)),
        ("description", json!(subnet.description)),
        ("router:external", json!(details.network_external)),
        ("service_types", json!(subnet.service_types)),
        ("tags", json!(details.tags)),
        ("revision_number", json!(subnet.revision_number)),
        ("created_at", json!(subnet.created_at)),
        ("updated_at", json!(subnet.updated_at)),
        ("segment_id", json!(subnet.segment_id.map(|id| id.to_string()))),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, policy, caller, &target(details), fields, object)
}
