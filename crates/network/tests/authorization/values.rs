//! A value for each writable attribute: one that differs from the default where the
//! attribute's check lets us find one.

use isospin_api_kit::attribute::{Absent, Attribute, Check};
use serde_json::{Value, json};

use crate::place::{Parent, Place};
use crate::world::World;

/// The body of a request with the attribute in it; dots lead to keys inside.
pub fn value(world: &World, resource: &str, name: &str, attribute: &Attribute, place: &Place) -> Value {
    let number = world.number();
    let external = || world.network(Parent::External);
    match (resource, name) {
        ("network", "provider:network_type") => json!("vxlan"),
        ("network", "dns_domain") | ("floatingip", "dns_domain") => json!("example.org."),
        ("port_forwarding", "protocol") | ("conntrack_helper", "protocol") => json!("udp"),
        ("port_forwarding", "internal_port_id") => json!(world.kept("inner port", place.parent)),
        ("port_forwarding", "internal_ip_address") => json!(world.kept("inner address", place.parent)),
        ("conntrack_helper", "helper") => json!("tftp"),
        ("service_profile", "driver") => {
            json!("neutron.services.l3_router.service_providers.single_node.SingleNodeDriver")
        }
        ("subnetpool", "prefixes") => json!([format!("198.{}.{}.0/24", number / 256, number % 256)]),
        ("subnet", "allocation_pools") => json!([]),
        ("subnet", "dns_nameservers") => json!(["192.0.2.1"]),
        ("subnet", "service_types") => json!(["compute:nova"]),
        ("port", "fixed_ips.subnet_id") => json!([{"subnet_id": world.network(place.parent).subnet_id}]),
        ("port", "fixed_ips.ip_address") => {
            let prefix = &world.network(place.parent).prefix;
            json!([{"ip_address": format!("{prefix}{}.{}", 100 + number / 250, 1 + number % 250)}])
        }
        ("port", "device_owner.network") => json!("network:dhcp"),
        ("port", "allowed_address_pairs") => json!([{"ip_address": "192.0.2.7"}]),
        ("port", "binding:profile") => json!({"key": "value"}),
        ("port", "binding:host_id") => json!("host"),
        ("port", "dns_name") | ("floatingip", "dns_name") => json!("name"),
        ("port", "fixed_ips") => json!([]),
        ("port", "hints") => json!({"openvswitch": {"other_config": {"tx-steering": "hash"}}}),
        (_, "vnic_type") => json!("normal"),
        ("security_group_rule", "remote_group_id") => Value::Null,
        (_, "dscp_mark") => json!(26),
        ("router", "external_gateway_info") => json!({"network_id": external().id}),
        ("router", "external_gateway_info.enable_snat") => {
            json!({"network_id": external().id, "enable_snat": true})
        }
        ("router", "external_gateway_info.external_fixed_ips") => {
            json!({"network_id": external().id, "external_fixed_ips": [{"subnet_id": external().subnet_id}]})
        }
        ("rbac_policy", "target_tenant") => json!(format!("{number:032x}")),
        ("rbac_policy", "target_tenant.all") => json!("*"),
        ("router", "distributed" | "ha") => json!(false),
        ("floatingip", "floating_ip_address") => {
            json!(format!("{}{}.{}", external().prefix, 100 + number / 250, 1 + number % 250))
        }
        ("floatingip", "subnet_id") => json!(external().subnet_id),
        _ => by_check(resource, attribute, number),
    }
}

fn by_check(resource: &str, attribute: &Attribute, number: u32) -> Value {
    let default = match attribute.absent {
        Absent::Is(default) => Some(default()),
        Absent::Required | Absent::Unset => None,
    };
    match attribute.check {
        Check::Text(_) | Check::NonEmptyText(_) => json!(format!("x{number}")),
        Check::Bool => json!(default != Some(Value::Bool(true))),
        Check::Int { min, max } => json!(min.max(1).min(max)),
        Check::Mac => json!(format!("fa:16:3e:ff:{:02x}:{:02x}", number / 256 % 256, number % 256)),
        Check::OneOf(choices) => json!(choices.last()),
        Check::UuidList | Check::TextList { .. } => json!([]),
        Check::Object => json!({}),
        Check::Uuid | Check::Ip | Check::Cidr | Check::Own(_) if attribute.nullable => Value::Null,
        _ => default
            .unwrap_or_else(|| panic!("no value for {resource}.{}: add one to values.rs", attribute.name)),
    }
}
