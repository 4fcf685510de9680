//! A floating IP as clients see it, in the key order of the reference's samples.

use isospin_api_kit::policy::{Policy, Target};
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::{FloatingIp, PortDetails};
use crate::resources::port_forwarding;

/// The JSON of a floating IP for this caller; `fields` empty = all keys.
pub fn floating_ip(
    policy: &Policy,
    caller: &Caller,
    fields: &[String],
    floating_ip: &FloatingIp,
    tags: &[String],
) -> Value {
    let association = floating_ip.association.as_ref();
    let mut object = Map::with_capacity(20);
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("id", floating_ip.id.to_string().into());
    put("tenant_id", floating_ip.project_id.as_str().into());
    put("project_id", floating_ip.project_id.as_str().into());
    put("floating_ip_address", floating_ip.floating_ip_address.to_string().into());
    put("floating_network_id", floating_ip.floating_network_id.to_string().into());
    put("router_id", floating_ip.router_id().map(|id| id.to_string()).into());
    put("port_id", association.map(|to| to.port_id.to_string()).into());
    put("fixed_ip_address", association.map(|to| to.fixed_ip_address.to_string()).into());
    put("status", floating_ip.status.as_str().into());
    put("description", floating_ip.description.as_str().into());
    put("qos_policy_id", floating_ip.qos_policy_id.map(|id| id.to_string()).into());
    put("qos_network_policy_id", floating_ip.qos_network_policy_id.map(|id| id.to_string()).into());
    put("port_details", association.map(|to| details(&to.port)).into());
    put("dns_domain", floating_ip.dns_domain.as_str().into());
    put("dns_name", floating_ip.dns_name.as_str().into());
    put("tags", tags.iter().cloned().collect());
    put("revision_number", floating_ip.revision_number.into());
    put("created_at", floating_ip.created_at.as_str().into());
    put("updated_at", floating_ip.updated_at.as_str().into());
    let forwardings = floating_ip.port_forwardings.iter().map(port_forwarding::view::in_floating_ip);
    put("port_forwardings", forwardings.collect());
    view::project(&TYPE, policy, caller, &Target::owned_by(&floating_ip.project_id), fields, object)
}

fn details(port: &PortDetails) -> Value {
    json!({
        "name": port.name,
        "network_id": port.network_id.to_string(),
        "mac_address": port.mac_address.to_string(),
        "admin_state_up": port.admin_state_up,
        "status": port.status.as_str(),
        "device_id": port.device_id,
        "device_owner": port.device_owner,
    })
}
