//! Flavors: kinds of a service an operator offers, each provided as its service
//! profiles say (reference §13).
//!
//! A router may name a flavor of routers when it is made; the flavor must then be
//! enabled and lead to a provider that is there ([`provider_of`]). While a router
//! names it, a flavor cannot be deleted.

mod bindings;
mod handlers;
pub mod model;
pub mod store;

#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Form, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;
use isospin_api_kit::policy::Rule;
use isospin_api_kit::{Fault, FaultType};

use crate::resources::registration::Resource;
use crate::routes::{Collection, Route, Routes, Verb};

pub use bindings::provider_of;

/// What a flavor is on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "flavor",
    collection: "flavors",
    attributes: &[&[
        Attribute::read_only("id", Check::Uuid).column("id").alias("flavors"),
        Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name").alias("flavors"),
        Attribute::settable("description", Check::Text(1024), Absent::EMPTY_TEXT)
            .or_null()
            .column("description")
            .alias("flavors"),
        Attribute::fixed("service_type", Check::OneOf(SERVICE_TYPES), Absent::Required)
            .column("service_type")
            .alias("flavors"),
        Attribute::settable("enabled", Check::Bool, Absent::TRUE)
            .or_null()
            .column("enabled")
            .alias("flavors"),
        Attribute::settable("service_profiles", Check::UuidList, Absent::EMPTY_LIST).alias("flavors"),
    ]],
};

/// Services the reference knows.
const SERVICE_TYPES: &[&str] = &[
    "DUMMY",
    "FIREWALL",
    "FIREWALL_V2",
    "FLAVORS",
    "L3_ROUTER_NAT",
    "LOADBALANCER",
    "LOADBALANCERV2",
    "METERING",
    "QOS",
    "VPN",
];

/// Where flavors are stored.
pub const TABLE: Table = Table { name: "flavors", id: "id", tags: "" };

/// Default rules (reference/policy.md §2).
const POLICY: &[Rule] = &[
    Rule::new("create_flavor", "rule:admin_only"),
    Rule::new("get_flavor", "rule:admin_only or role:reader"),
    Rule::new("update_flavor", "rule:admin_only"),
    Rule::new("delete_flavor", "rule:admin_only"),
    Rule::new("create_flavor_service_profile", "rule:admin_only"),
    Rule::new("delete_flavor_service_profile", "rule:admin_only"),
];

/// What flavors bring to the extension list.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: "flavors",
    name: "Neutron Service Flavors",
    description: "Flavor specification for Neutron advanced services.",
    updated: "2015-09-17T10:00:00-00:00",
}];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of flavors.
fn routes() -> Collection {
    let profiles = "/v2.0/flavors/{id}/service_profiles";
    let profile = "/v2.0/flavors/{id}/service_profiles/{profile_id}";
    Routes::of(TYPE, "/v2.0/flavors")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
        .add(
            Route::ruled(Verb::Post, profiles, "create_flavor_service_profile").takes(PROFILE).gives(PROFILE),
            bindings::create,
        )
        .add(Route::ruled(Verb::Delete, profile, "delete_flavor_service_profile"), bindings::delete)
        .add(
            Route::ruled(Verb::Get, "/v2.0/flavors/{id}/next_providers", "get_flavor").gives(PROVIDERS),
            bindings::next_providers,
        )
}

const PROFILE: Form = Form::Whole(&[("service_profile", Form::Whole(&[("id", Form::Uuid)]))]);
const PROVIDERS: Form = Form::Whole(&[(
    "next_providers",
    Form::List(&Form::Whole(&[("driver", Form::Text), ("provider", Form::Text)])),
)]);

/// 404.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::FlavorNotFound, format!("Flavor {id} could not be found."))
}
