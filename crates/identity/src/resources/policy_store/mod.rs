//! `/v3/policies`: policy texts kept for other services, and which endpoint has which
//! (OS-ENDPOINT-POLICY). Deprecated long ago; kept because clients still ask.

mod associations;

use isospin_api_kit::policy::Rule;

use super::record::{Kind, Stored, unchecked};
use crate::input::{self, Field, Schema};
use crate::listing::Filter;
use crate::routes::Routes;

pub const RULES: &[Rule] = &[
    Rule::new("identity:list_policies", "rule:reads_all"),
    Rule::new("identity:get_policy", "rule:reads_all"),
    Rule::new("identity:create_policy", "rule:admin_required"),
    Rule::new("identity:update_policy", "rule:admin_required"),
    Rule::new("identity:delete_policy", "rule:admin_required"),
    Rule::new("identity:create_policy_association_for_endpoint", "rule:admin_required"),
    Rule::new("identity:check_policy_association_for_endpoint", "rule:reads_all"),
    Rule::new("identity:delete_policy_association_for_endpoint", "rule:admin_required"),
    Rule::new("identity:create_policy_association_for_service", "rule:admin_required"),
    Rule::new("identity:check_policy_association_for_service", "rule:reads_all"),
    Rule::new("identity:delete_policy_association_for_service", "rule:admin_required"),
    Rule::new("identity:create_policy_association_for_region_and_service", "rule:admin_required"),
    Rule::new("identity:check_policy_association_for_region_and_service", "rule:reads_all"),
    Rule::new("identity:delete_policy_association_for_region_and_service", "rule:admin_required"),
    Rule::new("identity:get_policy_for_endpoint", "rule:reads_all"),
    Rule::new("identity:list_endpoints_for_policy", "rule:reads_all"),
];

static POLICY: Kind = Kind {
    schema: Schema {
        key: "policy",
        fields: &[
            Field::required("blob", input::Kind::Text),
            Field::required("type", input::Kind::Name(255)),
        ],
        fixed: &[],
    },
    plural: "policies",
    table: "policies",
    path: "policies",
    columns: &[("type", Stored::Text), ("blob", Stored::Text), ("extra", Stored::Extra)],
    filters: &[Filter::text("type", "type")],
    check: unchecked,
};

pub fn routes() -> Routes {
    Routes::new().records(&POLICY).merge(associations::routes())
}
