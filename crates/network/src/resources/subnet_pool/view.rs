//! A subnet pool as JSON.

use isospin_api_kit::policy::Policy;
use isospin_api_kit::{Caller, view};
use serde_json::{Map, Value, json};

use super::model::SubnetPoolDetails;
use super::{TYPE, input, target};

/// The pool as this caller gets to see it; `fields` empty means all.
pub fn subnet_pool(
    policy: &Policy,
    caller: &Caller,
    details: &SubnetPoolDetails,
    fields: &[String],
) -> Value {
    let pool = &details.pool;
    let object: Map<String, Value> = [
        ("id", json!(pool.id.to_string())),
        ("name", json!(pool.name)),
        ("project_id", json!(pool.project_id)),
        // Lengths are texts in answers, as recorded from the reference server.
        ("default_prefixlen", json!(pool.lengths.default.to_string())),
        ("min_prefixlen", json!(pool.lengths.min.to_string())),
        ("max_prefixlen", json!(pool.lengths.max.to_string())),
        ("is_default", json!(pool.is_default)),
        ("shared", json!(details.shared)),
        ("prefixes", input::prefix_list(&details.prefixes)),
        ("ip_version", json!(pool.ip_version)),
        ("default_quota", json!(pool.default_quota)),
        ("address_scope_id", json!(pool.address_scope_id.map(|id| id.to_string()))),
        ("description", json!(pool.description)),
        ("tags", json!(details.tags)),
        ("revision_number", json!(pool.revision_number)),
        ("created_at", json!(pool.created_at)),
        ("updated_at", json!(pool.updated_at)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    view::project(&TYPE, policy, caller, &target(&details.pool, details.shared), fields, object)
}
