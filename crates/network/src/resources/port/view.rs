//! A port as clients see it.

use isospin_api_kit::Caller;
use isospin_api_kit::view::project;
use serde_json::{Map, Value, json};

use super::TYPE;
use super::model::Port;
use super::policy::target;
use super::store::Found;
use crate::App;
use crate::resources::qos_policy::requests::resource_request;
use crate::resources::trunk;

/// The port for this caller, with the fields asked for (none = all).
#[must_use]
pub fn show(app: &App, caller: &Caller, found: &Found, fields: &[String]) -> Value {
    let port = &found.port;
    let binding = &port.binding;
    let mut object = Map::with_capacity(40);
    let wanted = |name: &str| fields.is_empty() || fields.iter().any(|field| field == name);
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("id", Value::from(port.id.to_string()));
    put("name", Value::from(port.name.as_str()));
    put("network_id", Value::from(port.network_id.to_string()));
    put("project_id", Value::from(port.project_id.as_str()));
    put("mac_address", Value::from(port.mac_address.to_string()));
    put("admin_state_up", Value::from(port.admin_state_up));
    put("status", Value::from(port.status.as_str()));
    put("device_id", Value::from(port.device_id.as_str()));
    put("device_owner", Value::from(port.device_owner.as_str()));
    put("fixed_ips", fixed_ips(port));
    put("allowed_address_pairs", pairs(port));
    put("extra_dhcp_opts", options(port));
    put("security_groups", port.security_groups.iter().map(ToString::to_string).collect());
    put("description", Value::from(port.description.as_str()));
    put("binding:vnic_type", Value::from(binding.vnic_type.as_str()));
    put("binding:profile", Value::Object(port.card.profile(binding)));
    put("binding:host_id", Value::from(binding.host.as_str()));
    put("binding:vif_type", Value::from(binding.vif_type.as_str()));
    put("binding:vif_details", Value::Object(binding.vif_details.clone()));
    put("port_security_enabled", Value::from(port.port_security_enabled));
    put("qos_policy_id", port.qos_policy_id.map(|id| id.to_string()).into());
    put("qos_network_policy_id", found.qos_network_policy_id.map(|id| id.to_string()).into());
    put("dns_name", Value::from(port.dns_name.as_str()));
    if wanted("dns_assignment") {
        put("dns_assignment", dns_assignment(port, &app.settings.dns_domain));
    }
    put("dns_domain", Value::from(port.dns_domain.as_str()));
    put("resource_request", resource_request(port.id, &binding.vnic_type, &found.guarantees));
    put("data_plane_status", Value::from(port.data_plane_status.clone()));
    put("propagate_uplink_status", Value::from(port.card.propagate_uplink_status));
    put("numa_affinity_policy", Value::from(port.card.numa_affinity_policy.clone()));
    put("device_profile", Value::from(port.card.device_profile.clone()));
    put("hints", port.card.hints.clone().map_or(Value::Null, Value::Object));
    put("hardware_offload_type", Value::from(port.card.hardware_offload_type.clone()));
    put("trusted", Value::from(port.card.trusted));
    put("tags", Value::from(found.tags.clone()));
    put("revision_number", Value::from(port.revision_number));
    put("created_at", Value::from(port.created_at.as_str()));
    put("updated_at", Value::from(port.updated_at.as_str()));
    put("ip_allocation", Value::from(port.ip_allocation.as_str()));
    if let Some(trunk) = &found.trunk {
        put("trunk_details", trunk::view::details(trunk));
    }
    project(&TYPE, &app.policy, caller, &target(found), fields, object)
}

fn fixed_ips(port: &Port) -> Value {
    let entry = |fixed_ip: &super::model::FixedIp| json!({"subnet_id": fixed_ip.subnet_id.to_string(), "ip_address": fixed_ip.ip_address.to_string()});
    port.fixed_ips.iter().map(entry).collect()
}

fn pairs(port: &Port) -> Value {
    let entry = |pair: &super::model::AddressPair| json!({"mac_address": pair.mac_address.to_string(), "ip_address": pair.ip_address.to_string()});
    port.allowed_address_pairs.iter().map(entry).collect()
}

fn options(port: &Port) -> Value {
    let entry = |option: &super::model::DhcpOption| json!({"opt_name": option.name, "opt_value": option.value, "ip_version": option.ip_version});
    port.extra_dhcp_opts.iter().map(entry).collect()
}

/// One name for each address, under the port's domain, else the server's.
fn dns_assignment(port: &Port, domain: &str) -> Value {
    let domain = port.dns_domain.strip_suffix('.').unwrap_or(domain);
    let entry = |fixed_ip: &super::model::FixedIp| {
        let hostname = port.hostname(fixed_ip.ip_address);
        let fqdn = if domain.is_empty() { format!("{hostname}.") } else { format!("{hostname}.{domain}.") };
        json!({"ip_address": fixed_ip.ip_address.to_string(), "hostname": hostname, "fqdn": fqdn})
    };
    port.fixed_ips.iter().map(entry).collect()
}
