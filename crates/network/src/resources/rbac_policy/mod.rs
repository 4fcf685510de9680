//! Entries that open objects of one project to others (reference §11), and what every
//! resource that can be shared does with them:
//!
//! * it declares a [`Shareable`] and names it in its `RESOURCE`;
//! * POST and PUT of `shared` call [`open_to_all`] and [`close_to_all`], DELETE of the
//!   object calls [`forget`];
//! * reading asks [`Access::of`] for one object or [`shared_among`] for many, and shows
//!   the answer as `shared`; [`Access::facts`] puts it into the policy target;
//! * lists use [`only_visible`] and, for `?shared=`, [`filter_shared`].

pub mod access;
mod handlers;
mod kinds;
pub mod model;
pub mod policy;
mod rules;
mod sharing;
mod store;
#[cfg(test)]
mod tests;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

pub use access::{Access, filter_shared, only_visible, opened, shared_among};
pub use kinds::{External, Shareable};
pub use model::Action;
use policy::POLICY;
pub use sharing::{close_to_all, forget, forget_action, forget_for_all, open_to_all};

/// An entry on the wire.
pub const TYPE: ResourceType =
    ResourceType { name: "rbac_policy", collection: "rbac_policies", attributes: &[ATTRIBUTES] };

/// Where the rows are.
pub const TABLE: Table = Table { name: "rbac_policies", id: "id", tags: "" };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("id", Check::Uuid).filter(Filter::Column("id")),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).filter(Filter::Column("project_id")),
    Attribute::fixed("object_type", Check::Own(rules::object_type), Absent::Required)
        .form(Form::Text)
        .filter(Filter::Column("object_type")),
    Attribute::fixed("object_id", Check::Uuid, Absent::Required).filter(Filter::Column("object_id")),
    Attribute::fixed("action", Check::OneOf(Action::NAMES), Absent::Required)
        .filter(Filter::Column("action")),
    Attribute::settable("target_tenant", Check::Own(rules::target), Absent::Required)
        .form(Form::Text)
        .filter(Filter::Column("target_project")),
];

/// What works.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: "rbac-policies",
    name: "RBAC Policies",
    description: "Allows creation and modification of policies that control project access to resources.",
    updated: "2015-06-17T12:15:12-00:00",
}];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).counted("rbac_policy", 10);

/// The URLs of entries.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/rbac-policies")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
}
