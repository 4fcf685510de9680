//! Rules other rules are made of (reference/identity-api.md §15).

use isospin_api_kit::policy::Rule;

pub const RULES: &[Rule] = &[
    Rule::new("admin_required", "role:admin"),
    Rule::new("service_role", "role:service"),
    Rule::new("system_reader", "role:reader and system_scope:all"),
    Rule::new("owner", "user_id:%(user_id)s"),
    Rule::new("admin_or_owner", "rule:admin_required or rule:owner"),
    // Readers of a domain see what is in it.
    Rule::new("domain_reader", "role:reader and domain_id:%(target.domain_id)s"),
    Rule::new("reads_all", "rule:admin_required or rule:system_reader"),
    Rule::new("reads_domain", "rule:reads_all or rule:domain_reader"),
];
