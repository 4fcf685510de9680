//! Limits of projects: how many objects of each kind they may have, and how many
//! they have. Counting is in [`crate::quota`].

mod handlers;
pub mod policy;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Form, ResourceType};
use isospin_api_kit::extension::Extension;

use crate::resources::ALL;
use crate::resources::registration::Resource;
use crate::routes::{Route, Routes, Shape, Verb};

use policy::POLICY;

/// Limits on the wire: the kinds counted, in the order shown, and how to change them.
pub const TYPE: ResourceType =
    ResourceType { name: "quota", collection: "quotas", attributes: &[LIMITS, MANNERS] };

const LIMITS: &[Attribute] = &limits::<{ counted() }>();

/// How many kinds of objects are counted.
const fn counted() -> usize {
    let (mut at, mut count) = (0, 0);
    while at < ALL.len() {
        count += ALL[at].counted.is_some() as usize;
        at += 1;
    }
    count
}

/// An attribute for each of them, in the order of resources.
const fn limits<const N: usize>() -> [Attribute; N] {
    let mut limits = [limit(""); N];
    let (mut at, mut next) = (0, 0);
    while at < ALL.len() {
        if let Some(counted) = ALL[at].counted {
            limits[next] = limit(counted.name);
            next += 1;
        }
        at += 1;
    }
    limits
}

const MANNERS: &[Attribute] = &[
    // A limit below the usage is refused unless forced; asking for that check is
    // allowed and changes nothing.
    Attribute::settable("force", Check::Bool, Absent::Unset).alias("quota-check-limit-default"),
    Attribute::settable("check_limit", Check::Bool, Absent::Unset).alias("quota-check-limit"),
];

/// -1 = unlimited.
const fn limit(name: &'static str) -> Attribute {
    Attribute::settable(name, Check::Int { min: -1, max: 2_147_483_647 }, Absent::Unset)
}

/// The kinds counted, in the order shown.
fn keys() -> impl Iterator<Item = &'static str> {
    LIMITS.iter().map(|attribute| attribute.name)
}

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "quotas",
        name: "Quota management support",
        description: "Expose functions for quotas management per project",
        updated: "2012-07-29T10:00:00-00:00",
    },
    Extension {
        alias: "quota_details",
        name: "Quota details management support",
        description: "Expose functions for quotas usage statistics per project",
        updated: "2017-02-10T10:00:00-00:00",
    },
    Extension {
        alias: "quota-check-limit",
        name: "Quota engine limit check",
        description: "Support for checking the resource usage before applying a new quota limit",
        updated: "2021-09-08T16:00:00-00:00",
    },
    Extension {
        alias: "quota-check-limit-default",
        name: "Quota engine limit check by default",
        description: "By default, the Neutron quota engine checks the resource usage before applying a new \
                      quota limit",
        updated: "2024-08-21T16:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, routes).extensions(EXTENSIONS);

/// Routes of quotas. Everybody may read the limits of the own project; `get_quota`
/// is asked for those of others.
fn routes() -> Routes {
    let quotas = Routes::of(TYPE, "/v2.0/quotas")
        .list(handlers::list)
        .update(handlers::update)
        .delete(handlers::delete)
        .add(reading("/v2.0/quotas/{id}"), handlers::show)
        .add(reading("/v2.0/quotas/{id}/default"), handlers::show_default)
        .add(reading("/v2.0/quotas/{id}/details").gives(DETAILS), handlers::details);
    Routes::from(quotas)
        .add(
            Route::token(Verb::Post, "/v2.0/quotas").gives(NOT_THERE).answers(501),
            handlers::not_implemented,
        )
        .add(Route::token(Verb::Get, "/v2.0/quotas/tenant").gives(OWN_TENANT), handlers::own_tenant)
        .add(Route::token(Verb::Get, "/v2.0/quotas/project").gives(OWN_PROJECT), handlers::own_project)
}

const NOT_THERE: Form = Form::Whole(&[(
    "NotImplementedError",
    Form::Whole(&[("type", Form::Text), ("message", Form::Text), ("detail", Form::Text)]),
)]);
const USAGE: Form =
    Form::Whole(&[("limit", Form::Integer), ("used", Form::Integer), ("reserved", Form::Integer)]);
const DETAILS: Form = Form::Whole(&[("quota", Form::Map(&USAGE))]);
const OWN_TENANT: Form = Form::Whole(&[("tenant", Form::Whole(&[("tenant_id", Form::Text)]))]);
const OWN_PROJECT: Form = Form::Whole(&[("project", Form::Whole(&[("project_id", Form::Text)]))]);

fn reading(path: &str) -> Route {
    Route::ruled(Verb::Get, path, "get_quota").about(TYPE, Shape::Show)
}
