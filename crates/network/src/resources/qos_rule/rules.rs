//! Decisions about rules: pure.

use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::{QosPolicyId, QosRuleId};

use super::kind::Kind;
use super::model::{Direction, QosRule};

/// 404, also for rules of other policies or kinds (N26).
pub fn not_found(policy_id: impl std::fmt::Display, id: impl std::fmt::Display) -> Fault {
    Fault::new(
        FaultType::QosRuleNotFound,
        format!("QoS rule {id} for policy {policy_id} could not be found."),
    )
}

/// The rule a POST describes.
#[must_use]
pub fn create(kind: Kind, policy_id: QosPolicyId, body: &Body) -> QosRule {
    let blank = QosRule {
        id: QosRuleId::random(),
        policy_id,
        kind,
        direction: Direction::Unstated,
        amount: 0,
        burst: 0,
    };
    update(&blank, body)
}

/// The rule as a PUT wants it.
#[must_use]
pub fn update(current: &QosRule, body: &Body) -> QosRule {
    let kind = current.kind;
    QosRule {
        direction: body.parsed("direction").unwrap_or(current.direction),
        amount: body.int(kind.amount()).unwrap_or(current.amount),
        burst: kind.burst().and_then(|name| body.int(name)).unwrap_or(current.burst),
        ..*current
    }
}

/// Refuses a rule that cannot stand beside the others of its policy.
///
/// # Errors
/// 409 `QoSRulesConflict` for a second rule of its kind and direction,
/// `QoSRuleParameterConflict` for a guarantee above the limit.
pub fn check_conflicts(others: &[QosRule], rule: &QosRule) -> Result<(), Fault> {
    for other in others.iter().filter(|other| other.id != rule.id) {
        if exceeds(other, rule) || exceeds(rule, other) {
            return Err(Fault::new(
                FaultType::QoSRuleParameterConflict,
                format!(
                    "Unable to add the rule with value {} to the policy {} as the existing rule of type {} has \
                     value {}.",
                    rule.amount, rule.policy_id, other.kind, other.amount
                ),
            ));
        }
        if other.kind == rule.kind && (other.direction == rule.direction || is_mixed(other, rule)) {
            return Err(Fault::new(
                FaultType::QoSRulesConflict,
                format!(
                    "Rule {} conflicts with rule {} which already exists in QoS Policy {}.",
                    rule.kind, other.id, rule.policy_id
                ),
            ));
        }
    }
    Ok(())
}

/// Whether more bandwidth is guaranteed than allowed.
fn exceeds(guarantee: &QosRule, limit: &QosRule) -> bool {
    guarantee.kind == Kind::MinimumBandwidth
        && limit.kind == Kind::BandwidthLimit
        && guarantee.direction == limit.direction
        && guarantee.amount > limit.amount
}

/// Rules for both directions together and for single ones exclude each other.
fn is_mixed(one: &QosRule, other: &QosRule) -> bool {
    (one.direction == Direction::Any) != (other.direction == Direction::Any)
}
