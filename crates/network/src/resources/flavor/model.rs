//! What a flavor is inside the server.

use isospin_types::{FlavorId, ServiceProfileId};
use serde_json::{Map, Value};

/// A flavor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flavor {
    pub id: FlavorId,
    pub name: String,
    pub description: String,
    pub service_type: String,
    pub enabled: bool,
    /// In order of preference: the first provides.
    pub profiles: Vec<ServiceProfileId>,
}

impl Flavor {
    /// Its attributes, in the key order of the reference's samples.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        let values = [
            ("id", self.id.to_string().into()),
            ("name", self.name.as_str().into()),
            ("description", self.description.as_str().into()),
            ("service_type", self.service_type.as_str().into()),
            ("enabled", self.enabled.into()),
            ("service_profiles", self.profiles.iter().map(|id| Value::from(id.to_string())).collect()),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
