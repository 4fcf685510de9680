//! A router as clients see it, in the key order of the reference's samples.

use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::{Details, Route, Router};
use crate::resources::conntrack_helper::model::ConntrackHelper;

/// The JSON of a router for this caller; `fields` empty = all keys.
pub fn router(
    policy: &Policy,
    caller: &Caller,
    fields: &[String],
    router: &Router,
    details: &Details,
) -> Value {
    let mut object = Map::with_capacity(20);
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("id", router.id.to_string().into());
    put("name", router.name.as_str().into());
    put("project_id", router.project_id.as_str().into());
    put("admin_state_up", router.admin_state_up.into());
    put("status", router.status.as_str().into());
    put("external_gateway_info", gateway(router, details));
    put("description", router.description.as_str().into());
    put("availability_zones", router.availability_zone.iter().cloned().collect());
    put("distributed", false.into());
    put("ha", false.into());
    put("availability_zone_hints", router.availability_zone_hints.iter().cloned().collect());
    put("routes", details.routes.iter().map(route).collect());
    put("flavor_id", router.flavor_id.map(|id| id.to_string()).into());
    put("tags", details.tags.iter().cloned().collect());
    put("revision_number", router.revision_number.into());
    put("created_at", router.created_at.as_str().into());
    put("updated_at", router.updated_at.as_str().into());
    let helpers = details.conntrack_helpers.iter().map(ConntrackHelper::in_router);
    put("conntrack_helpers", helpers.collect());
    view::project(&TYPE, policy, caller, &Target::owned_by(&router.project_id), fields, object)
}

fn gateway(router: &Router, details: &Details) -> Value {
    let Some(gateway) = &router.gateway else { return Value::Null };
    let addresses: Vec<Value> = details
        .gateway_addresses
        .iter()
        .map(|ip| json!({"subnet_id": ip.subnet_id.to_string(), "ip_address": ip.ip_address.to_string()}))
        .collect();
    let mut info = json!({
        "network_id": gateway.network_id.to_string(),
        "external_fixed_ips": addresses,
        "enable_snat": router.enable_snat,
    });
    if let Some(policy_id) = router.qos_policy_id {
        info["qos_policy_id"] = policy_id.to_string().into();
    }
    info
}

fn route(route: &Route) -> Value {
    json!({"destination": route.destination.to_string(), "nexthop": route.nexthop.to_string()})
}
