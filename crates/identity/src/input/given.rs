//! What a checked body gives.

use serde_json::{Map, Value};

use super::check::microseconds;
use crate::fault::Fault;
use crate::tokens::now;

/// A checked body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    pub(super) values: Map<String, Value>,
    /// What the table does not name.
    pub extra: Map<String, Value>,
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

/// A stored JSON object; what cannot be read counts as empty.
pub fn stored_object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
