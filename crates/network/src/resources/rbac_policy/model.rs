//! What an entry that opens an object to others is inside the server.

use std::str::FromStr;

use isospin_types::RbacPolicyId;
use uuid::Uuid;

/// The target that means every project.
pub const EVERYBODY: &str = "*";

/// What an entry lets the other project do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Use the object as if it were its own.
    Shared,
    /// Reach the network through routers and floating IPs.
    External,
}

impl Action {
    /// The texts on the wire and in the table.
    pub const NAMES: &[&str] = &["access_as_shared", "access_as_external"];

    /// The text on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "access_as_shared",
            Self::External => "access_as_external",
        }
    }
}

/// A text that names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an action on a shared object")]
pub struct ActionError(String);

impl FromStr for Action {
    type Err = ActionError;
    fn from_str(text: &str) -> Result<Self, ActionError> {
        [Self::Shared, Self::External]
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| ActionError(text.to_owned()))
    }
}

/// One entry: one object, one action, one project or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RbacPolicy {
    pub id: RbacPolicyId,
    /// Whose the entry is; not necessarily whose the object is.
    pub project_id: String,
    pub object_type: String,
    pub object_id: Uuid,
    pub action: Action,
    /// A project, or [`EVERYBODY`].
    pub target_project: String,
}
