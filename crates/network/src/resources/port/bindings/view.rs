//! A binding as JSON.

use serde_json::{Map, Value, json};

use super::super::model::{Binding, Card};

/// The state of the binding where the port is.
pub const ACTIVE: &str = "ACTIVE";
/// The state of one that waits.
pub const INACTIVE: &str = "INACTIVE";

/// Every attribute of the binding.
#[must_use]
pub fn binding(card: &Card, binding: &Binding, status: &str) -> Map<String, Value> {
    [
        ("host", json!(binding.host)),
        ("vif_type", json!(binding.vif_type)),
        ("vnic_type", json!(binding.vnic_type)),
        ("status", json!(status)),
        ("profile", Value::Object(card.profile(binding))),
        ("vif_details", Value::Object(binding.vif_details.clone())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
