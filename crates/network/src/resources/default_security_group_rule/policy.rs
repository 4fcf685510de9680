//! Who may do what with default rules (reference/policy.md §2).

use isospin_api_kit::policy::Rule;

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_default_security_group_rule", "rule:admin_only"),
    Rule::new("get_default_security_group_rule", "role:reader"),
    Rule::new("delete_default_security_group_rule", "rule:admin_only"),
];
