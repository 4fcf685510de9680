//! Tags: short texts on any standard resource, for grouping and finding.
//!
//! A tag has no owner of its own: who may see or change the resource may see or
//! change its tags (N24). Changing tags counts as a change of the resource.

mod handlers;
mod kinds;
pub mod store;

use isospin_api_kit::attribute::Form;
use isospin_api_kit::extension::Extension;

use crate::resources::ALL;
use crate::resources::registration::Resource;
use crate::routes::{Route, Routes, Verb};

pub use kinds::Kind;
pub(in crate::resources) use kinds::kind;

/// Tags of one resource, and characters of one tag, at most.
const MOST: usize = 50;
const LONGEST: usize = 255;

/// What tags bring to the extension list.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "standard-attr-tag",
        name: "Tag support for resources with standard attribute: port, subnet, subnetpool, network, \
               security_group, router, floatingip, policy, trunk, network_segment_range",
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

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(&[], routes).extensions(EXTENSIONS);

/// `/v2.0/<collection>/{id}/tags[/{tag}]` of every kind of resource.
fn routes() -> Routes {
    ALL.iter().filter_map(|resource| resource.tagged).map(routes_of).fold(Routes::new(), Routes::merge)
}

const TAGS: Form = Form::Whole(&[("tags", Form::List(&Form::Text))]);

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
