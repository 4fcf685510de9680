//! Who may do what with quotas (reference/policy.md §2). Every project may read
//! its own.

use isospin_api_kit::policy::Rule;

/// The rules.
pub const POLICY: &[Rule] = &[
    Rule::new("get_quota", "rule:admin_or_owner_manager"),
    Rule::new("update_quota", "rule:admin_only"),
    Rule::new("delete_quota", "rule:admin_only"),
];
