//! Bodies of POST and PATCH, checked against a table of attributes.
//!
//! One table per resource says what a client may send. What a table does not name
//! is kept as it is, in `extra`, for the resources that keep such things.

mod check;
mod given;
mod refusal;

use serde_json::{Map, Value};

use crate::fault::Fault;
use check::check;
use refusal::{invalid, repr};

pub use check::{check_tag, check_tags, microseconds};
pub use given::{Input, stored_object};

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
    /// Identities at identity providers: there are none, so none can be named.
    Federated,
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
