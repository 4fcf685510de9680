//! Who may do what with networks (reference/policy.md).

use isospin_api_kit::policy::{Rule, Target};

use super::model::Network;
use crate::resources::rbac_policy::Access;

const ADMIN: &str = "rule:admin_only";
const OWNER: &str = "rule:admin_or_owner_member";

/// Default rules.
pub const POLICY: &[Rule] = &[
    Rule::new("create_network", OWNER),
    Rule::new("create_network:shared", ADMIN),
    Rule::new("create_network:router:external", ADMIN),
    Rule::new("create_network:is_default", ADMIN),
    Rule::new("create_network:port_security_enabled", OWNER),
    Rule::new("create_network:provider:network_type", ADMIN),
    Rule::new("create_network:provider:physical_network", ADMIN),
    Rule::new("create_network:provider:segmentation_id", ADMIN),
    Rule::new("create_network:segments", ADMIN),
    Rule::new(
        "get_network",
        "rule:admin_or_owner_reader or rule:service_api or rule:shared or rule:external or \
         rule:context_is_advsvc",
    ),
    Rule::new("get_network:provider:network_type", ADMIN),
    Rule::new("get_network:provider:physical_network", ADMIN),
    Rule::new("get_network:provider:segmentation_id", ADMIN),
    Rule::new("get_network:segments", ADMIN),
    Rule::new("update_network", OWNER),
    Rule::new("update_network:shared", ADMIN),
    Rule::new("update_network:router:external", ADMIN),
    Rule::new("update_network:is_default", ADMIN),
    Rule::new("update_network:port_security_enabled", OWNER),
    Rule::new("update_network:provider:network_type", ADMIN),
    Rule::new("update_network:provider:physical_network", ADMIN),
    Rule::new("update_network:provider:segmentation_id", ADMIN),
    Rule::new("update_network:segments", ADMIN),
    Rule::new("delete_network", OWNER),
];

/// What rules may ask of a network the caller has this access to.
#[must_use]
pub fn target(network: &Network, access: Access) -> Target<'_> {
    access.facts(Target::owned_by(&network.project_id))
}
