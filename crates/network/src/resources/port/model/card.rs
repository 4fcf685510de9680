//! What kind of network card a port wants: said by clients, read back by Nova, and
//! of no concern to a host that wires plain taps.

use serde_json::{Map, Value};

use super::Binding;

/// Wishes about the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Of an accelerator, by name.
    pub device_profile: Option<String>,
    /// What the card must take off the host: "switchdev".
    pub hardware_offload_type: Option<String>,
    /// Tuning by back end.
    pub hints: Option<Map<String, Value>>,
    pub numa_affinity_policy: Option<String>,
    /// Whether a virtual function follows the link of its card.
    pub propagate_uplink_status: bool,
    /// Whether the guest may change the MAC and more of a virtual function.
    pub trusted: Option<bool>,
}

impl Default for Card {
    fn default() -> Self {
        Self {
            device_profile: None,
            hardware_offload_type: None,
            hints: None,
            numa_affinity_policy: None,
            propagate_uplink_status: true,
            trusted: None,
        }
    }
}

impl Card {
    /// The binding profile as Nova reads it: with the wishes it looks for there.
    #[must_use]
    pub fn profile(&self, binding: &Binding) -> Map<String, Value> {
        let mut profile = binding.profile.clone();
        if let Some(offload) = &self.hardware_offload_type {
            profile.insert("capabilities".to_owned(), Value::from(vec![offload.as_str()]));
        }
        if let Some(trusted) = self.trusted {
            profile.insert("trusted".to_owned(), Value::Bool(trusted));
        }
        profile
    }
}
