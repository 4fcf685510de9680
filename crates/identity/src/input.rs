//! Bodies of POST and PATCH, checked against a table of attributes.
//!
//! One table per resource says what a client may send. What a table does not name
//! is kept as it is, in `extra`, for the resources that keep such things.

use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::passwords::MAX_PASSWORD;
use crate::tokens::now;

/// What an attribute may hold.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// 1 to so many characters, not all blank.
    Name(usize),
    Text,
    Flag,
    /// At most 255 characters.
    Id,
    OneOf(&'static [&'static str]),
    /// Begins with a slash, at most so many characters.
    Path(usize),
    /// http or https.
    Url,
    Tags,
    /// An object of options; the table says what each may hold.
    Options(&'static [Field]),
    /// A list of lists of texts.
    Rules,
    Password,
    /// A whole number, at least this.
    Number(i64),
    /// `YYYY-MM-DDTHH:MM:SS[.ffffff][Z]`, in UTC.
    Time,
    /// A list of objects with these attributes and no others.
    Objects(&'static [Field]),
    /// An object with any content.
    Object,
}

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    pub required: bool,
}

impl Field {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: false, required: false }
    }

    pub const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: false, required: true }
    }

    pub const fn nullable(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: true, required: false }
    }
}

/// The attributes of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The key around the object: "project".
    pub key: &'static str,
    pub fields: &'static [Field],
    /// What PATCH may repeat but not change.
    pub fixed: &'static [&'static str],
}

/// Options of resources that have only this one.
pub const IMMUTABLE_OPTION: &[Field] = &[Field::nullable("immutable", Kind::Flag)];

/// A checked body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    values: Map<String, Value>,
    /// What the table does not name.
    pub extra: Map<String, Value>,
}

impl Schema {
    /// Reads the body of a POST.
    ///
    /// # Errors
    /// 400 naming the attribute, the value and the rule.
    pub fn create(&self, body: &[u8]) -> Result<Input, Fault> {
        self.checked_new(self.object(body)?)
    }

    fn checked_new(&self, object: Map<String, Value>) -> Result<Input, Fault> {
        if let Some(missing) =
            self.fields.iter().find(|field| field.required && !object.contains_key(field.name))
        {
            let reason = format!("'{}' is a required property", missing.name);
            return Err(invalid(self.key, &Value::Object(object), &reason));
        }
        self.checked(object)
    }

    /// Reads the body of a POST of several objects: `{"<plural>": [{…}, …]}`.
    ///
    /// # Errors
    /// 400, as [`Schema::create`].
    pub fn create_several(&self, body: &[u8], plural: &str) -> Result<Vec<Input>, Fault> {
        let document: Value = serde_json::from_slice(body).map_err(|_| self.not_json(plural))?;
        let items = document.get(plural).and_then(Value::as_array);
        let items =
            items.filter(|items| !items.is_empty()).ok_or_else(|| Fault::missing(plural, "request body"))?;
        items
            .iter()
            .map(|item| match item {
                Value::Object(object) => self.checked_new(object.clone()),
                other => Err(invalid(plural, other, &format!("{} is not of type 'object'", repr(other)))),
            })
            .collect()
    }

    /// Reads the body of a PATCH of the object `id`; `current` tells the value of
    /// what cannot change.
    ///
    /// # Errors
    /// 400, as [`Schema::create`].
    pub fn update(&self, body: &[u8], id: &str, current: impl Fn(&str) -> Value) -> Result<Input, Fault> {
        let mut object = self.object(body)?;
        if object.is_empty() {
            return Err(invalid(self.key, &Value::Object(object), "{} should be non-empty"));
        }
        if object.get("id").is_some_and(|given| given != id) {
            return Err(Fault::bad_request("Cannot change ID"));
        }
        for name in self.fixed {
            if let Some(given) = object.remove(*name)
                && given != current(name)
            {
                return Err(Fault::bad_request(format!("Cannot change {name}")));
            }
        }
        self.checked(object)
    }

    fn object(&self, body: &[u8]) -> Result<Map<String, Value>, Fault> {
        let document: Value = serde_json::from_slice(body).map_err(|_| self.not_json(self.key))?;
        match document {
            Value::Object(mut document) => match document.remove(self.key) {
                Some(Value::Object(object)) => Ok(object),
                _ => Err(Fault::missing(self.key, "request body")),
            },
            _ => Err(Fault::missing(self.key, "request body")),
        }
    }

    fn not_json(&self, key: &str) -> Fault {
        Fault::bad_request(format!(
            "The request body could not be read as JSON. Send an object with the key '{key}'."
        ))
    }

    fn checked(&self, object: Map<String, Value>) -> Result<Input, Fault> {
        let mut input = Input::default();
        for (name, value) in object {
            match self.fields.iter().find(|field| field.name == name) {
                Some(field) => {
                    check(field, &value)?;
                    input.values.insert(name, value);
                }
                // Read-only, and sent back by clients that edit what they got.
                None if name == "id" || name == "links" => {}
                None => {
                    input.extra.insert(name, value);
                }
            }
        }
        Ok(input)
    }
}

impl Input {
    /// Whether the client gave the attribute, null or not.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// What the client gave, null or not.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// A text; `None` when absent or null.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A flag; `None` when absent or null.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.values.get(name).and_then(Value::as_bool)
    }

    /// A whole number; `None` when absent or null.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(Value::as_i64)
    }

    /// A time, in microseconds since 1970; `None` when absent or null.
    pub fn time(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(Value::as_str).and_then(microseconds)
    }

    /// Refuses an end that is over already: a mistake.
    ///
    /// # Errors
    /// 400 naming the attribute.
    pub fn check_end(&self, name: &str) -> Result<(), Fault> {
        match self.time(name) {
            Some(end) if end <= now().saturating_mul(1_000_000) => Err(Fault::bad_request(format!(
                "The '{name}' must not be before now. The server could not comply with the request since it is \
                 either malformed or otherwise incorrect. The client is assumed to be in error."
            ))),
            _ => Ok(()),
        }
    }

    /// A list of objects; `None` when absent or null.
    pub fn objects(&self, name: &str) -> Option<Vec<Map<String, Value>>> {
        let items = self.values.get(name)?.as_array()?;
        Some(items.iter().filter_map(Value::as_object).cloned().collect())
    }

    /// An object; empty when absent.
    pub fn object(&self, name: &str) -> Map<String, Value> {
        self.values.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// A list of texts; `None` when absent.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.values.get(name)?.as_array()?;
        Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// `current`, or what the client gave instead.
    pub fn text_or(&self, name: &str, current: Option<String>) -> Option<String> {
        if self.has(name) { self.text(name) } else { current }
    }

    /// The stored options after this request: null takes one away.
    pub fn merged_options(&self, current: &Map<String, Value>) -> Map<String, Value> {
        let mut options = merged(current, &self.object("options"));
        options.retain(|_, value| !value.is_null());
        options
    }

    /// What is stored beside the table after this request.
    pub fn merged_extra(&self, current: &Map<String, Value>) -> Map<String, Value> {
        merged(current, &self.extra)
    }
}

fn merged(current: &Map<String, Value>, given: &Map<String, Value>) -> Map<String, Value> {
    let mut all = current.clone();
    all.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// Refuses a value the table does not allow.
fn check(field: &Field, value: &Value) -> Result<(), Fault> {
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
        (Kind::Tags, Value::Array(tags)) => check_tags(tags).or_else(refuse),
        (Kind::Tags | Kind::Rules, _) if !value.is_array() => not_a("array"),
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

fn invalid(attribute: &str, value: &Value, reason: &str) -> Fault {
    let value = match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    };
    Fault::bad_request(format!("Invalid input for field/attribute {attribute}. Value: {value}. {reason}"))
}

/// A value as the messages of Keystone show it.
fn repr(value: &Value) -> String {
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

/// A stored JSON object; what cannot be read counts as empty.
pub fn stored_object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SCHEMA: Schema = Schema {
        key: "project",
        fields: &[
            Field::required("name", Kind::Name(64)),
            Field::nullable("description", Kind::Text),
            Field::new("enabled", Kind::Flag),
            Field::new("tags", Kind::Tags),
            Field::nullable("password", Kind::Password),
            Field::new("options", Kind::Options(IMMUTABLE_OPTION)),
        ],
        fixed: &["domain_id"],
    };

    fn message(body: &Value) -> String {
        match SCHEMA.create(body.to_string().as_bytes()) {
            Ok(input) => panic!("accepted: {input:?}"),
            Err(fault) => format!("{} {}", fault.status.as_u16(), fault.message),
        }
    }

    #[test]
    fn refusals_read_like_those_of_keystone() {
        let start = "400 Invalid input for field/attribute";
        let cases = [
            (json!({}), format!("{start} project. Value: {{}}. 'name' is a required property")),
            (json!({"name": ""}), format!("{start} name. Value: . '' should be non-empty")),
            (json!({"name": 5}), format!("{start} name. Value: 5. 5 is not of type 'string'")),
            (json!({"name": null}), format!("{start} name. Value: None. None is not of type 'string'")),
            (
                json!({"name": "x", "enabled": "y"}),
                format!("{start} enabled. Value: y. 'y' is not of type 'boolean'"),
            ),
            (
                json!({"name": "x", "tags": ["a,b"]}),
                format!("{start} tags. Value: ['a,b']. 'a,b' does not match '^[^,/]*$'"),
            ),
            (
                json!({"name": "x", "options": {"odd": 1}}),
                format!(
                    "{start} options. Value: {{'odd': 1}}. Additional properties are not allowed ('odd' was unexpected)"
                ),
            ),
            (
                json!({"password": "geheim"}),
                format!("{start} project. Value: {{'password': '***'}}. 'name' is a required property"),
            ),
        ];
        for (object, expected) in cases {
            assert_eq!(message(&json!({"project": object})), expected);
        }
        assert!(message(&json!({"project": {"name": "x".repeat(65)}})).ends_with("is too long"));
        assert!(message(&json!({"user": {}})).starts_with("400 Expecting to find project in request body."));
        assert!(message(&json!({"project": {"name": "x", "password": "y".repeat(4097)}})).starts_with("403"));
    }

    #[test]
    fn updates_keep_what_cannot_change() {
        let update = |object: Value| {
            SCHEMA.update(json!({"project": object}).to_string().as_bytes(), "id1", |_| json!("default"))
        };
        let input = update(json!({"id": "id1", "domain_id": "default", "description": null, "color": "red"}));
        let input = input.expect("valid");
        assert!(input.has("description") && !input.has("name"));
        assert_eq!(input.extra.get("color"), Some(&json!("red")));
        assert_eq!(input.text_or("description", Some("old".to_owned())), None);
        assert_eq!(input.text_or("name", Some("old".to_owned())).as_deref(), Some("old"));
        for bad in [json!({}), json!({"id": "id2"}), json!({"domain_id": "other"}), json!({"name": null})] {
            assert!(update(bad.clone()).is_err(), "{bad}");
        }
    }
}
