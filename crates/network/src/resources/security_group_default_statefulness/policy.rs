//! Who may do what with settings (reference/policy.md §2). A setting for all belongs to
//! no project, so only administrators have to do with it.

use isospin_api_kit::policy::{Rule, Target};

use super::model::Setting;

const MANAGER: &str = "rule:admin_or_owner_manager";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_security_groups_default_statefulness", MANAGER),
    Rule::new("get_security_groups_default_statefulness", "rule:admin_or_owner_reader"),
    Rule::new("update_security_groups_default_statefulness", MANAGER),
    Rule::new("delete_security_groups_default_statefulness", MANAGER),
];

/// Facts about a setting.
#[must_use]
pub fn target(setting: &Setting) -> Target<'_> {
    Target::owned_by(&setting.project_id)
}
