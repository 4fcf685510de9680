//! Who may do what with entries (reference/policy.md §2, §3).

use isospin_api_kit::policy::{Rule, Target};

use super::model::RbacPolicy;

const OWNER: &str = "rule:admin_or_owner_member";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("restrict_wildcard", "rule:admin_only or not field:rbac_policy:target_tenant=*"),
    Rule::new("create_rbac_policy", OWNER),
    Rule::new("create_rbac_policy:target_tenant", "rule:restrict_wildcard"),
    Rule::new(
        "create_rbac_policy:action",
        "rule:admin_only or not field:rbac_policy:action=access_as_external",
    ),
    Rule::new("get_rbac_policy", "rule:admin_or_owner_reader"),
    Rule::new("update_rbac_policy", OWNER),
    Rule::new("update_rbac_policy:target_tenant", "rule:restrict_wildcard"),
    Rule::new("delete_rbac_policy", OWNER),
];

/// Facts about an entry whose target is, or will be, `target_project`.
#[must_use]
pub fn target<'p>(policy: &'p RbacPolicy, target_project: &'p str) -> Target<'p> {
    Target::owned_by(&policy.project_id)
        .with("target_tenant", target_project)
        .with("target_project", target_project)
        .with("action", policy.action.as_str())
        .with("object_type", &policy.object_type)
}
