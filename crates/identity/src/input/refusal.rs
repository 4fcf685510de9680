//! Refusals of values, in Keystone's words.

use serde_json::Value;

use crate::fault::Fault;

/// 400: this attribute cannot have this value.
pub fn invalid(attribute: &str, value: &Value, reason: &str) -> Fault {
    let value = match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    };
    Fault::bad_request(format!("Invalid input for field/attribute {attribute}. Value: {value}. {reason}"))
}

/// A value as the messages of Keystone show it.
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(object) => {
            let items: Vec<String> =
                object.iter().map(|(name, value)| format!("'{name}': {}", shown(name, value))).collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}

/// Secrets do not come back in messages (N06).
fn shown(name: &str, value: &Value) -> String {
    if name.contains("password") || name.contains("secret") { "'***'".to_owned() } else { repr(value) }
}
