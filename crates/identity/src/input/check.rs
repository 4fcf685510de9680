//! Whether values are what the tables of attributes allow.

use serde_json::{Map, Value};

use super::refusal::{invalid, repr};
use super::{Field, Kind};
use crate::fault::Fault;
use crate::passwords::MAX_PASSWORD;

/// Refuses a value the table does not allow.
pub fn check(field: &Field, value: &Value) -> Result<(), Fault> {
    if value.is_null() && field.nullable {
        return Ok(());
    }
    let refuse = |reason: String| Err(invalid(field.name, value, &reason));
    let not_a = |kind: &str| refuse(format!("{} is not of type '{kind}'", repr(value)));
    match (field.kind, value) {
        (Kind::Flag, Value::Bool(_)) | (Kind::Text, Value::String(_)) => Ok(()),
        (Kind::Flag, _) => not_a("boolean"),
        (Kind::Name(most), Value::String(text)) => name(text, most).or_else(refuse),
        (Kind::Path(most), Value::String(text)) if text.starts_with('/') => {
            length(text, most).or_else(refuse)
        }
        (Kind::Path(_), Value::String(text)) => refuse(format!("'{text}' does not match '^/.*'")),
        (Kind::Id, Value::String(text)) => length(text, 255).or_else(refuse),
        (Kind::OneOf(choices), Value::String(text)) if choices.contains(&text.as_str()) => Ok(()),
        (Kind::OneOf(choices), _) => {
            let choices: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
            refuse(format!("{} is not one of [{}]", repr(value), choices.join(", ")))
        }
        (Kind::Url, Value::String(text)) => {
            let known = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
            if known && text.len() <= 2048 {
                return Ok(());
            }
            Err(Fault::bad_request(format!("Cannot create an endpoint with an invalid URL: {text}.")))
        }
        (Kind::Password, Value::String(text)) => {
            if text.len() <= MAX_PASSWORD {
                return Ok(());
            }
            Err(Fault::refused(format!(
                "The password length must be less than or equal to {MAX_PASSWORD}. The server could not comply \
                 with the request because the password is invalid."
            )))
        }
        (Kind::Federated, Value::Array(identities)) => match identities.first() {
            None => Ok(()),
            Some(one) => {
                let provider = one.get("idp_id").unwrap_or(&Value::Null);
                let provider = provider.as_str().map_or_else(|| repr(provider), str::to_owned);
                Err(Fault::bad_request(format!("Could not find Identity Provider: {provider}")))
            }
        },
        (Kind::Tags, Value::Array(tags)) => check_tags(tags).or_else(refuse),
        (Kind::Tags | Kind::Rules | Kind::Federated, _) if !value.is_array() => not_a("array"),
        (Kind::Rules, Value::Array(rules)) => {
            let texts = |rule: &Value| rule.as_array().is_some_and(|rule| rule.iter().all(Value::is_string));
            if rules.iter().all(texts) { Ok(()) } else { not_a("list of lists of methods") }
        }
        (Kind::Options(table), Value::Object(options)) => options.iter().try_for_each(|(name, value)| {
            match table.iter().find(|option| option.name == name) {
                Some(option) => check(option, value),
                None => refuse(format!("Additional properties are not allowed ('{name}' was unexpected)")),
            }
        }),
        (Kind::Number(least), Value::Number(number)) => match number.as_i64() {
            Some(number) if number >= least => Ok(()),
            Some(number) => refuse(format!("{number} is less than the minimum of {least}")),
            None => not_a("integer"),
        },
        (Kind::Time, Value::String(text)) if microseconds(text).is_some() => Ok(()),
        (Kind::Time, Value::String(_)) => refuse("a time is written YYYY-MM-DDTHH:MM:SSZ".to_owned()),
        (Kind::Objects(table), Value::Array(items)) => items.iter().try_for_each(|item| match item {
            Value::Object(object) => {
                check_object(table, object).map_err(|reason| invalid(field.name, item, &reason))
            }
            other => refuse(format!("{} is not of type 'object'", repr(other))),
        }),
        (Kind::Object, Value::Object(_)) => Ok(()),
        (Kind::Objects(_), _) => not_a("array"),
        (Kind::Number(_), _) => not_a("integer"),
        (Kind::Options(_) | Kind::Object, _) => not_a("object"),
        _ => not_a("string"),
    }
}

/// Refuses unknown, missing and wrong attributes of an object in a list.
fn check_object(table: &[Field], object: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in object {
        let Some(field) = table.iter().find(|field| field.name == name) else {
            return Err(format!("Additional properties are not allowed ('{name}' was unexpected)"));
        };
        check(field, value).map_err(|fault| fault.message)?;
    }
    match table.iter().find(|field| field.required && !object.contains_key(field.name)) {
        Some(missing) => Err(format!("'{}' is a required property", missing.name)),
        None => Ok(()),
    }
}

/// A time as microseconds since 1970.
pub fn microseconds(text: &str) -> Option<i64> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let time: jiff::civil::DateTime = bare.parse().ok()?;
    if !bare.contains('T') {
        return None;
    }
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn name(text: &str, most: usize) -> Result<(), String> {
    if text.is_empty() {
        return Err("'' should be non-empty".to_owned());
    }
    if text.trim().is_empty() {
        return Err(format!("'{text}' does not match '[\\\\S]+'"));
    }
    length(text, most)
}

fn length(text: &str, most: usize) -> Result<(), String> {
    if text.chars().count() > most { Err(format!("'{text}' is too long")) } else { Ok(()) }
}

/// At most 80 tags, each once.
pub fn check_tags(tags: &[Value]) -> Result<(), String> {
    if tags.len() > 80 {
        return Err("there are more than 80 tags".to_owned());
    }
    let mut seen = std::collections::BTreeSet::new();
    for tag in tags {
        let Value::String(text) = tag else { return Err(format!("{} is not of type 'string'", repr(tag))) };
        check_tag(text)?;
        if !seen.insert(text) {
            return Err(format!("'{text}' is there twice: tags are unique"));
        }
    }
    Ok(())
}

/// A tag has 1 to 255 characters, and neither comma nor slash.
pub fn check_tag(tag: &str) -> Result<(), String> {
    name(tag, 255)?;
    if tag.contains([',', '/']) { Err(format!("'{tag}' does not match '^[^,/]*$'")) } else { Ok(()) }
}
