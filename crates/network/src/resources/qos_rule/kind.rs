//! The kinds of rule, and what each is on the wire (reference/network-api-core §17).

use std::fmt;
use std::str::FromStr;

use isospin_api_kit::attribute::check;
use isospin_api_kit::attribute::{Absent, Attribute, Check, Form, ResourceType};
use serde_json::Value;

/// A kind of rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No more than so many kilobits per second.
    BandwidthLimit,
    /// This mark in the IP header of what the port sends.
    DscpMarking,
    /// At least so many kilobits per second.
    MinimumBandwidth,
    /// At least so many thousand packets per second.
    MinimumPacketRate,
    /// No more than so many thousand packets per second.
    PacketRateLimit,
}

/// What is common to the two resource types of a kind.
struct Wire {
    resource: ResourceType,
    alias: ResourceType,
    /// Collection within a policy.
    path: &'static str,
    /// Collection of the alias.
    alias_path: &'static str,
    /// Attribute behind the column `amount`.
    amount: &'static str,
    /// Attribute behind the column `burst`.
    burst: Option<&'static str>,
    has_direction: bool,
}

/// The marks a packet can carry (differentiated services code points in use).
pub const DSCP_MARKS: &[i64] =
    &[0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56];

/// The largest rate.
pub const MOST: i64 = 2_147_483_647;

const RATE: Check = Check::Int { min: 0, max: MOST };

impl Kind {
    /// Every kind, in the order policies show their rules.
    pub const ALL: [Self; 5] = [
        Self::BandwidthLimit,
        Self::DscpMarking,
        Self::MinimumBandwidth,
        Self::MinimumPacketRate,
        Self::PacketRateLimit,
    ];

    /// The name of the type on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BandwidthLimit => "bandwidth_limit",
            Self::DscpMarking => "dscp_marking",
            Self::MinimumBandwidth => "minimum_bandwidth",
            Self::MinimumPacketRate => "minimum_packet_rate",
            Self::PacketRateLimit => "packet_rate_limit",
        }
    }

    const fn wire(self) -> &'static Wire {
        match self {
            Self::BandwidthLimit => &BANDWIDTH_LIMIT,
            Self::DscpMarking => &DSCP_MARKING,
            Self::MinimumBandwidth => &MINIMUM_BANDWIDTH,
            Self::MinimumPacketRate => &MINIMUM_PACKET_RATE,
            Self::PacketRateLimit => &PACKET_RATE_LIMIT,
        }
    }

    /// A rule of the kind as part of its policy.
    #[must_use]
    pub const fn resource(self) -> &'static ResourceType {
        &self.wire().resource
    }

    /// The same rule under its alias.
    #[must_use]
    pub const fn alias(self) -> &'static ResourceType {
        &self.wire().alias
    }

    /// The URL of the rules of the kind in a policy.
    #[must_use]
    pub const fn path(self) -> &'static str {
        self.wire().path
    }

    /// The URL of all rules of the kind; only single rules are found under it.
    #[must_use]
    pub const fn alias_path(self) -> &'static str {
        self.wire().alias_path
    }

    /// The attribute that holds the rate or the mark.
    #[must_use]
    pub const fn amount(self) -> &'static str {
        self.wire().amount
    }

    /// The attribute that holds the burst, where the kind has one.
    #[must_use]
    pub const fn burst(self) -> Option<&'static str> {
        self.wire().burst
    }

    /// Whether rules of the kind are for one direction each.
    #[must_use]
    pub const fn has_direction(self) -> bool {
        self.wire().has_direction
    }

    /// Whether the rule promises something that must be set aside for the port.
    #[must_use]
    pub const fn is_guarantee(self) -> bool {
        matches!(self, Self::MinimumBandwidth | Self::MinimumPacketRate)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a type of QoS rule")]
pub struct KindError(String);

impl FromStr for Kind {
    type Err = KindError;
    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| KindError(text.to_owned()))
    }
}

macro_rules! wire {
    ($name:literal, $alias_path:literal, $amount:literal, $burst:expr, $has_direction:literal, $attributes:expr) => {
        Wire {
            resource: ResourceType {
                name: concat!($name, "_rule"),
                collection: concat!($name, "_rules"),
                attributes: &[$attributes],
            },
            alias: ResourceType {
                name: concat!("alias_", $name, "_rule"),
                collection: concat!("alias_", $name, "_rules"),
                attributes: &[$attributes],
            },
            path: concat!("/v2.0/qos/policies/{policy_id}/", $name, "_rules"),
            alias_path: concat!("/v2.0/qos/", $alias_path),
            amount: $amount,
            burst: $burst,
            has_direction: $has_direction,
        }
    };
}

const ID: Attribute = Attribute::read_only("id", Check::Uuid).column("id").alias("qos");
const BURST: Absent = Absent::Is(zero);
const BOTH: Check = Check::OneOf(&["ingress", "egress"]);

const fn amount(name: &'static str, check: Check, alias: &'static str) -> Attribute {
    Attribute::settable(name, check, Absent::Required).column("amount").alias(alias)
}

const fn direction(check: Check, alias: &'static str) -> Attribute {
    Attribute::settable("direction", check, Absent::Is(egress)).column("direction").alias(alias)
}

static BANDWIDTH_LIMIT: Wire = wire!(
    "bandwidth_limit",
    "alias-bandwidth-limit-rules",
    "max_kbps",
    Some("max_burst_kbps"),
    true,
    BANDWIDTH_LIMIT_ATTRIBUTES
);
const BANDWIDTH_LIMIT_ATTRIBUTES: &[Attribute] = &[
    amount("max_kbps", RATE, "qos"),
    Attribute::settable("max_burst_kbps", RATE, BURST).column("burst").alias("qos"),
    direction(BOTH, "qos-bw-limit-direction"),
    ID,
];

static DSCP_MARKING: Wire =
    wire!("dscp_marking", "alias-dscp-marking-rules", "dscp_mark", None, false, DSCP_MARKING_ATTRIBUTES);
const DSCP_MARKING_ATTRIBUTES: &[Attribute] =
    &[amount("dscp_mark", Check::Own(dscp_mark), "qos").form(Form::NumberOf(DSCP_MARKS)), ID];

static MINIMUM_BANDWIDTH: Wire = wire!(
    "minimum_bandwidth",
    "alias-minimum-bandwidth-rules",
    "min_kbps",
    None,
    true,
    MINIMUM_BANDWIDTH_ATTRIBUTES
);
const MINIMUM_BANDWIDTH_ATTRIBUTES: &[Attribute] =
    &[amount("min_kbps", RATE, "qos"), direction(BOTH, "qos"), ID];

static MINIMUM_PACKET_RATE: Wire = wire!(
    "minimum_packet_rate",
    "alias-minimum-packet-rate-rules",
    "min_kpps",
    None,
    true,
    MINIMUM_PACKET_RATE_ATTRIBUTES
);
const MINIMUM_PACKET_RATE_ATTRIBUTES: &[Attribute] =
    &[amount("min_kpps", RATE, ""), direction(Check::OneOf(&["any", "ingress", "egress"]), ""), ID];

static PACKET_RATE_LIMIT: Wire = wire!(
    "packet_rate_limit",
    "alias-packet-rate-limit-rules",
    "max_kpps",
    Some("max_burst_kpps"),
    true,
    PACKET_RATE_LIMIT_ATTRIBUTES
);
const PACKET_RATE_LIMIT_ATTRIBUTES: &[Attribute] = &[
    amount("max_kpps", RATE, "qos-pps"),
    Attribute::settable("max_burst_kpps", RATE, BURST).column("burst").alias("qos-pps"),
    direction(BOTH, "qos-pps"),
    ID,
];

fn zero() -> Value {
    Value::from(0)
}

fn egress() -> Value {
    Value::from("egress")
}

fn dscp_mark(value: &Value) -> Result<Value, String> {
    let mark = check::integer(value, 0, 63)?;
    if DSCP_MARKS.contains(&mark) {
        return Ok(Value::from(mark));
    }
    Err(format!("'{mark}' is not in {DSCP_MARKS:?}"))
}
