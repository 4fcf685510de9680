//! What a service profile is inside the server.

use isospin_types::ServiceProfileId;
use serde_json::{Map, Value};

/// A service profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProfile {
    pub id: ServiceProfileId,
    pub description: String,
    /// "" = none.
    pub driver: String,
    pub metainfo: String,
    pub enabled: bool,
}

impl ServiceProfile {
    /// Its attributes, in the key order of the reference's samples.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        let values = [
            ("id", self.id.to_string().into()),
            ("description", self.description.as_str().into()),
            ("driver", self.driver.as_str().into()),
            ("enabled", self.enabled.into()),
            ("metainfo", self.metainfo.as_str().into()),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
