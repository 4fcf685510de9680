//! What a policy is inside the server.

use isospin_types::QosPolicyId;

use crate::resources::qos_rule::model::QosRule;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QosPolicy {
    pub id: QosPolicyId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    /// Whether new networks of the project get it.
    pub is_default: bool,
    /// Whether it is open to the project that asks.
    pub shared: bool,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

/// A policy with what an answer shows beside its own columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QosPolicyDetails {
    pub policy: QosPolicy,
    /// In the order shown.
    pub rules: Vec<QosRule>,
    pub tags: Vec<String>,
}
