//! Where an answer differs from the recorded one.

use std::fmt;

use serde_json::{Map, Value};

use super::Sample;
use crate::Reply;

/// One difference: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `status`, `fault`, or a place in the body: `network.mtu`, `ports[].fixed_ips[].ip_address`.
    pub place: String,
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Status, type of the fault, keys and JSON types. Of a list the first items are
/// compared; the rest has the same shape or is a matter of the cloud.
#[must_use]
pub fn compare(sample: &Sample, reply: &Reply) -> Vec<Difference> {
    let body = reply.body();
    // The recording writes an absent body as an empty text or as null.
    let recorded = match &sample.answer {
        Value::String(text) if text.is_empty() => &Value::Null,
        answer => answer,
    };
    if sample.status != reply.status {
        let what = format!("recorded {}, here {} {}", sample.status, reply.status, reply.text);
        return vec![Difference { place: "status".to_owned(), what: what.chars().take(300).collect() }];
    }
    let fault = |body: &Value| body["NeutronError"]["type"].as_str().map(str::to_owned);
    let mut found = Vec::new();
    if fault(recorded) != fault(&body) {
        let what = format!("recorded {:?}, here {:?}", fault(recorded), fault(&body));
        found.push(Difference { place: "fault".to_owned(), what });
    }
    walk("", recorded, &body, &mut found);
    found
}

fn walk(place: &str, recorded: &Value, here: &Value, found: &mut Vec<Difference>) {
    match (recorded, here) {
        (Value::Object(recorded), Value::Object(here)) => objects(place, recorded, here, found),
        (Value::Array(recorded), Value::Array(here)) => match (recorded.first(), here.first()) {
            (Some(recorded), Some(here)) => walk(&format!("{place}[]"), recorded, here, found),
            (Some(_), None) => differ(place, "recorded some items, here none", found),
            (None, Some(_)) => differ(place, "recorded no items, here some", found),
            (None, None) => {}
        },
        _ if kind(recorded) == kind(here) => {}
        _ => differ(place, &format!("recorded {}, here {}", kind(recorded), kind(here)), found),
    }
}

fn objects(
    place: &str,
    recorded: &Map<String, Value>,
    here: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let inside = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    for (key, value) in recorded {
        match here.get(key) {
            Some(other) => walk(&inside(key), value, other, found),
            None => differ(&inside(key), "recorded, here absent", found),
        }
    }
    for key in here.keys().filter(|key| !recorded.contains_key(*key)) {
        differ(&inside(key), "here, not recorded", found);
    }
}

fn differ(place: &str, what: &str, found: &mut Vec<Difference>) {
    found.push(Difference { place: place.to_owned(), what: what.to_owned() });
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(recorded: Value, here: Value) -> Vec<String> {
        let mut found = Vec::new();
        walk("", &recorded, &here, &mut found);
        found.into_iter().map(|difference| difference.place).collect()
    }

    #[test]
    fn keys_and_types_are_compared_values_are_not() {
        assert!(places(json!({"a": 1, "b": ["x"]}), json!({"b": ["y", "z"], "a": 2})).is_empty());
        assert_eq!(places(json!({"a": {"b": 1}}), json!({"a": {"b": "1"}})), ["a.b"]);
        assert_eq!(places(json!({"a": [{"b": 1}]}), json!({"a": [{"c": 1}]})), ["a[].b", "a[].c"]);
        assert_eq!(places(json!({"a": [1]}), json!({"a": []})), ["a"]);
        assert_eq!(places(json!({"a": null}), json!({"a": 1})), ["a"]);
    }
}
