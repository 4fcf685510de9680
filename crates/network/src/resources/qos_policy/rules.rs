//! Decisions about policies: pure.

use isospin_api_kit::{Body, Fault, FaultType, now_seconds};
use isospin_types::QosPolicyId;

use super::model::QosPolicy;
use crate::resources::qos_rule::kind::Kind;

/// 404 for a policy that is not there, or hidden from the caller.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::QosPolicyNotFound, format!("QoS policy {id} could not be found."))
}

/// 409: there can be one default only.
#[must_use]
pub fn default_exists(project_id: &str) -> Fault {
    Fault::new(
        FaultType::QoSPolicyDefaultAlreadyExists,
        format!("A default QoS policy exists for project {project_id}."),
    )
}

/// 409: an object asks for the policy.
pub fn in_use(id: QosPolicyId, object_type: &str, object_id: &str) -> Fault {
    Fault::new(FaultType::QosPolicyInUse, format!("QoS Policy {id} is used by {object_type} {object_id}."))
}

/// 403: the policy an object has is not the caller's to take away.
#[must_use]
pub fn not_removable(id: QosPolicyId) -> Fault {
    Fault::new(
        FaultType::PolicyRemoveAuthorizationError,
        format!("Failed to remove provided policy {id} because you are not authorized."),
    )
}

/// 409: what wires the port cannot do that.
pub fn not_supported(kind: Kind, port_id: &str) -> Fault {
    Fault::new(FaultType::QosRuleNotSupported, format!("Rule {kind} is not supported by port {port_id}"))
}

/// 501: what is set aside for a running instance cannot be set aside anew.
#[must_use]
pub fn set_aside() -> Fault {
    Fault::new(
        FaultType::HTTPNotImplemented,
        "Cannot update QoS policies/rules backed by resources tracked in Placement",
    )
}

/// The policy a POST describes.
#[must_use]
pub fn create(body: &Body, project_id: String) -> QosPolicy {
    let now = now_seconds();
    QosPolicy {
        id: QosPolicyId::random(),
        project_id,
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        is_default: body.flag("is_default").unwrap_or(false),
        shared: body.flag("shared").unwrap_or(false),
        created_at: now.clone(),
        updated_at: now,
        revision_number: 0,
    }
}

/// The policy as a PUT wants it, but for `shared`.
#[must_use]
pub fn update(current: &QosPolicy, body: &Body) -> QosPolicy {
    let text = |name: &str, now: &str| body.text(name).unwrap_or(now).to_owned();
    QosPolicy {
        name: text("name", &current.name),
        description: text("description", &current.description),
        is_default: body.flag("is_default").unwrap_or(current.is_default),
        ..current.clone()
    }
}
