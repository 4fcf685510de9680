//! Who may do what with rules: those who may with the policy (reference/policy.md §2).

use isospin_api_kit::policy::Rule;

const OWNER: &str = "rule:admin_only or role:manager and project_id:%(ext_parent:project_id)s";
const READER: &str = "rule:admin_only or role:reader and project_id:%(ext_parent:project_id)s";

macro_rules! rules {
    ($($kind:literal),*) => {
        &[$(
            Rule::new(concat!("create_policy_", $kind, "_rule"), OWNER),
            Rule::new(concat!("get_policy_", $kind, "_rule"), READER),
            Rule::new(concat!("update_policy_", $kind, "_rule"), OWNER),
            Rule::new(concat!("delete_policy_", $kind, "_rule"), OWNER),
            Rule::new(concat!("get_alias_", $kind, "_rule"), READER),
            Rule::new(concat!("update_alias_", $kind, "_rule"), OWNER),
            Rule::new(concat!("delete_alias_", $kind, "_rule"), OWNER),
        )*]
    };
}

/// The rules.
pub const POLICY: &[Rule] = rules!(
    "bandwidth_limit",
    "dscp_marking",
    "minimum_bandwidth",
    "minimum_packet_rate",
    "packet_rate_limit"
);
