//! A port forwarding as clients see it, in the key order of the reference's samples.

use serde_json::{Map, Value, json};

use super::model::{PortForwarding, PortRange};

/// The JSON of a port forwarding; `fields` empty = all keys.
pub fn port_forwarding(fields: &[String], forwarding: &PortForwarding) -> Value {
    let mut object = Map::with_capacity(9);
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    let external = forwarding.ports.map(|ports| ports.external);
    let internal = forwarding.ports.map(|ports| ports.internal);
    put("id", forwarding.id.to_string().into());
    put("external_port", external.and_then(PortRange::single).into());
    put("external_port_range", external.map(|range| range.to_string()).into());
    put("protocol", forwarding.protocol.as_str().into());
    put("internal_port_id", forwarding.internal_port_id.to_string().into());
    put("internal_ip_address", forwarding.internal_ip_address.to_string().into());
    put("internal_port", internal.and_then(PortRange::single).into());
    put("internal_port_range", internal.map(|range| range.to_string()).into());
    put("description", forwarding.description.as_str().into());
    if !fields.is_empty() {
        object.retain(|name, _| fields.iter().any(|field| field == name));
    }
    Value::Object(object)
}

/// The same inside of its floating IP; ranges are only named where there are any.
pub fn in_floating_ip(forwarding: &PortForwarding) -> Value {
    let external = forwarding.ports.map(|ports| ports.external);
    let internal = forwarding.ports.map(|ports| ports.internal);
    let mut object = json!({
        "id": forwarding.id.to_string(),
        "protocol": forwarding.protocol.as_str(),
        "internal_ip_address": forwarding.internal_ip_address.to_string(),
        "internal_port": internal.and_then(PortRange::single),
        "internal_port_id": forwarding.internal_port_id.to_string(),
        "external_port": external.and_then(PortRange::single),
    });
    if let Some(ports) = forwarding.ports.filter(|ports| ports.external.single().is_none()) {
        object["internal_port_range"] = ports.internal.to_string().into();
        object["external_port_range"] = ports.external.to_string().into();
    }
    object
}
