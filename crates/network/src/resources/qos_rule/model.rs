//! What a rule is inside the server.

use std::str::FromStr;

use isospin_types::{QosPolicyId, QosRuleId};

use super::kind::Kind;

/// Which way packets go, seen from the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The kind of rule has none.
    Unstated,
    /// Both ways together.
    Any,
    Egress,
    Ingress,
}

impl Direction {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unstated => "",
            Self::Any => "any",
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }
}

/// A text that names no direction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a direction")]
pub struct DirectionError(String);

impl FromStr for Direction {
    type Err = DirectionError;
    fn from_str(text: &str) -> Result<Self, DirectionError> {
        [Self::Unstated, Self::Any, Self::Egress, Self::Ingress]
            .into_iter()
            .find(|direction| direction.as_str() == text)
            .ok_or_else(|| DirectionError(text.to_owned()))
    }
}

/// A rule of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QosRule {
    pub id: QosRuleId,
    pub policy_id: QosPolicyId,
    pub kind: Kind,
    pub direction: Direction,
    /// Kilobits or thousands of packets per second, or the mark.
    pub amount: i64,
    /// Kilobits or thousands of packets; 0 = not given.
    pub burst: i64,
}
