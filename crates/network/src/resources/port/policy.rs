//! Who may do what to ports (reference/policy.md §2, §3).

use isospin_api_kit::policy::{Rule, Target};

use super::store::Found;
use crate::resources::network::model::Network;
use crate::resources::rbac_policy::Access;

const NETWORK_OWNER: &str = "rule:admin_or_service or rule:network_owner_member";
const NETWORK_OWNER_OR_SHARED: &str =
    "rule:admin_or_service or rule:network_owner_member or role:member and rule:shared";
const NETWORK_MANAGER: &str = "rule:admin_or_service or rule:network_owner_manager";
const OWNER: &str = "rule:service_api or rule:admin_or_owner_member";
/// Ports of the cloud itself are trusted by the firewall, so not everybody may
/// claim one, now or later (N12).
const DEVICE_OWNER: &str = "not rule:network_device or rule:admin_or_service or rule:network_owner_member";

/// The rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_port", NETWORK_OWNER_OR_SHARED),
    Rule::new("create_port:device_id", OWNER),
    Rule::new("create_port:device_owner", DEVICE_OWNER),
    Rule::new("create_port:mac_address", NETWORK_OWNER),
    Rule::new("create_port:fixed_ips", NETWORK_OWNER_OR_SHARED),
    Rule::new("create_port:fixed_ips:ip_address", NETWORK_OWNER),
    Rule::new("create_port:fixed_ips:subnet_id", NETWORK_OWNER_OR_SHARED),
    Rule::new("create_port:port_security_enabled", NETWORK_OWNER),
    Rule::new("create_port:allowed_address_pairs", NETWORK_OWNER),
    Rule::new("create_port:binding:host_id", "rule:admin_or_service"),
    Rule::new("create_port:binding:profile", "rule:service_api"),
    Rule::new("create_port:binding:vnic_type", OWNER),
    Rule::new("create_port:hints", "rule:admin_only"),
    Rule::new("create_port:trusted", "rule:admin_only"),
    Rule::new("get_port", "rule:service_api or rule:admin_or_owner_reader or rule:network_owner_reader"),
    Rule::new("get_port:binding:host_id", "rule:admin_or_service"),
    Rule::new("get_port:binding:profile", "rule:admin_or_service"),
    Rule::new("get_port:binding:vif_type", "rule:admin_or_service"),
    Rule::new("get_port:binding:vif_details", "rule:admin_or_service"),
    Rule::new("get_port:resource_request", "rule:admin_only"),
    Rule::new("get_port:hints", "rule:admin_only"),
    Rule::new("get_port:trusted", "rule:admin_only"),
    Rule::new("update_port", OWNER),
    Rule::new("update_port:device_id", OWNER),
    Rule::new("update_port:device_owner", DEVICE_OWNER),
    Rule::new("update_port:mac_address", NETWORK_MANAGER),
    Rule::new("update_port:fixed_ips", NETWORK_OWNER),
    Rule::new("update_port:fixed_ips:ip_address", NETWORK_OWNER),
    Rule::new("update_port:fixed_ips:subnet_id", NETWORK_OWNER_OR_SHARED),
    Rule::new("update_port:port_security_enabled", NETWORK_OWNER),
    Rule::new("update_port:allowed_address_pairs", NETWORK_OWNER),
    Rule::new("update_port:binding:host_id", "rule:admin_or_service"),
    Rule::new("update_port:binding:profile", "rule:service_api"),
    Rule::new("update_port:binding:vnic_type", OWNER),
    Rule::new("update_port:hints", "rule:admin_only"),
    Rule::new("update_port:trusted", "rule:admin_only"),
    Rule::new("update_port:data_plane_status", "rule:admin_only or role:data_plane_integrator"),
    Rule::new("create_port_binding", "rule:service_api"),
    Rule::new("get_port_binding", "rule:admin_or_service"),
    Rule::new("update_port_binding", "rule:service_api"),
    Rule::new("activate_port_binding", "rule:service_api"),
    Rule::new("delete_port_binding", "rule:service_api"),
    Rule::new("delete_port", "rule:service_api or rule:admin_or_owner_member or rule:network_owner_member"),
];

/// Facts about a port that is there.
#[must_use]
pub fn target(found: &Found) -> Target<'_> {
    target_owned(found, &found.port.device_owner)
}

/// Facts about a port with another owner than it has yet: what rules on changing
/// the owner ask.
#[must_use]
pub fn target_owned<'f>(found: &'f Found, device_owner: &'f str) -> Target<'f> {
    Target::owned_by(&found.port.project_id)
        .with("network:project_id", &found.network_project_id)
        .flag("shared", found.network_shared)
        .with("device_owner", device_owner)
}

/// Facts about a port to be made.
#[must_use]
pub fn target_on<'f>(
    network: &'f Network,
    access: Access,
    project_id: &'f str,
    device_owner: &'f str,
) -> Target<'f> {
    Target::owned_by(project_id)
        .with("network:project_id", &network.project_id)
        .flag("shared", access.shared)
        .with("device_owner", device_owner)
}
