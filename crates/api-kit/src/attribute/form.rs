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
    /// A text; for example one of these.
    Such(&'static [&'static str]),
    /// One of these numbers.
    NumberOf(&'static [i64]),
    /// A whole number within bounds.
    Between(i64, i64),
    /// A whole number of 0 or more, or the text of one.
    Digits,
    /// A prefix or a single address.
    Addresses,
    List(&'static Form),
    /// Some of these keys, and the forms of their values; no others.
    Object(&'static [(&'static str, Form)]),
    /// All of these keys, no others.
    Whole(&'static [(&'static str, Form)]),
    /// Any keys, all of whose values have this form.
    Map(&'static Form),
    /// The same, or null.
    Maybe(&'static Form),
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
            Self::Ip => json!({"anyOf": texts(&["ipv4", "ipv6"])}),
            Self::Mac => json!({"type": "string", "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"}),
            Self::Cidr => json!({"anyOf": prefixes()}),
            Self::Addresses => {
                let both = [prefixes(), texts(&["ipv4", "ipv6"])].concat();
                json!({"anyOf": both})
            }
            Self::Digits => {
                json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]})
            }
            Self::Between(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::OneOf(choices) => json!({"enum": choices}),
            Self::Such(examples) => json!({"type": "string", "examples": examples}),
            Self::NumberOf(choices) => json!({"enum": choices}),
            Self::List(item) => json!({"type": "array", "items": item.schema()}),
            Self::Object(keys) => object(keys),
            Self::Whole(keys) => {
                let mut schema = object(keys);
                schema["required"] = keys.iter().map(|(key, _)| *key).collect();
                schema
            }
            Self::Map(Self::Plain) => json!({"type": "object"}),
            Self::Map(value) => json!({"type": "object", "additionalProperties": value.schema()}),
            Self::Maybe(form) => or_null(form.schema()),
            Self::Resource(name) => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}

fn object(keys: &[(&str, Form)]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|(key, form)| ((*key).to_owned(), form.schema())).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn texts(formats: &[&str]) -> Vec<Value> {
    formats.iter().map(|format| json!({"type": "string", "format": format})).collect()
}

/// `ADDRESS/LENGTH` of both versions.
fn prefixes() -> Vec<Value> {
    const OCTET: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    let v4 = format!(r"^{OCTET}(\.{OCTET}){{3}}/(3[0-2]|[12]?[0-9])$");
    let v6 = "^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$".to_owned();
    [v4, v6].into_iter().map(|pattern| json!({"type": "string", "pattern": pattern})).collect()
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

/// As this schema says, or null.
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
            Self::Object => Form::Map(&Form::Plain).schema(),
            Self::Own(_) => Form::Plain.schema(),
        }
    }
}
