//! Typed identifiers. Network resources carry UUIDs in the dashed form; identity
//! resources carry opaque strings of at most 64 characters (32 hex digits when
//! made here, other forms when another Keystone made them).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fresh::fresh;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid UUID")]
pub struct IdError(pub String);

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, in the indexes near the one before.
            #[must_use]
            pub fn random() -> Self {
                Self(fresh())
            }

            /// The identifier as a plain UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The first eleven characters: what device names are made from
            /// (`tap<id[:11]>`, reference/agents-and-dataplane §1.1).
            #[must_use]
            pub fn device_suffix(self) -> String {
                let mut text = self.to_string();
                text.truncate(11);
                text
            }
        }

        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self {
                Self(value)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError(text.to_owned()))
            }
        }
    )*};
}

uuid_ids! {
    /// A network.
    NetworkId,
    /// A subnet.
    SubnetId,
    /// A pool of prefixes for subnets.
    SubnetPoolId,
    /// An address scope.
    AddressScopeId,
    /// A port.
    PortId,
    /// A router.
    RouterId,
    /// A router interface row.
    RouterInterfaceId,
    /// A floating IP.
    FloatingIpId,
    /// A forwarding of ports of a floating IP.
    PortForwardingId,
    /// A conntrack helper of a router.
    ConntrackHelperId,
    /// A flavor of a service.
    FlavorId,
    /// A way a flavor is provided.
    ServiceProfileId,
    /// A metering label.
    MeteringLabelId,
    /// A rule of a metering label.
    MeteringLabelRuleId,
    /// A security group.
    SecurityGroupId,
    /// A security group rule.
    SecurityGroupRuleId,
    /// An agent.
    AgentId,
    /// An entry that opens an object to other projects.
    RbacPolicyId,
    /// An address group.
    AddressGroupId,
    /// A rule new security groups start with.
    DefaultSecurityGroupRuleId,
    /// A policy of quality of service.
    QosPolicyId,
    /// A rule of such a policy.
    QosRuleId,
    /// A trunk.
    TrunkId,
    /// A segment of a network.
    SegmentId,
    /// A range of segmentation ids.
    SegmentRangeId,
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; identity decides what it means.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// A fresh identifier of 32 hex digits, as Keystone makes them.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4().simple().to_string())
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_ids! {
    /// A project (tenant) of the Identity API; "" for objects the system itself owns.
    ProjectId,
    /// A user of the Identity API.
    UserId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_round_trips_and_rejects_other_text() {
        let id = PortId::random();
        assert_eq!(id.to_string().parse::<PortId>(), Ok(id));
        assert_eq!(id.device_suffix().len(), 11);
        assert!("not-a-uuid".parse::<PortId>().is_err());
    }
}
