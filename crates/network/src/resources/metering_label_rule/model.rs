//! What a metering label rule is inside the server.

use ipnet::IpNet;
use isospin_types::{MeteringLabelId, MeteringLabelRuleId};
use serde_json::{Map, Value};

/// A metering label rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteringLabelRule {
    pub id: MeteringLabelRuleId,
    pub label_id: MeteringLabelId,
    /// "ingress" or "egress".
    pub direction: String,
    /// Whether the traffic is left out instead of counted.
    pub excluded: bool,
    /// The inner end: where it comes from on its way out, where it goes on its way in; alone.
    pub remote: Option<IpNet>,
    /// `None` = any.
    pub source: Option<IpNet>,
    /// `None` = any.
    pub destination: Option<IpNet>,
}

impl MeteringLabelRule {
    /// Its attributes, in the key order of the reference's samples.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        let text = |net: Option<IpNet>| Value::from(net.map(|net| net.to_string()));
        let values = [
            ("id", self.id.to_string().into()),
            ("metering_label_id", self.label_id.to_string().into()),
            ("direction", self.direction.as_str().into()),
            ("remote_ip_prefix", text(self.remote)),
            ("source_ip_prefix", text(self.source)),
            ("destination_ip_prefix", text(self.destination)),
            ("excluded", self.excluded.into()),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
