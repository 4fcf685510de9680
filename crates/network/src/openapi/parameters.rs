//! Parameters of paths, queries and headers.

use isospin_api_kit::attribute::{Attribute, Check, Filter, Form, ResourceType};
use serde_json::{Value, json};

use crate::routes::{Route, Shape, Verb};

/// Parameters that several operations have.
pub fn shared() -> Value {
    let query = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "query", "description": description, "schema": schema});
    json!({
        "limit": query("limit", "Objects on a page; 0 = all", json!({"type": "integer", "minimum": 0})),
        "marker": query("marker", "Identifier of the last object of the page before", json!({"type": "string"})),
        "page_reverse": query("page_reverse", "Pages backwards", json!({"type": "boolean"})),
        "sort_dir": query("sort_dir", "One for each sort_key",
            json!({"type": "array", "items": {"enum": ["asc", "desc"]}})),
        "tags": query("tags", "With all of these, separated by commas", json!({"type": "string"})),
        "tags-any": query("tags-any", "With any of these", json!({"type": "string"})),
        "not-tags": query("not-tags", "Not with all of these", json!({"type": "string"})),
        "not-tags-any": query("not-tags-any", "With none of these", json!({"type": "string"})),
        "changed_since": query("changed_since", "Changed at or after this time",
            json!({"type": "string", "format": "date-time"})),
        "if_match": {"name": "If-Match", "in": "header", "description": "revision_number=N: refuse when another \
            revision is stored", "schema": {"type": "string", "pattern": "^\"?revision_number=[0-9]+\"?$"}},
    })
}

/// The parameters of a route.
pub fn of(route: &Route) -> Vec<Value> {
    let mut parameters: Vec<Value> = path(&route.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": named(route, name)}))
        .collect();
    if is_revised(route) {
        parameters.push(reference("if_match"));
    }
    let Some(resource) = &route.resource else { return parameters };
    match route.shape {
        Shape::List if filters(resource).next().is_some() => list(resource, &mut parameters),
        Shape::Show if route.gives.is_none() => parameters.push(fields(resource)),
        _ => {}
    }
    parameters
}

/// The form of a parameter in the path.
fn named(route: &Route, name: &str) -> Value {
    // Where objects cannot be listed by it, `id` is another thing's: a project's, a name.
    let own = || match route.resource.and_then(|resource| resource.attribute("id")) {
        Some(attribute) => attribute.filter != Filter::No,
        None => route.resource.is_none(),
    };
    if name.ends_with("_id") || name == "id" && own() { Form::Uuid.schema() } else { Form::Text.schema() }
}

/// Whether a request can name the revision it means to change.
pub fn is_revised(route: &Route) -> bool {
    let revised = route.resource.is_some_and(|resource| has(&resource, "revision_number"));
    revised && route.verb != Verb::Get && route.shape != Shape::Create
}

/// Names in braces.
pub fn path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn list(resource: &ResourceType, parameters: &mut Vec<Value>) {
    for (name, schema) in filters(resource) {
        parameters.push(json!({"name": name, "in": "query", "description": "Any of these values",
            "schema": {"type": "array", "items": schema}}));
    }
    if has(resource, "project_id") {
        parameters.push(json!({"name": "tenant_id", "in": "query", "deprecated": true,
            "description": "Another name of project_id", "schema": {"type": "string"}}));
    }
    parameters.push(fields(resource));
    let keys: Vec<&str> = resource
        .attributes()
        .filter(|attribute| attribute.sort.is_some())
        .map(|attribute| attribute.name)
        .collect();
    if !keys.is_empty() {
        parameters.push(json!({"name": "sort_key", "in": "query",
            "schema": {"type": "array", "items": {"enum": keys}}}));
        parameters.push(reference("sort_dir"));
    }
    parameters.extend(["limit", "marker", "page_reverse"].map(reference));
    if has(resource, "tags") {
        parameters.extend(["tags", "tags-any", "not-tags", "not-tags-any"].map(reference));
    }
    if has(resource, "updated_at") {
        parameters.push(reference("changed_since"));
    }
}

fn filters(resource: &ResourceType) -> impl Iterator<Item = (&'static str, Value)> + use<> {
    resource
        .attributes()
        .filter(|attribute| attribute.filter != Filter::No)
        .map(|attribute| (attribute.name, wanted(attribute)))
}

/// The form of a filter's values: text, where it is none of JSON's own simple ones.
fn wanted(attribute: &Attribute) -> Value {
    match attribute.check {
        Check::Bool => Form::Boolean.schema(),
        Check::Int { .. } => Form::Integer.schema(),
        _ => Form::Text.schema(),
    }
}

fn fields(resource: &ResourceType) -> Value {
    let names: Vec<&str> = resource.attributes().map(|attribute| attribute.name).collect();
    json!({"name": "fields", "in": "query", "description": "Keys of the answer; none = all",
        "schema": {"type": "array", "items": {"type": "string", "examples": names}}})
}

fn has(resource: &ResourceType, name: &str) -> bool {
    resource.attribute(name).is_some()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}
