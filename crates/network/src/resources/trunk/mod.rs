//! Trunks: a parent port that carries, tagged, the frames of other ports.
//!
//! The frames of those come tagged out of the parent's device. Hosts with Open vSwitch carry
//! trunks; on others the ports of a trunk cannot be bound ([`crate::drivers`]).

mod handlers;
pub mod model;
mod policy;
pub mod rules;
pub mod store;
mod subports;
#[cfg(test)]
mod tests;
pub mod view;
pub mod wiring;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Form, ResourceType, STANDARD};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::list::Table;

use crate::resources::registration::Resource;
use crate::resources::tag;
use crate::routes::{Collection, Routes, Verb};

use policy::POLICY;
pub use subports::check_unused;

/// A trunk on the wire (reference/network-api-core §16).
pub const TYPE: ResourceType =
    ResourceType { name: "trunk", collection: "trunks", attributes: &[OWN, STANDARD] };

/// Where the rows are.
pub const TABLE: Table = Table { name: "trunks", id: "id", tags: "tags" };

const OWN: &[Attribute] = &[
    Attribute::settable("admin_state_up", Check::Bool, Absent::TRUE).column("admin_state_up").alias("trunk"),
    Attribute::read_only("id", Check::Uuid).column("id").alias("trunk"),
    Attribute::fixed("project_id", Check::Text(255), Absent::Unset).column("project_id").alias("trunk"),
    Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name").alias("trunk"),
    Attribute::fixed("port_id", Check::Uuid, Absent::Required).column("port_id").alias("trunk"),
    Attribute::read_only("status", Check::Text(16)).column("status").alias("trunk"),
    Attribute::fixed("sub_ports", Check::Own(rules::sub_ports), Absent::EMPTY_LIST)
        .form(SUB_PORTS)
        .alias("trunk"),
];

/// What this folder brings to the API.
pub const RESOURCE: Resource =
    Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS).tagged(&TAGGED).counted("trunk", -1);

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "trunk",
        name: "Trunk Extension",
        description: "Provides support for trunk ports",
        updated: "2016-01-01T10:00:00-00:00",
    },
    Extension {
        alias: "trunk-details",
        name: "Trunk port details",
        description: "Expose trunk port details",
        updated: "2016-01-01T10:00:00-00:00",
    },
];

/// How its objects carry tags.
const TAGGED: tag::Kind =
    tag::kind!("trunks", "trunk", "trunks", "SELECT project_id, '', '', '' FROM trunks WHERE id = $1");

/// The URLs of trunks.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/trunks")
        .list(handlers::list)
        .create(handlers::create)
        .show(handlers::show)
        .update(handlers::update)
        .delete(handlers::delete)
        .action(Verb::Put, "add_subports", subports::add)
        .forms(NAMED_SUB_PORTS, Form::Resource("trunk"))
        .action(Verb::Put, "remove_subports", subports::remove)
        .forms(NAMED_SUB_PORTS, Form::Resource("trunk"))
        .action(Verb::Get, "get_subports", subports::list)
        .gives(NAMED_SUB_PORTS)
}

const SUB_PORTS: Form = Form::List(&Form::Object(&[
    ("port_id", Form::Uuid),
    ("segmentation_type", Form::OneOf(&["vlan", "inherit"])),
    ("segmentation_id", Form::Maybe(&Form::Between(1, 4094))),
]));
const NAMED_SUB_PORTS: Form = Form::Whole(&[("sub_ports", SUB_PORTS)]);
