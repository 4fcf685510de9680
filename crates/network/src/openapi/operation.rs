//! One operation: a verb of a URL.

use isospin_api_kit::attribute::Form;
use serde_json::{Map, Value, json};

use super::{parameters, schemas};
use crate::routes::{Access, Route, Shape, Verb};

/// The operation of a route.
pub fn operation(route: &Route) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), json!(name(route)));
    if let Some(resource) = &route.resource {
        operation.insert("tags".to_owned(), json!([resource.collection]));
    }
    match &route.access {
        Access::Open => {
            operation.insert("security".to_owned(), json!([]));
        }
        Access::Token => {}
        Access::Rule(rule) => {
            operation.insert("x-policy".to_owned(), json!(rule));
        }
    }
    let parameters = parameters::of(route);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if let Some(schema) = taken(route) {
        let content = json!({"application/json": {"schema": schema}});
        operation.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    operation.insert("responses".to_owned(), responses(route));
    Value::Object(operation)
}

/// Verb and URL as one word: `get_networks_id`.
fn name(route: &Route) -> String {
    let path = route.path.strip_prefix("/v2.0/").filter(|rest| !rest.is_empty()).unwrap_or(&route.path);
    let words =
        path.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = route.verb.as_str().to_lowercase();
    for word in words {
        name.push('_');
        name.push_str(word);
    }
    // The same URL is also served with a final slash.
    if path.ends_with('/') { format!("{name}_") } else { name }
}

/// The body of a request.
fn taken(route: &Route) -> Option<Value> {
    if let Some(form) = route.takes {
        return Some(form.schema());
    }
    let resource = route.resource?;
    match route.shape {
        Shape::Create => {
            let schema = schemas::created_name(resource.name);
            let one = keyed(resource.name, schemas::reference(&schema));
            if route.alone {
                return Some(one);
            }
            let several = json!({"type": "array", "minItems": 1, "items": schemas::reference(&schema)});
            Some(json!({"oneOf": [one, keyed(resource.collection, several)]}))
        }
        Shape::Update => {
            Some(keyed(resource.name, schemas::reference(&schemas::changed_name(resource.name))))
        }
        Shape::List | Shape::Show | Shape::Delete | Shape::Other => None,
    }
}

/// The body of an answer of success.
fn given(route: &Route) -> Option<Value> {
    if let Some(form) = route.gives {
        return Some(form.schema());
    }
    let resource = route.resource?;
    let one = || keyed(resource.name, schemas::reference(resource.name));
    let several = || json!({"type": "array", "items": schemas::reference(resource.name)});
    match route.shape {
        Shape::List => {
            let mut schema = keyed(resource.collection, several());
            schema["properties"][format!("{}_links", resource.collection)] = Form::List(&LINK).schema();
            Some(schema)
        }
        Shape::Show | Shape::Update => Some(one()),
        Shape::Create if route.alone => Some(one()),
        Shape::Create => Some(json!({"oneOf": [one(), keyed(resource.collection, several())]})),
        Shape::Delete | Shape::Other => None,
    }
}

const LINK: Form = Form::Whole(&[("rel", Form::OneOf(&["next", "previous"])), ("href", Form::Text)]);

/// An object with one key.
fn keyed(key: &str, schema: Value) -> Value {
    json!({"type": "object", "required": [key], "properties": {key: schema}, "additionalProperties": false})
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    let mut success = json!({"description": "Done", "headers": request_id()});
    if let Some(schema) = given(route) {
        // A text by itself is no JSON.
        let kind = if route.gives == Some(Form::Text) { "text/plain" } else { "application/json" };
        success["content"] = json!({kind: {"schema": schema}});
    }
    responses.insert(route.status().to_string(), success);
    for status in refusals(route) {
        responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{status}")}));
    }
    Value::Object(responses)
}

/// The header of every answer.
pub fn request_id() -> Value {
    json!({"x-openstack-request-id": {"$ref": "#/components/headers/request_id"}})
}

/// Statuses a refusal may have.
fn refusals(route: &Route) -> Vec<u16> {
    let writes = route.verb != Verb::Get;
    let open = route.access == Access::Open;
    let ruled = matches!(route.access, Access::Rule(_));
    // What a URL names, a POST refers to, or a list goes on after.
    let names =
        parameters::path(&route.path).next().is_some() || matches!(route.shape, Shape::Create | Shape::List);
    let all = [
        (400, !open),
        (401, !open),
        (403, ruled),
        (404, names),
        (409, ruled && (writes || route.makes)),
        (412, parameters::is_revised(route)),
        (413, writes),
        (414, true),
        (503, !open),
    ];
    all.into_iter().filter(|(_, possible)| *possible).map(|(status, _)| status).collect()
}
