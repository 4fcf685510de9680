//! OS-EP-FILTER: which endpoints a project sees in its catalog.
//!
//! A project that endpoints, or groups of endpoints, were given to sees those and no
//! others; one that was given nothing sees all ([`super::catalog`]).

mod associations;
mod groups;
pub mod visible;

use isospin_api_kit::policy::Rule;

use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_endpoint_groups", "rule:reads_all"),
    Rule::new("identity:get_endpoint_group", "rule:reads_all"),
    Rule::new("identity:create_endpoint_group", "rule:admin_required"),
    Rule::new("identity:update_endpoint_group", "rule:admin_required"),
    Rule::new("identity:delete_endpoint_group", "rule:admin_required"),
    Rule::new("identity:list_projects_associated_with_endpoint_group", "rule:reads_all"),
    Rule::new("identity:list_endpoints_associated_with_endpoint_group", "rule:reads_all"),
    Rule::new("identity:get_endpoint_group_in_project", "rule:reads_all"),
    Rule::new("identity:list_endpoint_groups_for_project", "rule:reads_all"),
    Rule::new("identity:add_endpoint_group_to_project", "rule:admin_required"),
    Rule::new("identity:remove_endpoint_group_from_project", "rule:admin_required"),
    Rule::new("identity:list_projects_for_endpoint", "rule:reads_all"),
    Rule::new("identity:check_endpoint_in_project", "rule:reads_all"),
    Rule::new("identity:list_endpoints_for_project", "rule:reads_all"),
    Rule::new("identity:add_endpoint_to_project", "rule:admin_required"),
    Rule::new("identity:remove_endpoint_from_project", "rule:admin_required"),
];

pub fn routes() -> Routes {
    Routes::new().merge(groups::routes()).merge(associations::routes())
}
