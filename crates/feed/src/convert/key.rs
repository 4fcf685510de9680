//! Keys of facts: typed, on the wire, and as the words people read.

use std::fmt;
use std::str::FromStr;

use super::RecordError;
use crate::facts::FactKey;
use crate::proto::{self, Kind, record::Fact as WireFact};

impl FactKey {
    /// The kind on the wire.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Network(_) => Kind::Network,
            Self::Subnet(_) => Kind::Subnet,
            Self::Port(_) => Kind::Port,
            Self::SecurityGroup(_) => Kind::SecurityGroup,
            Self::SecurityGroupRule(_) => Kind::SecurityGroupRule,
            Self::SecurityGroupMember(..) => Kind::SecurityGroupMember,
            Self::Router(_) => Kind::Router,
            Self::FloatingIp(_) => Kind::FloatingIp,
            Self::DhcpService(_) => Kind::DhcpService,
            Self::AddressGroup(_) => Kind::AddressGroup,
        }
    }

    /// The kind as reports, logs and status name it. DHCP service of a network is
    /// reported as a state of that network.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::DhcpService(_) => "network",
            other => kind_name(other.kind()),
        }
    }

    /// The id as text; a member is `<group id>/<port id>`.
    #[must_use]
    pub fn id_text(&self) -> String {
        match self {
            Self::Network(id) | Self::DhcpService(id) => id.to_string(),
            Self::Subnet(id) => id.to_string(),
            Self::Port(id) => id.to_string(),
            Self::SecurityGroup(id) => id.to_string(),
            Self::SecurityGroupRule(id) => id.to_string(),
            Self::SecurityGroupMember(group, port) => format!("{group}/{port}"),
            Self::Router(id) => id.to_string(),
            Self::FloatingIp(id) => id.to_string(),
            Self::AddressGroup(id) => id.to_string(),
        }
    }
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", kind_name(self.kind()), self.id_text())
    }
}

/// The word for a kind in logs and status.
pub(crate) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "unknown",
        Kind::Network => "network",
        Kind::Subnet => "subnet",
        Kind::Port => "port",
        Kind::SecurityGroup => "security_group",
        Kind::SecurityGroupRule => "security_group_rule",
        Kind::SecurityGroupMember => "security_group_member",
        Kind::Router => "router",
        Kind::FloatingIp => "floating_ip",
        Kind::DhcpService => "dhcp_service",
        Kind::AddressGroup => "address_group",
    }
}

impl From<&FactKey> for proto::Key {
    fn from(key: &FactKey) -> Self {
        Self { kind: key.kind().into(), id: key.id_text() }
    }
}

impl TryFrom<&proto::Key> for FactKey {
    type Error = RecordError;

    fn try_from(key: &proto::Key) -> Result<Self, RecordError> {
        let id = key.id.as_str();
        Ok(match key.kind() {
            Kind::Unspecified => return Err(RecordError::Unknown),
            Kind::Network => Self::Network(parse_id("id", id)?),
            Kind::Subnet => Self::Subnet(parse_id("id", id)?),
            Kind::Port => Self::Port(parse_id("id", id)?),
            Kind::SecurityGroup => Self::SecurityGroup(parse_id("id", id)?),
            Kind::SecurityGroupRule => Self::SecurityGroupRule(parse_id("id", id)?),
            Kind::SecurityGroupMember => {
                let (group, port) = id
                    .split_once('/')
                    .ok_or_else(|| RecordError::field("id", id, "expected '<group id>/<port id>'"))?;
                Self::SecurityGroupMember(parse_id("id", group)?, parse_id("id", port)?)
            }
            Kind::Router => Self::Router(parse_id("id", id)?),
            Kind::FloatingIp => Self::FloatingIp(parse_id("id", id)?),
            Kind::DhcpService => Self::DhcpService(parse_id("id", id)?),
            Kind::AddressGroup => Self::AddressGroup(parse_id("id", id)?),
        })
    }
}

pub(super) fn parse_id<T: FromStr>(field: &'static str, text: &str) -> Result<T, RecordError> {
    text.parse().map_err(|_| RecordError::field(field, text, "not a UUID"))
}

/// The key a record speaks of, as sent; `None` when it holds no known fact.
#[must_use]
pub fn record_key(record: &proto::Record) -> Option<proto::Key> {
    let (kind, id) = match record.fact.as_ref()? {
        WireFact::Network(it) => (Kind::Network, &it.id),
        WireFact::Subnet(it) => (Kind::Subnet, &it.id),
        WireFact::Port(it) => (Kind::Port, &it.id),
        WireFact::SecurityGroup(it) => (Kind::SecurityGroup, &it.id),
        WireFact::SecurityGroupRule(it) => (Kind::SecurityGroupRule, &it.id),
        WireFact::SecurityGroupMember(it) => (Kind::SecurityGroupMember, &it.id),
        WireFact::Router(it) => (Kind::Router, &it.id),
        WireFact::FloatingIp(it) => (Kind::FloatingIp, &it.id),
        WireFact::DhcpService(it) => (Kind::DhcpService, &it.id),
        WireFact::AddressGroup(it) => (Kind::AddressGroup, &it.id),
    };
    Some(proto::Key { kind: kind.into(), id: id.clone() })
}
