//! Tags: short texts on any standard resource, for grouping and finding.
//!
//! A tag has no owner of its own: who may see or change the resource may see or
//! change its tags (N24). Changing tags counts as a change of the resource.

mod handlers;
mod kinds;
pub mod store;

use isospin_api_kit::attribute::Form;
use isospin_api_kit::extension::Extension;
use isospin_api_kit::policy::Rule;

use crate::routes::{Route, Routes, Verb};
use kinds::{KINDS, Kind};

/// Tags of one resource, and characters of one tag, at most.
const MOST: usize = 50;
const LONGEST: usize = 255;

/// Default rules: reading is reading the resource, all else is updating it.
pub const POLICY: &[Rule] = &[
    Rule::new("get_network:tags", "rule:get_network"),
    Rule::new("create_network:tags", "rule:update_network"),
    Rule::new("update_network:tags", "rule:update_network"),
    Rule::new("delete_network:tags", "rule:update_network"),
    Rule::new("get_subnet:tags", "rule:get_subnet"),
    Rule::new("create_subnet:tags", "rule:update_subnet"),
    Rule::new("update_subnet:tags", "rule:update_subnet"),
    Rule::new("delete_subnet:tags", "rule:update_subnet"),
    Rule::new("get_subnetpool:tags", "rule:get_subnetpool"),
    Rule::new("create_subnetpool:tags", "rule:update_subnetpool"),
    Rule::new("update_subnetpool:tags", "rule:update_subnetpool"),
    Rule::new("delete_subnetpool:tags", "rule:update_subnetpool"),
    Rule::new("get_port:tags", "rule:get_port"),
    Rule::new("create_port:tags", "rule:update_port"),
    Rule::new("update_port:tags", "rule:update_port"),
    Rule::new("delete_port:tags", "rule:update_port"),
    Rule::new("get_router:tags", "rule:get_router"),
    Rule::new("create_router:tags", "rule:update_router"),
    Rule::new("update_router:tags", "rule:update_router"),
    Rule::new("delete_router:tags", "rule:update_router"),
    Rule::new("get_floatingip:tags", "rule:get_floatingip"),
    Rule::new("create_floatingip:tags", "rule:update_floatingip"),
    Rule::new("update_floatingip:tags", "rule:update_floatingip"),
    Rule::new("delete_floatingip:tags", "rule:update_floatingip"),
    Rule::new("get_security_group:tags", "rule:get_security_group"),
    Rule::new("create_security_group:tags", "rule:update_security_group"),
    Rule::new("update_security_group:tags", "rule:update_security_group"),
    Rule::new("delete_security_group:tags", "rule:update_security_group"),
    Rule::new("get_policy:tags", "rule:get_policy"),
    Rule::new("create_policy:tags", "rule:update_policy"),
    Rule::new("update_policy:tags", "rule:update_policy"),
    Rule::new("delete_policy:tags", "rule:update_policy"),
    Rule::new("get_trunk:tags", "rule:get_trunk"),
    Rule::new("create_trunk:tags", "rule:update_trunk"),
    Rule::new("update_trunk:tags", "rule:update_trunk"),
    Rule::new("delete_trunk:tags", "rule:update_trunk"),
    Rule::new("get_network_segment_range:tags", "rule:get_network_segment_range"),
    Rule::new("create_network_segment_range:tags", "rule:update_network_segment_range"),
    Rule::new("update_network_segment_range:tags", "rule:update_network_segment_range"),
    Rule::new("delete_network_segment_range:tags", "rule:update_network_segment_range"),
];

/// What tags bring to the extension list.
pub const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "standard-attr-tag",
        name: "Tag support for resources with standard attribute: port, subnet, subnetpool, network, \
               security_group, router, floatingip, network_segment_range",
        description: "Enables to set tag on resources with standard attribute.",
        updated: "2017-01-01T00:00:00-00:00",
    },
    Extension {
        alias: "tag-creation",
        name: "Tag creation extension",
        description: "Allow to create multiple tags for a resource",
        updated: "2024-23-07T10:00:00-00:00",
    },
];

/// `/v2.0/<collection>/{id}/tags[/{tag}]` of every kind of resource.
pub fn routes() -> Routes {
    KINDS.iter().map(routes_of).fold(Routes::new(), Routes::merge)
}

const TAGS: Form = Form::Object(&[("tags", Form::List(&Form::Text))]);

fn routes_of(kind: &'static Kind) -> Routes {
    let all = |verb, word| Route::ruled(verb, kind.path(), kind.action(word));
    let one = |verb, word| Route::ruled(verb, format!("{}/{{tag}}", kind.path()), kind.action(word));
    Routes::new()
        .add(all(Verb::Get, "get").gives(TAGS), async move |app, id, context| {
            handlers::list(kind, app, id, context).await
        })
        .add(all(Verb::Put, "update").takes(TAGS).gives(TAGS), async move |app, id, context, body| {
            handlers::replace(kind, app, id, context, body).await
        })
        .add(all(Verb::Post, "create").takes(TAGS).gives(Form::Null), async move |app, id, context, body| {
            handlers::add(kind, app, id, context, body).await
        })
        .add(all(Verb::Delete, "delete"), async move |app, id, context| {
            handlers::clear(kind, app, id, context).await
        })
        .add(one(Verb::Get, "get").answers(204), async move |app, path, context| {
            handlers::check(kind, app, path, context).await
        })
        .add(one(Verb::Put, "update").gives(Form::Null).answers(201), async move |app, path, context| {
            handlers::add_one(kind, app, path, context).await
        })
        .add(one(Verb::Delete, "delete"), async move |app, path, context| {
            handlers::remove(kind, app, path, context).await
        })
}

#[cfg(test)]
mod tests;
