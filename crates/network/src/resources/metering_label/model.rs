//! What a metering label is inside the server.

use isospin_types::MeteringLabelId;
use serde_json::{Map, Value};

/// A metering label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteringLabel {
    pub id: MeteringLabelId,
    pub project_id: String,
    pub name: String,
    pub description: String,
    /// Whether it counts for the routers of all projects.
    pub shared: bool,
}

impl MeteringLabel {
    /// Its attributes, in the key order of the reference's samples.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        let values = [
            ("id", self.id.to_string().into()),
            ("name", self.name.as_str().into()),
            ("description", self.description.as_str().into()),
            ("shared", self.shared.into()),
            ("project_id", self.project_id.as_str().into()),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
