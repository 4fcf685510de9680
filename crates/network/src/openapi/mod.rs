//! The API as an OpenAPI 3.1 document, made from the route table and the attribute
//! tables: what it says is what the server does.

mod operation;
mod parameters;
mod schemas;

use std::collections::BTreeMap;

use isospin_api_kit::FaultType;
use isospin_api_kit::attribute::{Form, ResourceType};
use serde_json::{Map, Value, json};

use crate::routes::Route;

/// The document of these routes.
#[must_use]
pub fn document(table: &[Route]) -> Value {
    let resources = resources(table);
    let tags: Vec<Value> = resources.values().map(|resource| json!({"name": resource.collection})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Isospin Network API",
            "version": "2.0",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "The OpenStack Network API v2.0 as this server offers it. Every URL may end in \
                `.json`; underscores and hyphens in it mean the same. `x-policy` names the rule that guards an \
                operation, `x-extension` the alias an attribute comes with.",
        },
        "servers": [{"url": "http://localhost:9696"}],
        "security": [{"token": []}],
        "tags": tags,
        "paths": paths(table),
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "schemas": schemas::all(&resources),
            "parameters": parameters::shared(),
            "responses": faults(),
            "headers": {"request_id": {"description": "Names the request in logs and change rows",
                "schema": {"type": "string", "pattern": "^req-[0-9a-f-]{36}$"}}},
        },
    })
}

/// The kinds of object the routes speak of, by name.
fn resources(table: &[Route]) -> BTreeMap<&'static str, ResourceType> {
    table.iter().filter_map(|route| route.resource).map(|resource| (resource.name, resource)).collect()
}

fn paths(table: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in table {
        let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        if let Value::Object(operations) = path {
            operations.insert(route.verb.as_str().to_lowercase(), operation::operation(route));
        }
    }
    Value::Object(paths)
}

/// One answer for each status of a refusal, with the kinds that have it.
fn faults() -> Value {
    let mut kinds: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for kind in FaultType::ALL {
        kinds.entry(kind.status()).or_default().push(kind.name());
    }
    let mut responses = Map::new();
    responses.insert("401".to_owned(), answer(401, UNAUTHORIZED.schema()));
    for (status, kinds) in kinds {
        let mut fault = FAULT.schema();
        fault["properties"]["NeutronError"]["properties"]["type"] = json!({"enum": kinds});
        responses.insert(status.to_string(), answer(status, fault));
    }
    Value::Object(responses)
}

const FAULT: Form = Form::Whole(&[(
    "NeutronError",
    Form::Whole(&[("type", Form::Text), ("message", Form::Text), ("detail", Form::Text)]),
)]);
const UNAUTHORIZED: Form = Form::Whole(&[(
    "error",
    Form::Whole(&[
        ("code", Form::NumberOf(&[401])),
        ("title", Form::OneOf(&["Unauthorized"])),
        ("message", Form::Text),
    ]),
)]);

fn answer(status: u16, schema: Value) -> Value {
    json!({"description": meaning(status), "headers": operation::request_id(),
        "content": {"application/json": {"schema": schema}}})
}

fn meaning(status: u16) -> &'static str {
    match status {
        401 => "No valid token",
        400 => "The request cannot be meant this way",
        403 => "Not allowed",
        404 => "Not there, or hidden from the caller",
        405 => "No such verb here",
        409 => "In conflict with what is there",
        412 => "Another revision is stored than If-Match names",
        413 => "The body is too long",
        414 => "The URL is too long",
        503 => "Try again",
        _ => "The server failed",
    }
}

#[cfg(test)]
mod tests;
