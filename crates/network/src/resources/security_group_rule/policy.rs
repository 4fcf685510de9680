//! Who may do what with security group rules: those who may with the group
//! (reference/policy.md §2).

use isospin_api_kit::policy::{Rule, Target};

use super::store::Found;
use crate::resources::security_group::model::SecurityGroup;

const GROUP_OWNER: &str = "rule:admin_only or role:member and rule:sg_owner";

/// The rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_security_group_rule", GROUP_OWNER),
    Rule::new("get_security_group_rule", "rule:admin_only or role:reader and rule:sg_owner"),
    Rule::new("delete_security_group_rule", GROUP_OWNER),
];

/// Facts about a rule that is there.
#[must_use]
pub fn target(found: &Found) -> Target<'_> {
    Target::owned_by(&found.rule.project_id).with("security_group:project_id", &found.group_project_id)
}

/// Facts about a rule to be made in a group.
#[must_use]
pub fn target_in<'f>(group: &'f SecurityGroup, project_id: &'f str) -> Target<'f> {
    Target::owned_by(project_id).with("security_group:project_id", &group.project_id)
}
