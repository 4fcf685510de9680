//! Who may do what with agents (reference/policy.md §2): administrators, everything.

use isospin_api_kit::policy::Rule;

const ADMIN: &str = "rule:admin_only";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("get_agent", ADMIN),
    Rule::new("update_agent", ADMIN),
    Rule::new("delete_agent", ADMIN),
    Rule::new("get_dhcp-networks", ADMIN),
    Rule::new("create_dhcp-network", ADMIN),
    Rule::new("delete_dhcp-network", ADMIN),
    Rule::new("get_dhcp-agents", ADMIN),
    Rule::new("get_l3-routers", ADMIN),
    Rule::new("create_l3-router", ADMIN),
    Rule::new("delete_l3-router", ADMIN),
    Rule::new("get_l3-agents", ADMIN),
];
