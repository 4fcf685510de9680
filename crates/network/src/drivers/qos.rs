//! Which rules of quality of service the loaded mechanism drivers can carry out.

use serde_json::{Value, json};

use super::mechanism::{DRIVERS, MechanismDriver};
use crate::resources::port::model::{BINDING_FAILED, UNBOUND};
use crate::resources::qos_rule::kind::{DSCP_MARKS, Kind, MOST};
use crate::resources::qos_rule::model::QosRule;

/// A kind of rule with the values it may have.
#[derive(Debug)]
pub struct Supported {
    pub kind: Kind,
    pub parameters: &'static [(&'static str, Values)],
}

/// The values of a parameter.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    Range { start: i64, end: i64 },
    Texts(&'static [&'static str]),
    Numbers(&'static [i64]),
}

const RATE: Values = Values::Range { start: 0, end: MOST };
const BOTH: Values = Values::Texts(&["ingress", "egress"]);

/// What our own agents do on every mechanism: they drop what is above a rate, and mark.
pub(super) const LIMITS_AND_MARKS: &[Supported] = &[
    Supported {
        kind: Kind::BandwidthLimit,
        parameters: &[("max_kbps", RATE), ("max_burst_kbps", RATE), ("direction", BOTH)],
    },
    Supported { kind: Kind::DscpMarking, parameters: &[("dscp_mark", Values::Numbers(DSCP_MARKS))] },
    Supported {
        kind: Kind::PacketRateLimit,
        parameters: &[("max_kpps", RATE), ("max_burst_kpps", RATE), ("direction", BOTH)],
    },
];

impl MechanismDriver {
    /// What it says of a kind, if it can carry such rules out.
    #[must_use]
    pub fn supported(&self, kind: Kind) -> Option<&'static Supported> {
        self.qos.iter().find(|supported| supported.kind == kind)
    }

    fn is_in_charge(&self, vif_type: &str, vnic_type: &str) -> bool {
        if vif_type == UNBOUND || vif_type == BINDING_FAILED {
            self.vnic_types.contains(&vnic_type)
        } else {
            self.vif_type == vif_type
        }
    }
}

impl Supported {
    /// Whether the rule's values are among those the driver can do.
    fn allows(&self, rule: &QosRule) -> bool {
        self.parameters.iter().all(|(name, values)| match values {
            Values::Texts(texts) => texts.contains(&rule.direction.as_str()),
            Values::Range { .. } | Values::Numbers(_) => {
                let value = if rule.kind.burst() == Some(*name) { rule.burst } else { rule.amount };
                values.contain(value)
            }
        })
    }
}

impl Values {
    fn contain(self, value: i64) -> bool {
        match self {
            Self::Range { start, end } => (start..=end).contains(&value),
            Self::Numbers(numbers) => numbers.contains(&value),
            Self::Texts(_) => false,
        }
    }

    /// The parameter as rule types show it.
    #[must_use]
    pub fn shown(self, name: &str) -> Value {
        let (kind, values) = match self {
            Self::Range { start, end } => ("range", json!({"start": start, "end": end})),
            Self::Texts(texts) => ("choices", json!(texts)),
            Self::Numbers(numbers) => ("choices", json!(numbers)),
        };
        json!({"parameter_name": name, "parameter_values": values, "parameter_type": kind})
    }
}

/// Whether a driver in charge of such a port can carry out the rule.
#[must_use]
pub fn is_supported(rule: &QosRule, vif_type: &str, vnic_type: &str) -> bool {
    DRIVERS
        .iter()
        .filter(|driver| driver.is_in_charge(vif_type, vnic_type))
        .filter_map(|driver| driver.supported(rule.kind))
        .any(|supported| supported.allows(rule))
}

/// The kinds every loaded driver can carry out.
pub fn common_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| DRIVERS.iter().all(|driver| driver.supported(*kind).is_some()))
}

/// The kinds some loaded driver can carry out.
pub fn any_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| DRIVERS.iter().any(|driver| driver.supported(*kind).is_some()))
}

#[cfg(test)]
mod tests {
    use isospin_types::{QosPolicyId, QosRuleId};

    use super::*;
    use crate::resources::qos_rule::model::Direction;

    fn rule(kind: Kind, direction: Direction, amount: i64) -> QosRule {
        let (id, policy_id) = (QosRuleId::random(), QosPolicyId::random());
        QosRule { id, policy_id, kind, direction, amount, burst: 0 }
    }

    #[test]
    fn limits_and_marks_are_supported_and_guarantees_are_not() {
        for (kind, direction, amount, expected) in [
            (Kind::BandwidthLimit, Direction::Ingress, 1000, true),
            (Kind::PacketRateLimit, Direction::Egress, 1, true),
            (Kind::DscpMarking, Direction::Unstated, 26, true),
            (Kind::MinimumBandwidth, Direction::Egress, 1, false),
            (Kind::MinimumPacketRate, Direction::Any, 1, false),
        ] {
            let rule = rule(kind, direction, amount);
            for vif_type in ["bridge", "ovs", "unbound"] {
                assert_eq!(is_supported(&rule, vif_type, "normal"), expected, "{kind}");
            }
            assert!(!is_supported(&rule, "unbound", "direct"), "{kind}");
            assert!(!is_supported(&rule, "macvtap", "normal"), "{kind}");
        }
    }
}
