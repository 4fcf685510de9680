//! Rules of quality of service: what a policy grants or limits. Each is part of one
//! policy; a policy has at most one of a kind for each direction.
//!
//! The same rules are also found without naming their policy, under the alias URLs.

mod handlers;
pub mod kind;
pub mod model;
mod policy;
pub mod rules;
pub mod store;
#[cfg(test)]
mod tests;
pub mod view;

use isospin_api_kit::attribute::Form;
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::routes::{Route, Routes, Shape, Verb};
use kind::Kind;

use policy::POLICY;

/// Where the rows are.
pub const TABLE: Table = Table { name: "qos_rules", id: "id", tags: "" };

/// A rule as its policy shows it: which amounts it has depends on its type.
pub const WITHIN: Form = Form::Object(&[
    ("id", Form::Uuid),
    ("qos_policy_id", Form::Uuid),
    ("type", Form::Text),
    ("direction", Form::OneOf(&["any", "ingress", "egress"])),
    ("max_kbps", RATE),
    ("max_burst_kbps", RATE),
    ("dscp_mark", Form::NumberOf(kind::DSCP_MARKS)),
    ("min_kbps", RATE),
    ("min_kpps", RATE),
    ("max_kpps", RATE),
    ("max_burst_kpps", RATE),
]);
const RATE: Form = Form::Between(0, kind::MOST);

/// What works: limits, by the drivers that are loaded. No driver guarantees anything
/// yet, so the minimum rules can be written into policies but come with no alias.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "qos-bw-limit-direction",
        name: "Direction for QoS bandwidth limit rule",
        description: "Allow to configure QoS bandwidth limit rule with specific direction: ingress or egress",
        updated: "2017-04-10T10:00:00-00:00",
    },
    Extension {
        alias: "qos-pps",
        name: "QoS Rule Type Packet per Second Extension",
        description: "Add QoS Rule Type Packet per Second",
        updated: "2021-05-12T10:00:00-00:00",
    },
    Extension {
        alias: "qos-rules-alias",
        name: "Quality of Service rules alias API",
        description: "API to enable GET, PUT and DELETE operations on QoS policy rules without specifying policy ID",
        updated: "2018-10-07T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, routes).extensions(EXTENSIONS);

/// The URLs of each kind, within the policy and by themselves.
fn routes() -> Routes {
    Kind::ALL.into_iter().map(routes_of).fold(Routes::new(), Routes::merge)
}

fn routes_of(kind: Kind) -> Routes {
    let alias = |verb, word: &str, shape| {
        let action = format!("{word}_{}", kind.alias().name);
        Route::ruled(verb, format!("{}/{{id}}", kind.alias_path()), action).about(*kind.alias(), shape)
    };
    let within = Routes::under("policy", *kind.resource(), kind.path())
        .list(async move |app, id, context| handlers::list(kind, app, id, context).await)
        .create(async move |app, id, context, body| handlers::create(kind, app, id, context, body).await)
        .alone()
        .show(async move |app, ids, context| handlers::show(kind, app, ids, context).await)
        .update(async move |app, ids, context, body| handlers::update(kind, app, ids, context, body).await)
        .delete(async move |app, ids, context, body| handlers::delete(kind, app, ids, context, body).await);
    Routes::from(within)
        .add(alias(Verb::Get, "get", Shape::Show), async move |app, id, context| {
            handlers::show_alias(kind, app, id, context).await
        })
        .add(alias(Verb::Put, "update", Shape::Update), async move |app, id, context, body| {
            handlers::update_alias(kind, app, id, context, body).await
        })
        .add(alias(Verb::Delete, "delete", Shape::Delete), async move |app, id, context, body| {
            handlers::delete_alias(kind, app, id, context, body).await
        })
}
