//! Who may ask for a topology, and have it removed (reference/policy.md §2).

use isospin_api_kit::policy::Rule;

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("get_auto_allocated_topology", "rule:admin_or_owner_reader"),
    Rule::new("delete_auto_allocated_topology", "rule:admin_or_owner_member"),
];
