//! Who may do what with segments (reference/policy.md).

use isospin_api_kit::policy::Rule;

const ADMIN: &str = "rule:admin_only";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_segment", ADMIN),
    Rule::new("get_segment", ADMIN),
    Rule::new("update_segment", ADMIN),
    Rule::new("delete_segment", ADMIN),
];
