//! What a conntrack helper is inside the server.

use isospin_types::{ConntrackHelperId, RouterId};
use serde_json::{Value, json};

use crate::resources::port_forwarding::model::Protocol;

/// A conntrack helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConntrackHelper {
    pub id: ConntrackHelperId,
    pub router_id: RouterId,
    pub protocol: Protocol,
    pub port: u16,
    pub helper: String,
}

impl ConntrackHelper {
    /// Its JSON; `fields` empty = all keys.
    #[must_use]
    pub fn shown(&self, fields: &[String]) -> Value {
        let mut object = json!({
            "id": self.id.to_string(),
            "protocol": self.protocol.as_str(),
            "port": self.port,
            "helper": self.helper,
        });
        if let (Some(object), false) = (object.as_object_mut(), fields.is_empty()) {
            object.retain(|name, _| fields.iter().any(|field| field == name));
        }
        object
    }

    /// The same inside of its router.
    #[must_use]
    pub fn in_router(&self) -> Value {
        json!({"protocol": self.protocol.as_str(), "port": self.port, "helper": self.helper})
    }
}
