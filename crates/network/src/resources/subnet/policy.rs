//! Who may do what with subnets (reference/policy.md).

use isospin_api_kit::policy::{Rule, Target};

use super::model::SubnetDetails;

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_subnet", "rule:admin_only or rule:network_owner_member"),
    Rule::new("create_subnet:service_types", "rule:admin_only"),
    Rule::new("create_subnet:segment_id", "rule:admin_only"),
    Rule::new("get_subnet:segment_id", "rule:admin_only"),
    Rule::new(
        "get_subnet",
        "rule:admin_or_owner_reader or rule:network_owner_reader or rule:service_api or rule:shared or \
         rule:external",
    ),
    Rule::new("update_subnet", "rule:admin_or_owner_member or rule:network_owner_member"),
    Rule::new("update_subnet:service_types", "rule:admin_only"),
    Rule::new("update_subnet:segment_id", "rule:admin_only"),
    Rule::new("delete_subnet", "rule:admin_or_owner_member or rule:network_owner_member"),
];

/// What rules may ask of a subnet: its network decides who sees it.
#[must_use]
pub fn target(details: &SubnetDetails) -> Target<'_> {
    let owned = Target::owned_by(&details.subnet.project_id);
    details.network_access.facts(owned.with("network:project_id", &details.network_project_id))
}
