//! Who may do what with address scopes (reference/policy.md §2, §3).

use isospin_api_kit::policy::{Rule, Target};

use super::model::AddressScope;

const ADMIN: &str = "rule:admin_only";
const OWNER: &str = "rule:admin_or_owner_member";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("shared_address_scopes", "field:address_scopes:shared=True"),
    Rule::new("create_address_scope", OWNER),
    Rule::new("create_address_scope:shared", ADMIN),
    Rule::new("get_address_scope", "rule:admin_or_owner_reader or rule:shared_address_scopes"),
    Rule::new("update_address_scope", OWNER),
    Rule::new("update_address_scope:shared", ADMIN),
    Rule::new("delete_address_scope", OWNER),
];

/// What rules may ask of a scope.
#[must_use]
pub fn target(scope: &AddressScope) -> Target<'_> {
    Target::owned_by(&scope.project_id).flag("shared", scope.shared)
}
