//! Who may do what with floating IPs (reference/policy.md §2, §3).

use isospin_api_kit::policy::Rule;

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_floatingip", "rule:admin_or_owner_member"),
    Rule::new("create_floatingip:floating_ip_address", "rule:admin_or_owner_manager"),
    Rule::new("get_floatingip", "rule:admin_or_owner_reader"),
    Rule::new("update_floatingip", "rule:admin_or_owner_member"),
    Rule::new("delete_floatingip", "rule:admin_or_owner_member"),
    Rule::new("get_floatingip_pool", "rule:admin_or_owner_reader"),
];
