//! Which id of this cloud an id of the recording stands for.

use std::collections::BTreeMap;

use serde_json::Value;

/// Ids of the recording and ids here.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Says what one id stands for.
    pub fn set(&mut self, recorded: &str, here: &str) {
        self.0.insert(recorded.to_owned(), here.to_owned());
    }

    /// The text with every known id of the recording replaced.
    #[must_use]
    pub fn here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (recorded, here)| text.replace(recorded, here))
    }

    /// Learns ids from two answers: where the recording has an id, this cloud has its own.
    /// What is known stays: lists need not have the same order.
    pub fn learn(&mut self, recorded: &Value, here: &Value) {
        match (recorded, here) {
            (Value::String(recorded), Value::String(here))
                if is_id(recorded) && !self.0.contains_key(recorded) =>
            {
                self.set(recorded, here);
            }
            (Value::Object(recorded), Value::Object(here)) => {
                for (key, value) in recorded {
                    if let Some(other) = here.get(key) {
                        self.learn(value, other);
                    }
                }
            }
            (Value::Array(recorded), Value::Array(here)) => {
                for (value, other) in recorded.iter().zip(here) {
                    self.learn(value, other);
                }
            }
            _ => {}
        }
    }
}

/// A UUID that is not all zeros, with or without hyphens, or an address of the pool `10.77.0.*`.
fn is_id(text: &str) -> bool {
    let digits = text.chars().filter(|character| *character != '-');
    let uuid = digits.clone().count() == 32
        && digits.clone().all(|digit| digit.is_ascii_hexdigit())
        && digits.clone().any(|digit| digit != '0');
    uuid || text.strip_prefix("10.77.0.").is_some_and(|last| last.parse::<u8>().is_ok_and(|last| last > 100))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_learned_once_and_replaced_everywhere() {
        let mut names = Names::default();
        let first = "11111111-1111-4111-8111-111111111111";
        names.learn(&json!({"a": [{"id": first, "name": "x"}]}), &json!({"a": [{"id": "new", "name": "y"}]}));
        names.learn(&json!(first), &json!("other"));
        assert_eq!(names.here(&format!("/a/{first}?b={first}")), "/a/new?b=new");
        assert_eq!(
            names.here("x 00000000-0000-0000-0000-000000000000"),
            "x 00000000-0000-0000-0000-000000000000"
        );
    }
}
