//! One operation: a verb of a URL.

use isospin_api_kit::attribute::{Form, ResourceType};
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

fn taken(route: &Route) -> Option<Value> {
    let under = |resource: &ResourceType, schema: &str| keyed(resource.name, schemas::reference(schema));
    match (route.shape, &route.resource) {
        (Shape::Create, Some(resource)) => {
            let schema = schemas::created_name(resource.name);
            let several = json!({"type": "array", "minItems": 1, "items": schemas::reference(&schema)});
            Some(json!({"oneOf": [under(resource, &schema), keyed(resource.collection, several)]}))
        }
        (Shape::Update, Some(resource)) => Some(under(resource, &schemas::changed_name(resource.name))),
        _ => route.takes.map(|form| form.schema()),
    }
}

fn given(route: &Route) -> Option<Value> {
    match (route.shape, &route.resource) {
        (Shape::List, Some(resource)) => {
            let items = json!({"type": "array", "items": schemas::reference(resource.name)});
            let mut schema = keyed(resource.collection, items);
            schema["properties"][format!("{}_links", resource.collection)] = Form::List(&LINK).schema();
            Some(schema)
        }
        (Shape::Show | Shape::Update, Some(resource)) => {
            Some(keyed(resource.name, schemas::reference(resource.name)))
        }
        (Shape::Create, Some(resource)) => {
            let several = json!({"type": "array", "items": schemas::reference(resource.name)});
            let one = keyed(resource.name, schemas::reference(resource.name));
            Some(json!({"oneOf": [one, keyed(resource.collection, several)]}))
        }
        _ => route.gives.map(|form| form.schema()),
    }
}

const LINK: Form = Form::Object(&[("rel", Form::OneOf(&["next", "previous"])), ("href", Form::Text)]);

fn keyed(key: &str, schema: Value) -> Value {
    json!({"type": "object", "required": [key], "properties": {key: schema}})
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    let mut success = json!({"description": "Done"});
    if let Some(schema) = given(route) {
        success["content"] = json!({"application/json": {"schema": schema}});
    }
    responses.insert(route.status().to_string(), success);
    for status in refusals(route) {
        responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{status}")}));
    }
    Value::Object(responses)
}

/// Statuses a refusal may have.
fn refusals(route: &Route) -> Vec<u16> {
    let writes = route.verb != Verb::Get;
    let ruled = matches!(route.access, Access::Rule(_));
    let revised = route.resource.is_some_and(|resource| resource.attribute("revision_number").is_some());
    let all = [
        (400, writes || route.shape == Shape::List),
        (401, route.access != Access::Open),
        (403, ruled && route.shape != Shape::List),
        (404, parameters::path(&route.path).next().is_some() || route.shape == Shape::Create),
        (409, ruled && writes),
        (412, revised && matches!(route.shape, Shape::Update | Shape::Delete)),
        (413, matches!(route.verb, Verb::Post | Verb::Put)),
        (503, route.access != Access::Open),
    ];
    all.into_iter().filter(|(_, possible)| *possible).map(|(status, _)| status).collect()
}
