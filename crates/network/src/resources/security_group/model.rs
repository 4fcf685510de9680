//! What a security group is inside the server.

use isospin_types::SecurityGroupId;

use crate::resources::security_group_rule::model::SecurityGroupRule;

/// The name only the default group of a project has.
pub const DEFAULT_NAME: &str = "default";

/// A set of rules that ports can be put under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    pub id: SecurityGroupId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    /// Whether replies to allowed traffic are allowed.
    pub stateful: bool,
    /// Whether ports of the project get it when they name no group.
    pub is_default: bool,
    pub created_at: String,
    pub updated_at: String,
    pub revision_number: i64,
}

/// A group with what an answer shows beside its own columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroupDetails {
    pub group: SecurityGroup,
    /// Oldest first.
    pub rules: Vec<SecurityGroupRule>,
    pub tags: Vec<String>,
    /// Whether the group is shared with the caller's project.
    pub shared: bool,
}
