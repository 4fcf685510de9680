//! What a trunk is inside the server.

use std::str::FromStr;

use isospin_types::{MacAddr, PortId, TrunkId};

/// Owner of ports that are part of a trunk.
pub const SUBPORT: &str = "trunk:subport";

/// Life cycle of a trunk as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrunkStatus {
    /// Nobody has wired it.
    Down,
    /// Being wired.
    Build,
    /// Wired.
    Active,
    /// Some of its ports are not wired.
    Degraded,
    /// It cannot be wired.
    Error,
}

impl TrunkStatus {
    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::Build => "BUILD",
            Self::Active => "ACTIVE",
            Self::Degraded => "DEGRADED",
            Self::Error => "ERROR",
        }
    }
}

/// A text that names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a state of a trunk")]
pub struct StatusError(String);

impl FromStr for TrunkStatus {
    type Err = StatusError;
    fn from_str(text: &str) -> Result<Self, StatusError> {
        [Self::Down, Self::Build, Self::Active, Self::Degraded, Self::Error]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| StatusError(text.to_owned()))
    }
}

/// A trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    pub id: TrunkId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub admin_state_up: bool,
    pub status: TrunkStatus,
    /// The parent: its frames are not tagged.
    pub port_id: PortId,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
    /// In the order of their tags.
    pub sub_ports: Vec<SubPort>,
}

/// A port whose frames the parent carries, tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubPort {
    pub port_id: PortId,
    /// VLAN id.
    pub segmentation_id: u16,
}

/// The one kind of tag.
pub const VLAN: &str = "vlan";

/// What a request says of a port to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedSubPort {
    pub port_id: PortId,
    /// `None`: the VLAN id of the port's network.
    pub segmentation_id: Option<u16>,
}

/// What a port shows of the trunk it is the parent of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkDetails {
    pub trunk_id: TrunkId,
    pub sub_ports: Vec<(SubPort, MacAddr)>,
}
