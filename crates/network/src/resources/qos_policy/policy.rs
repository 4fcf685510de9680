//! Who may do what with policies (reference/policy.md §2).

use isospin_api_kit::policy::{Rule, Target};

use super::model::QosPolicy;

const OWNER: &str = "rule:admin_or_owner_manager";

/// The rules.
pub const POLICY: &[Rule] = &[
    Rule::new("shared_qos_policy", "field:policies:shared=True"),
    Rule::new("create_policy", OWNER),
    Rule::new("get_policy", "rule:admin_or_owner_reader or rule:shared_qos_policy"),
    Rule::new("update_policy", OWNER),
    Rule::new("delete_policy", OWNER),
];

/// What rules may ask of a policy.
#[must_use]
pub fn target(policy: &QosPolicy) -> Target<'_> {
    Target::owned_by(&policy.project_id).flag("shared", policy.shared)
}
