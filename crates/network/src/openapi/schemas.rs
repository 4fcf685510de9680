//! Schemas of resources: as shown, as created, as changed.

use std::collections::BTreeMap;

use isospin_api_kit::attribute::{Absent, Attribute, ResourceType, Show};
use serde_json::{Map, Value, json};

/// The schemas of all resources.
pub fn all(resources: &BTreeMap<&'static str, ResourceType>) -> Value {
    let mut schemas = Map::new();
    for (name, resource) in resources {
        schemas.insert((*name).to_owned(), shown(resource));
        if resource.attributes().any(|attribute| attribute.post) {
            schemas.insert(created_name(name), created(resource));
        }
        if resource.attributes().any(|attribute| attribute.put) {
            schemas.insert(changed_name(name), changed(resource));
        }
    }
    Value::Object(schemas)
}

/// Name of the schema of a new object.
pub fn created_name(resource: &str) -> String {
    format!("{resource}_create")
}

/// Name of the schema of a change.
pub fn changed_name(resource: &str) -> String {
    format!("{resource}_update")
}

/// A reference to a schema.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn shown(resource: &ResourceType) -> Value {
    let attributes = resource.attributes().filter(|attribute| attribute.show != Show::Never);
    object(attributes.map(|attribute| {
        let mut schema = described(attribute);
        if attribute.show == Show::Ruled {
            let rule = format!("get_{}:{}", resource.name, attribute.name);
            schema.insert("x-policy".to_owned(), json!(rule));
        }
        (attribute.name, schema)
    }))
}

fn created(resource: &ResourceType) -> Value {
    let attributes = || resource.attributes().filter(|attribute| attribute.post);
    let mut schema = object(attributes().map(|attribute| {
        let mut schema = described(attribute);
        if let Absent::Is(default) = attribute.absent {
            schema.insert("default".to_owned(), default());
        }
        (attribute.name, schema)
    }));
    let required: Vec<&str> = attributes()
        .filter(|attribute| matches!(attribute.absent, Absent::Required))
        .map(|attribute| attribute.name)
        .collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn changed(resource: &ResourceType) -> Value {
    let attributes = resource.attributes().filter(|attribute| attribute.put);
    object(attributes.map(|attribute| (attribute.name, described(attribute))))
}

/// Properties by name; a project goes by its older name too.
fn object(properties: impl Iterator<Item = (&'static str, Map<String, Value>)>) -> Value {
    let mut all = Map::new();
    for (name, schema) in properties {
        if name == "project_id" {
            let mut older = schema.clone();
            older.insert("deprecated".to_owned(), json!(true));
            older.insert("description".to_owned(), json!("Another name of project_id"));
            all.insert("tenant_id".to_owned(), Value::Object(older));
        }
        all.insert(name.to_owned(), Value::Object(schema));
    }
    json!({"type": "object", "properties": all, "additionalProperties": false})
}

fn described(attribute: &Attribute) -> Map<String, Value> {
    let mut schema = match attribute.schema() {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    if !attribute.alias.is_empty() {
        schema.insert("x-extension".to_owned(), json!(attribute.alias));
    }
    schema
}
