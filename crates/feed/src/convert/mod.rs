//! Between the wire and the facts.
//!
//! Parsing is strict for each record by itself: what does not parse is reported
//! as [`BadRecord`] with its key and a reason, and the fact under that key is
//! gone, so that the same facts result from whatever order the records came in.
//! A bad record never stops another.

mod apply;
mod encode;
mod key;
mod parse;

pub(crate) use key::kind_name;
pub use key::record_key;
pub use parse::parse_record;

use crate::facts::{
    AddressGroup, DhcpService, FactKey, FloatingIp, Network, Port, Router, SecurityGroup,
    SecurityGroupMember, SecurityGroupRule, Subnet,
};

/// One typed record, not yet put into [`crate::facts::Facts`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant holds the fact of its name")]
pub enum Fact {
    Network(Network),
    Subnet(Subnet),
    Port(Port),
    SecurityGroup(SecurityGroup),
    SecurityGroupRule(SecurityGroupRule),
    SecurityGroupMember(SecurityGroupMember),
    Router(Router),
    FloatingIp(FloatingIp),
    DhcpService(DhcpService),
    AddressGroup(AddressGroup),
}

impl Fact {
    /// The key this fact is kept under.
    #[must_use]
    pub fn key(&self) -> FactKey {
        match self {
            Self::Network(it) => FactKey::Network(it.id),
            Self::Subnet(it) => FactKey::Subnet(it.id),
            Self::Port(it) => FactKey::Port(it.id),
            Self::SecurityGroup(it) => FactKey::SecurityGroup(it.id),
            Self::SecurityGroupRule(it) => FactKey::SecurityGroupRule(it.id),
            Self::SecurityGroupMember(it) => FactKey::SecurityGroupMember(it.security_group_id, it.port_id),
            Self::Router(it) => FactKey::Router(it.id),
            Self::FloatingIp(it) => FactKey::FloatingIp(it.id),
            Self::DhcpService(it) => FactKey::DhcpService(it.network_id),
            Self::AddressGroup(it) => FactKey::AddressGroup(it.id),
        }
    }
}

/// Why one record does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// No fact inside, or one of a kind this release does not know.
    #[error("no fact of a known kind")]
    Unknown,
    /// A field holds what it must not.
    #[error("{field} '{value}': {why}")]
    Field {
        /// Name of the field in `feed.proto`.
        field: &'static str,
        /// What it held, cut to a readable length.
        value: String,
        /// What was expected.
        why: &'static str,
    },
}

impl RecordError {
    /// A refused field; long values are cut, since they go to logs.
    pub(crate) fn field(field: &'static str, value: impl ToString, why: &'static str) -> Self {
        let value: String = value.to_string().chars().take(64).collect();
        Self::Field { field, value, why }
    }
}

/// A record that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} '{id}' set aside: {reason}")]
pub struct BadRecord {
    /// Kind by name: "port", "subnet"; "unknown" when the record holds no known fact.
    pub kind: &'static str,
    /// Its id as sent, which may itself be what is wrong.
    pub id: String,
    /// The key, when the id at least parses.
    pub key: Option<FactKey>,
    /// What is wrong with it.
    pub reason: RecordError,
}

#[cfg(test)]
mod tests;
