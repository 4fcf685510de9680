//! Request bodies, validated against an attribute table.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::attribute::{Absent, Attribute, ResourceType};
use crate::{Fault, FaultType};

/// One validated object of a request: canonical values, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    values: Map<String, Value>,
    given: BTreeSet<String>,
}

/// What a POST carried: one object, or several under the plural key.
#[derive(Debug, Clone, PartialEq)]
pub enum Bodies {
    One(Body),
    Many(Vec<Body>),
}

impl Body {
    /// Reads the body of a POST.
    ///
    /// # Errors
    /// 400 in the words of the Network API: malformed JSON, wrong key, unknown,
    /// read-only or missing attribute, a value that fails its check.
    pub fn create(resource: &ResourceType, bytes: &[u8]) -> Result<Bodies, Fault> {
        let mut document = parse(bytes)?;
        // A few resources have one name for one and for several.
        let one = |items: &Value| resource.collection == resource.name && items.is_object();
        if let Some(items) = document.get_mut(resource.collection).filter(|items| !one(items)) {
            let Value::Array(items) = items.take() else {
                return Err(Fault::bad_request(format!(
                    "Unable to find '{}' in request body",
                    resource.collection
                )));
            };
            if items.is_empty() {
                return Err(Fault::bad_request("Resources required"));
            }
            return items
                .into_iter()
                .map(|item| Self::for_create(resource, unwrap(resource, item)?))
                .collect::<Result<_, _>>()
                .map(Bodies::Many);
        }
        Self::for_create(resource, take(resource.name, document)?).map(Bodies::One)
    }

    /// Reads the body of a PUT: only what the client gave.
    ///
    /// # Errors
    /// 400, as [`Body::create`].
    pub fn update(resource: &ResourceType, bytes: &[u8]) -> Result<Self, Fault> {
        let document = parse(bytes)?;
        if document.contains_key(resource.collection) && !document.contains_key(resource.name) {
            return Err(Fault::bad_request("Bulk operation not supported"));
        }
        let object = take(resource.name, document)?;
        let object = one_project(object)?;
        for name in object.keys() {
            if resource.attribute(name).is_some_and(|attribute| !attribute.put) {
                return Err(Fault::bad_request(format!("Cannot update read-only attribute {name}")));
            }
        }
        Self::checked(resource, object)
    }

    fn for_create(resource: &ResourceType, object: Map<String, Value>) -> Result<Self, Fault> {
        let object = one_project(object)?;
        for name in object.keys() {
            if resource.attribute(name).is_some_and(|attribute| !attribute.post) {
                return Err(Fault::bad_request(format!("Attribute '{name}' not allowed in POST")));
            }
        }
        let mut body = Self::checked(resource, object)?;
        for attribute in resource.attributes().filter(|attribute| attribute.post) {
            if body.values.contains_key(attribute.name) {
                continue;
            }
            match attribute.absent {
                Absent::Required => {
                    return Err(Fault::bad_request(format!(
                        "Failed to parse request. Required attribute '{}' not specified",
                        attribute.name
                    )));
                }
                Absent::Unset => {}
                Absent::Is(value) => {
                    body.values.insert(attribute.name.to_owned(), value());
                }
            }
        }
        Ok(body)
    }

    fn checked(resource: &ResourceType, object: Map<String, Value>) -> Result<Self, Fault> {
        let unknown: Vec<&str> =
            object.keys().filter(|name| resource.attribute(name).is_none()).map(String::as_str).collect();
        if !unknown.is_empty() {
            return Err(Fault::bad_request(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))));
        }
        let mut values = Map::with_capacity(object.len());
        let mut given = BTreeSet::new();
        for (name, value) in object {
            let Some(attribute) = resource.attribute(&name) else { continue };
            values.insert(attribute.name.to_owned(), canonical(attribute, &value)?);
            given.insert(attribute.name.to_owned());
        }
        Ok(Self { values, given })
    }

    /// Names the client gave, whatever the values: what attribute rules apply to (N08).
    pub fn given(&self) -> impl Iterator<Item = &str> {
        self.given.iter().map(String::as_str)
    }

    /// Whether the client gave this attribute.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// The canonical value, given or default.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// A text; `None` when absent or null.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A flag; `None` when absent or null.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }

    /// A number; `None` when absent or null.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// A list; `None` when absent or null.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<&[Value]> {
        self.get(name).and_then(Value::as_array).map(Vec::as_slice)
    }

    /// A list of texts; `None` when absent or null.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.list(name).map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// A text that its check has already proven to parse; `None` when absent or null.
    #[must_use]
    pub fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// For changes: `None` when not given, `Some(None)` for null, else the parsed text.
    #[must_use]
    pub fn change<T: std::str::FromStr>(&self, name: &str) -> Option<Option<T>> {
        self.has(name).then(|| self.parsed(name))
    }
}

/// A JSON object from the bytes of a request.
pub fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    if bytes.is_empty() {
        return Err(Fault::bad_request("Resource body required"));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) | Err(_) => Err(Fault::bad_request("Body contains invalid data")),
    }
}

/// The object under `key`.
pub fn take(key: &str, mut document: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    match document.remove(key) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Fault::bad_request("Body contains invalid data")),
        None => Err(Fault::bad_request(format!("Unable to find '{key}' in request body"))),
    }
}

/// An item of a bulk request, which may be wrapped in the singular key itself.
fn unwrap(resource: &ResourceType, item: Value) -> Result<Map<String, Value>, Fault> {
    match item {
        Value::Object(object) if object.len() == 1 && object.contains_key(resource.name) => {
            take(resource.name, object)
        }
        Value::Object(object) => Ok(object),
        _ => Err(Fault::bad_request("Body contains invalid data")),
    }
}

/// `tenant_id` and `project_id` are one attribute; both with different values are refused.
fn one_project(mut object: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let Some(tenant) = object.remove("tenant_id") else { return Ok(object) };
    match object.get("project_id") {
        Some(project) if *project != tenant => {
            Err(Fault::new(FaultType::HTTPBadRequest, "'project_id' and 'tenant_id' do not match"))
        }
        Some(_) => Ok(object),
        None => {
            object.insert("project_id".to_owned(), tenant);
            Ok(object)
        }
    }
}

fn canonical(attribute: &Attribute, value: &Value) -> Result<Value, Fault> {
    if value.is_null() && attribute.nullable {
        return Ok(Value::Null);
    }
    attribute.check.run(value).map_err(|reason| {
        // The reference words failed conversions differently from failed checks.
        if reason.ends_with("cannot be converted to boolean") {
            Fault::invalid_input(reason)
        } else {
            Fault::invalid_attribute(attribute.name, reason)
        }
    })
}
