//! Which rules stand beside which.

use isospin_types::{QosPolicyId, QosRuleId};

use super::super::kind::Kind::{
    self, BandwidthLimit, DscpMarking, MinimumBandwidth, MinimumPacketRate, PacketRateLimit,
};
use super::super::model::Direction::{self, Any, Egress, Ingress, Unstated};
use super::super::model::QosRule;
use super::super::rules::check_conflicts;

fn rule(policy_id: QosPolicyId, (kind, direction, amount): (Kind, Direction, i64)) -> QosRule {
    QosRule { id: QosRuleId::random(), policy_id, kind, direction, amount, burst: 0 }
}

/// The type of the refusal when the second comes to the first, "" for none.
#[track_caller]
fn check(first: (Kind, Direction, i64), second: (Kind, Direction, i64), expected: &str) {
    let policy_id = QosPolicyId::random();
    let (first, second) = (rule(policy_id, first), rule(policy_id, second));
    let found = check_conflicts(&[first], &second).map_err(|fault| fault.kind.name());
    assert_eq!(found.err().unwrap_or_default(), expected);
    assert!(check_conflicts(&[first], &first).is_ok(), "a rule does not conflict with itself");
}

#[test]
fn rules_conflict_by_kind_direction_and_amount() {
    let (twice, parameter) = ("QoSRulesConflict", "QoSRuleParameterConflict");
    check((BandwidthLimit, Egress, 10), (BandwidthLimit, Egress, 20), twice);
    check((BandwidthLimit, Egress, 10), (BandwidthLimit, Ingress, 20), "");
    check((DscpMarking, Unstated, 0), (DscpMarking, Unstated, 8), twice);
    check((PacketRateLimit, Egress, 1), (PacketRateLimit, Egress, 1), twice);
    check((PacketRateLimit, Egress, 1), (BandwidthLimit, Egress, 1), "");
    check((BandwidthLimit, Egress, 10), (MinimumBandwidth, Egress, 11), parameter);
    check((MinimumBandwidth, Egress, 11), (BandwidthLimit, Egress, 10), parameter);
    check((MinimumBandwidth, Egress, 10), (BandwidthLimit, Egress, 10), "");
    check((MinimumBandwidth, Ingress, 11), (BandwidthLimit, Egress, 10), "");
    check((MinimumPacketRate, Any, 1), (MinimumPacketRate, Egress, 1), twice);
    check((MinimumPacketRate, Ingress, 1), (MinimumPacketRate, Any, 1), twice);
    check((MinimumPacketRate, Ingress, 1), (MinimumPacketRate, Egress, 1), "");
}
