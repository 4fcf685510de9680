//! What a setting is inside the server.

use uuid::Uuid;

/// The word for one project, or for all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub id: Uuid,
    /// "" = for all projects without a word of their own.
    pub project_id: String,
    pub stateful: bool,
}
