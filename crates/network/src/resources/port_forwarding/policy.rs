//! Who may do what with port forwardings: what decides is whose the floating IP is
//! (reference/policy.md §2).

use isospin_api_kit::policy::Rule;

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new(
        "create_floatingip_port_forwarding",
        "rule:admin_only or role:member and rule:ext_parent_owner",
    ),
    Rule::new("get_floatingip_port_forwarding", "rule:admin_only or role:reader and rule:ext_parent_owner"),
    Rule::new(
        "update_floatingip_port_forwarding",
        "rule:admin_only or role:member and rule:ext_parent_owner",
    ),
    Rule::new(
        "delete_floatingip_port_forwarding",
        "rule:admin_only or role:member and rule:ext_parent_owner",
    ),
];
