//! Bindings of a port, one for each host: the ACTIVE one is where the port is, the
//! INACTIVE ones are made ready for where it may go. Live migration makes one for
//! the destination, activates it when the instance is there, and deletes the one of
//! the source (reference §4; agents-and-dataplane §10).

mod handlers;
mod rules;
mod view;

use isospin_api_kit::attribute::{Absent, Attribute, Check, Filter, Form, ResourceType};

use super::forms;
use super::rules::checks;
use crate::routes::{Route, Routes, Shape, Verb};

/// A binding on the wire.
pub const TYPE: ResourceType =
    ResourceType { name: "binding", collection: "bindings", attributes: &[ATTRIBUTES] };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::fixed("host", Check::NonEmptyText(255), Absent::Required)
        // That of a port that is nowhere has none.
        .form(Form::Text)
        .filter(Filter::Own)
        .alias("binding-extended"),
    Attribute::read_only("vif_type", Check::Text(64)).filter(Filter::Own).alias("binding-extended"),
    Attribute::settable("vnic_type", Check::OneOf(checks::VNIC_TYPES), Absent::Is(checks::normal))
        .filter(Filter::Own)
        .alias("binding-extended"),
    Attribute::read_only("status", Check::Text(16)).filter(Filter::Own).alias("binding-extended"),
    Attribute::settable("profile", Check::Own(checks::profile), Absent::EMPTY_OBJECT)
        .form(forms::ANY)
        .alias("binding-extended"),
    Attribute::read_only("vif_details", Check::Object).form(forms::ANY).alias("binding-extended"),
];

const BINDING: Form = Form::Whole(&[(TYPE.name, Form::Resource(TYPE.name))]);

/// The URLs of bindings.
pub fn routes() -> Routes {
    const ALL: &str = "/v2.0/ports/{port_id}/bindings";
    const ONE: &str = "/v2.0/ports/{port_id}/bindings/{host}";
    let about = |verb, path: &str, action, shape| Route::ruled(verb, path, action).about(TYPE, shape);
    Routes::new()
        .add(about(Verb::Get, ALL, "get_port_binding", Shape::List), handlers::list)
        .add(about(Verb::Post, ALL, "create_port_binding", Shape::Create).alone(), handlers::create)
        .add(about(Verb::Get, ONE, "get_port_binding", Shape::Show), handlers::show)
        .add(about(Verb::Put, ONE, "update_port_binding", Shape::Update), handlers::update)
        .add(about(Verb::Delete, ONE, "delete_port_binding", Shape::Delete), handlers::delete)
        .add(
            about(Verb::Put, &format!("{ONE}/activate"), "activate_port_binding", Shape::Other)
                .gives(BINDING),
            handlers::activate,
        )
}
