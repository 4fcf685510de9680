//! Who may do what with trunks (reference/policy.md §2).

use isospin_api_kit::policy::Rule;

const OWNER: &str = "rule:admin_or_owner_member";
const READER: &str = "rule:admin_or_owner_reader";

/// The rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_trunk", OWNER),
    Rule::new("get_trunk", READER),
    Rule::new("update_trunk", OWNER),
    Rule::new("delete_trunk", OWNER),
    Rule::new("get_subports", READER),
    Rule::new("add_subports", OWNER),
    Rule::new("remove_subports", OWNER),
];
