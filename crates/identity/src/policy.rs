//! Rules other rules are made of (reference/identity-api.md §15), by the names they have
//! in Keystone's policy files.
//!
//! What objects tell: `user_id` (the user a URL lies under), `target.domain_id` (the
//! domain a list is of), `target.<kind>.id` and `target.<kind>.domain_id` for users,
//! groups, projects and roles, and what single resources add. Without a domain, a
//! role's is "None".

use isospin_api_kit::policy::{Overrides, Policy, PolicyError, Rule};

use crate::resources;

pub const RULES: &[Rule] = &[
    Rule::new("admin_required", "role:admin"),
    Rule::new("service_role", "role:service"),
    Rule::new("service_or_admin", "rule:admin_required or rule:service_role"),
    Rule::new("owner", "user_id:%(user_id)s"),
    Rule::new("admin_or_owner", "rule:admin_required or rule:owner"),
    Rule::new("system_reader", "role:reader and system_scope:all"),
    Rule::new("reads_all", "rule:admin_required or rule:system_reader"),
    // What somebody who manages a domain may give to others.
    Rule::new(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
    ),
];

/// The declared rules, under those of a policy file.
///
/// # Errors
/// What is wrong with the file.
pub fn policy(overrides: Option<Overrides>) -> Result<Policy, PolicyError> {
    match overrides {
        None => Policy::new(resources::policy_rules()),
        Some(overrides) => Policy::with_overrides(resources::policy_rules(), overrides, |_| false),
    }
}
