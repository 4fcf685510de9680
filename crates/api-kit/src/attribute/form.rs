//! The form of values, for documents that describe the API. What is accepted is
//! decided by [`super::Check`] alone.

use serde_json::{Map, Value, json};

use super::{Attribute, Check};

/// How a value looks in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the attribute's check says; for [`Check::Own`], anything.
    Plain,
    Null,
    Boolean,
    Integer,
    Text,
    Uuid,
    Ip,
    Mac,
    Cidr,
    OneOf(&'static [&'static str]),
    List(&'static Form),
    /// Keys and the forms of their values.
    Object(&'static [(&'static str, Form)]),
    /// An object of the resource of this name.
    Resource(&'static str),
}

impl Form {
    /// The JSON schema.
    #[must_use]
    pub fn schema(&self) -> Value {
        match self {
            Self::Plain => json!({}),
            Self::Null => json!({"type": "null"}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::Integer => json!({"type": "integer"}),
            Self::Text => json!({"type": "string"}),
            Self::Uuid => json!({"type": "string", "format": "uuid"}),
            Self::Ip => json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
            Self::Mac => json!({"type": "string", "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"}),
            Self::Cidr => json!({"type": "string", "description": "ADDRESS/LENGTH"}),
            Self::OneOf(choices) => json!({"enum": choices}),
            Self::List(item) => json!({"type": "array", "items": item.schema()}),
            Self::Object(keys) => {
                let properties: Map<String, Value> =
                    keys.iter().map(|(key, form)| ((*key).to_owned(), form.schema())).collect();
                json!({"type": "object", "properties": properties})
            }
            Self::Resource(name) => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}

impl Attribute {
    /// The JSON schema of the attribute's values.
    #[must_use]
    pub fn schema(&self) -> Value {
        let schema = match self.form {
            Form::Plain => self.check.schema(),
            form => form.schema(),
        };
        if self.nullable { or_null(schema) } else { schema }
    }
}

/// The same, or null.
fn or_null(schema: Value) -> Value {
    if schema.as_object().is_some_and(Map::is_empty) {
        return schema;
    }
    json!({"anyOf": [schema, {"type": "null"}]})
}

impl Check {
    fn schema(self) -> Value {
        match self {
            Self::Text(most) => json!({"type": "string", "maxLength": most}),
            Self::NonEmptyText(most) => json!({"type": "string", "minLength": 1, "maxLength": most}),
            Self::Bool => Form::Boolean.schema(),
            Self::Int { min, max } => {
                let mut schema = Map::new();
                schema.insert("type".to_owned(), json!("integer"));
                if min > i64::MIN {
                    schema.insert("minimum".to_owned(), json!(min));
                }
                if max < i64::MAX {
                    schema.insert("maximum".to_owned(), json!(max));
                }
                Value::Object(schema)
            }
            Self::Uuid => Form::Uuid.schema(),
            Self::Mac => Form::Mac.schema(),
            Self::Ip => Form::Ip.schema(),
            Self::Cidr => Form::Cidr.schema(),
            Self::OneOf(choices) => Form::OneOf(choices).schema(),
            Self::UuidList => json!({"type": "array", "items": Form::Uuid.schema(), "uniqueItems": true}),
            Self::TextList { each } => {
                json!({"type": "array", "items": {"type": "string", "maxLength": each}, "uniqueItems": true})
            }
            Self::Object => json!({"type": "object"}),
            Self::Own(_) => Form::Plain.schema(),
        }
    }
}
