//! The resources of the API: registration only. A folder has two lines here, its `mod` and its
//! place in [`ALL`].

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
pub mod registration;
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
use registration::{Counted, Resource};

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

/// Every resource; quotas are shown in this order.
pub const ALL: &[&Resource] = &[
    &discovery::RESOURCE,
    &extension::RESOURCE,
    &agent::RESOURCE,
    &availability_zone::RESOURCE,
    &network::RESOURCE,
    &subnet::RESOURCE,
    &subnet_pool::RESOURCE,
    &address_scope::RESOURCE,
    &network_ip_availability::RESOURCE,
    &auto_allocated_topology::RESOURCE,
    &port::RESOURCE,
    &router::RESOURCE,
    &floating_ip::RESOURCE,
    &port_forwarding::RESOURCE,
    &conntrack_helper::RESOURCE,
    &rbac_policy::RESOURCE,
    &address_group::RESOURCE,
    &security_group::RESOURCE,
    &security_group_rule::RESOURCE,
    &default_security_group_rule::RESOURCE,
    &security_group_default_statefulness::RESOURCE,
    &quota::RESOURCE,
    &flavor::RESOURCE,
    &metering_label::RESOURCE,
    &metering_label_rule::RESOURCE,
    &service_profile::RESOURCE,
    &service_provider::RESOURCE,
    &segment::RESOURCE,
    &network_segment_range::RESOURCE,
    &tag::RESOURCE,
    &qos_policy::RESOURCE,
    &qos_rule::RESOURCE,
    &qos_rule_type::RESOURCE,
    &trunk::RESOURCE,
];

/// Every rule of every resource.
pub fn policy_rules() -> impl Iterator<Item = &'static Rule> {
    let tags = ALL.iter().filter_map(|resource| resource.tagged).flat_map(|kind| &kind.rules);
    BASE_RULES.iter().chain(ALL.iter().flat_map(|resource| resource.policy)).chain(tags)
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
    ALL.iter().flat_map(|resource| resource.extensions)
}

/// Every kind of object that can be opened to other projects.
pub fn shareable() -> impl Iterator<Item = &'static rbac_policy::Shareable> {
    ALL.iter().filter_map(|resource| resource.shareable)
}

/// Every kind of object that is limited in number.
pub fn counted() -> impl Iterator<Item = Counted> {
    ALL.iter().filter_map(|resource| resource.counted)
}

/// Routes that need a token.
pub fn routes() -> Routes {
    ALL.iter().map(|resource| (resource.routes)()).fold(Routes::new(), Routes::merge)
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
