//! Who may do what with address groups (reference/policy.md §2).

use isospin_api_kit::policy::{Rule, Target};

use super::model::AddressGroup;

const OWNER: &str = "rule:admin_or_owner_member";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("shared_address_groups", "field:address_groups:shared=True"),
    Rule::new("create_address_group", OWNER),
    Rule::new("get_address_group", "rule:admin_or_owner_reader or rule:shared_address_groups"),
    Rule::new("update_address_group", OWNER),
    Rule::new("delete_address_group", OWNER),
    Rule::new("add_addresses", OWNER),
    Rule::new("remove_addresses", OWNER),
];

/// Facts about a group that is shared with the caller or not.
#[must_use]
pub fn target(group: &AddressGroup, shared: bool) -> Target<'_> {
    Target::owned_by(&group.project_id).flag("shared", shared)
}
