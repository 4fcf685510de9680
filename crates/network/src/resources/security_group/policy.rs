//! Who may do what with security groups (reference/policy.md §2).

use isospin_api_kit::policy::{Rule, Target};

use super::model::SecurityGroup;

const OWNER: &str = "rule:admin_or_owner_member";

/// The rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_security_group", OWNER),
    Rule::new("get_security_group", "rule:admin_or_owner_reader or rule:shared_security_group"),
    Rule::new("update_security_group", OWNER),
    Rule::new("delete_security_group", OWNER),
];

/// Facts about a group that is shared with the caller or not.
#[must_use]
pub fn target(group: &SecurityGroup, shared: bool) -> Target<'_> {
    Target::owned_by(&group.project_id).flag("shared", shared)
}
