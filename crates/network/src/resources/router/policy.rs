//! Who may do what with routers (reference/policy.md §2, §3).

use isospin_api_kit::policy::Rule;

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_router", "rule:admin_or_owner_member"),
    Rule::new("create_router:distributed", "rule:admin_only"),
    Rule::new("create_router:ha", "rule:admin_only"),
    Rule::new("create_router:external_gateway_info", "rule:admin_or_owner_member"),
    Rule::new("create_router:external_gateway_info:network_id", "rule:admin_or_owner_member"),
    Rule::new("create_router:external_gateway_info:enable_snat", "rule:admin_only"),
    Rule::new("create_router:external_gateway_info:external_fixed_ips", "rule:admin_only"),
    Rule::new("get_router", "rule:admin_or_owner_reader"),
    Rule::new("get_router:distributed", "rule:admin_only"),
    Rule::new("get_router:ha", "rule:admin_only"),
    Rule::new("update_router", "rule:admin_or_owner_member"),
    Rule::new("update_router:distributed", "rule:admin_only"),
    Rule::new("update_router:ha", "rule:admin_only"),
    Rule::new("update_router:external_gateway_info", "rule:admin_or_owner_member"),
    Rule::new("update_router:external_gateway_info:network_id", "rule:admin_or_owner_member"),
    Rule::new("update_router:external_gateway_info:enable_snat", "rule:admin_only"),
    Rule::new("update_router:external_gateway_info:external_fixed_ips", "rule:admin_only"),
    Rule::new("delete_router", "rule:admin_or_owner_member"),
    Rule::new("add_router_interface", "rule:admin_or_owner_member"),
    Rule::new("remove_router_interface", "rule:admin_or_owner_member"),
    Rule::new("add_extraroutes", "rule:admin_or_owner_member"),
    Rule::new("remove_extraroutes", "rule:admin_or_owner_member"),
];
