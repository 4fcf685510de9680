//! The resources of the API: registration only.

pub mod address_group;
pub mod address_scope;
pub mod agent;
pub mod auto_allocated_topology;
pub mod availability_zone;
pub mod conntrack_helper;
pub mod default_security_group_rule;
pub mod discovery;
pub mod extension;
pub mod flavor;
pub mod floating_ip;
pub mod metering_label;
pub mod metering_label_rule;
pub mod network;
pub mod network_ip_availability;
pub mod network_segment_range;
pub mod port;
pub mod port_forwarding;
pub mod qos_policy;
pub mod qos_rule;
pub mod qos_rule_type;
pub mod quota;
pub mod rbac_policy;
pub mod router;
pub mod security_group;
pub mod security_group_default_statefulness;
pub mod security_group_rule;
pub mod segment;
pub mod service_profile;
pub mod service_provider;
pub mod subnet;
pub mod subnet_pool;
pub mod tag;
pub mod trunk;

use isospin_api_kit::extension::Extension;
use isospin_api_kit::policy::{Overrides, Policy, PolicyError, Rule};

use crate::routes::{self, Route, Routes};

/// Rules other rules are made of (reference/policy.md §1).
const BASE_RULES: &[Rule] = &[
    Rule::new("context_is_admin", "role:admin"),
    Rule::new("admin_only", "rule:context_is_admin"),
    Rule::new("service_api", "role:service"),
    Rule::new("context_is_advsvc", "role:advsvc"),
    Rule::new("owner", "project_id:%(project_id)s"),
    Rule::new("network_owner", "project_id:%(network:project_id)s"),
    Rule::new("ext_parent_owner", "project_id:%(ext_parent:project_id)s"),
    Rule::new("sg_owner", "project_id:%(security_group:project_id)s"),
    Rule::new("admin_or_service", "rule:admin_only or rule:service_api"),
    Rule::new("admin_or_owner_member", "rule:admin_only or role:member and rule:owner"),
    Rule::new("admin_or_owner_reader", "rule:admin_only or role:reader and rule:owner"),
    Rule::new("admin_or_owner_manager", "rule:admin_only or role:manager and rule:owner"),
    Rule::new("network_owner_member", "role:member and rule:network_owner"),
    Rule::new("network_owner_reader", "role:reader and rule:network_owner"),
    Rule::new("network_owner_manager", "role:manager and rule:network_owner"),
    Rule::new("shared", "field:networks:shared=True"),
    Rule::new("shared_security_group", "field:security_groups:shared=True"),
    Rule::new("external", "field:networks:router:external=True"),
    Rule::new("network_device", "field:port:device_owner=~^network:"),
];

/// Every rule of every resource.
pub fn policy_rules() -> impl Iterator<Item = &'static Rule> {
    let groups: &'static [&'static [Rule]] = &[
        BASE_RULES,
        agent::POLICY,
        availability_zone::POLICY,
        network::POLICY,
        subnet::POLICY,
        subnet_pool::POLICY,
        address_scope::POLICY,
        network_ip_availability::POLICY,
        auto_allocated_topology::POLICY,
        port::POLICY,
        security_group::POLICY,
        security_group_rule::POLICY,
        quota::POLICY,
        router::POLICY,
        rbac_policy::POLICY,
        address_group::POLICY,
        default_security_group_rule::POLICY,
        security_group_default_statefulness::POLICY,
        floating_ip::POLICY,
        port_forwarding::POLICY,
        conntrack_helper::POLICY,
        flavor::POLICY,
        metering_label::POLICY,
        metering_label_rule::POLICY,
        service_profile::POLICY,
        service_provider::POLICY,
        segment::POLICY,
        network_segment_range::POLICY,
        tag::POLICY,
        qos_policy::POLICY,
        qos_rule::POLICY,
        qos_rule_type::POLICY,
        trunk::POLICY,
    ];
    groups.iter().copied().flatten()
}

/// The rules in force: the built-in ones, and those of a policy file over them.
///
/// # Errors
/// A rule does not parse, refers to nothing or to itself; a name in the file means
/// nothing here.
pub fn policy(overrides: Option<Overrides>) -> Result<Policy, PolicyError> {
    match overrides {
        None => Policy::new(policy_rules()),
        Some(overrides) => {
            let table = route_table();
            Policy::with_overrides(policy_rules(), overrides, |name| routes::guards_attribute(&table, name))
        }
    }
}

/// Every extension that works, by resource.
pub fn extensions() -> impl Iterator<Item = &'static Extension> {
    let groups: &'static [&'static [Extension]] = &[
        extension::EXTENSIONS,
        agent::EXTENSIONS,
        availability_zone::EXTENSIONS,
        network::EXTENSIONS,
        subnet::EXTENSIONS,
        subnet_pool::EXTENSIONS,
        address_scope::EXTENSIONS,
        network_ip_availability::EXTENSIONS,
        auto_allocated_topology::EXTENSIONS,
        port::EXTENSIONS,
        security_group::EXTENSIONS,
        security_group_rule::EXTENSIONS,
        quota::EXTENSIONS,
        router::EXTENSIONS,
        rbac_policy::EXTENSIONS,
        address_group::EXTENSIONS,
        default_security_group_rule::EXTENSIONS,
        security_group_default_statefulness::EXTENSIONS,
        floating_ip::EXTENSIONS,
        port_forwarding::EXTENSIONS,
        conntrack_helper::EXTENSIONS,
        flavor::EXTENSIONS,
        service_provider::EXTENSIONS,
        segment::EXTENSIONS,
        network_segment_range::EXTENSIONS,
        tag::EXTENSIONS,
        qos_policy::EXTENSIONS,
        qos_rule::EXTENSIONS,
        qos_rule_type::EXTENSIONS,
    ];
    groups.iter().copied().flatten()
}

/// Every kind of object that can be opened to other projects.
pub fn shareable() -> impl Iterator<Item = &'static rbac_policy::Shareable> {
    let kinds: &'static [&'static rbac_policy::Shareable] = &[
        &network::SHAREABLE,
        &security_group::SHAREABLE,
        &address_group::SHAREABLE,
        &subnet_pool::SHAREABLE,
        &address_scope::SHAREABLE,
        &qos_policy::SHAREABLE,
    ];
    kinds.iter().copied()
}

/// Routes that need a token.
pub fn routes() -> Routes {
    Routes::new()
        .merge(discovery::routes())
        .merge(extension::routes())
        .merge(agent::routes())
        .merge(availability_zone::routes())
        .merge(network::routes())
        .merge(subnet::routes())
        .merge(subnet_pool::routes())
        .merge(address_scope::routes())
        .merge(network_ip_availability::routes())
        .merge(auto_allocated_topology::routes())
        .merge(port::routes())
        .merge(security_group::routes())
        .merge(security_group_rule::routes())
        .merge(quota::routes())
        .merge(router::routes())
        .merge(rbac_policy::routes())
        .merge(address_group::routes())
        .merge(default_security_group_rule::routes())
        .merge(security_group_default_statefulness::routes())
        .merge(floating_ip::routes())
        .merge(port_forwarding::routes())
        .merge(conntrack_helper::routes())
        .merge(flavor::routes())
        .merge(metering_label::routes())
        .merge(metering_label_rule::routes())
        .merge(service_profile::routes())
        .merge(service_provider::routes())
        .merge(segment::routes())
        .merge(network_segment_range::routes())
        .merge(tag::routes())
        .merge(qos_policy::routes())
        .merge(qos_rule::routes())
        .merge(qos_rule_type::routes())
        .merge(trunk::routes())
}

/// Routes that do not: version discovery and health.
pub fn open_routes() -> Routes<()> {
    discovery::open_routes()
}

/// Everything that is served.
#[must_use]
pub fn route_table() -> Vec<Route> {
    [open_routes().table(), routes().table()].concat()
}
