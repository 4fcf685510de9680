//! Who may do what with subnet pools (reference/policy.md §2, §3).

use isospin_api_kit::policy::{Rule, Target};

use super::model::SubnetPool;

const ADMIN: &str = "rule:admin_only";
const OWNER: &str = "rule:admin_or_owner_member";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("shared_subnetpools", "field:subnetpools:shared=True"),
    Rule::new("create_subnetpool", OWNER),
    Rule::new("create_subnetpool:shared", ADMIN),
    Rule::new("create_subnetpool:is_default", ADMIN),
    Rule::new("get_subnetpool", "rule:admin_or_owner_reader or rule:shared_subnetpools"),
    Rule::new("update_subnetpool", OWNER),
    Rule::new("update_subnetpool:is_default", ADMIN),
    Rule::new("delete_subnetpool", OWNER),
    Rule::new("add_prefixes", OWNER),
    Rule::new("remove_prefixes", OWNER),
    Rule::new("onboard_network_subnets", OWNER),
];

/// What rules may ask of a pool, which is shared with the caller or not.
#[must_use]
pub fn target(pool: &SubnetPool, shared: bool) -> Target<'_> {
    Target::owned_by(&pool.project_id).flag("shared", shared)
}
