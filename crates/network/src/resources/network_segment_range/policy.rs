//! Who may do what with ranges (reference/policy.md).

use isospin_api_kit::policy::Rule;

const ADMIN: &str = "rule:admin_only";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_network_segment_range", ADMIN),
    Rule::new("get_network_segment_range", ADMIN),
    Rule::new("update_network_segment_range", ADMIN),
    Rule::new("delete_network_segment_range", ADMIN),
];
