//! Checks of the values a client gives for the attributes of a port.

use std::collections::BTreeSet;
use std::net::IpAddr;

use isospin_api_kit::attribute::check;
use serde_json::{Map, Value, json};

use super::super::model::PairAddress;

/// Kinds of network card a port may be for.
pub const VNIC_TYPES: &[&str] = &[
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
];

/// What a card may have to take off the host.
pub const OFFLOAD_TYPES: &[&str] = &["switchdev"];
/// How near the card must be to the processors of the instance.
pub const NUMA_POLICIES: &[&str] = &["required", "preferred", "legacy", "socket"];

/// The kind a port is for when nobody says otherwise.
#[must_use]
pub fn normal() -> Value {
    Value::from("normal")
}

/// Bytes of JSON a binding profile may have.
const PROFILE: usize = 4095;
/// DHCP options that may have no value.
const BLANK_OPTIONS: [&str; 2] = ["router", "classless-static-route"];

/// `[{"subnet_id"?, "ip_address"?}]`
pub fn fixed_ips(value: &Value) -> Result<Value, String> {
    let items = objects(value, "Invalid data format for fixed IP")?;
    let mut seen = BTreeSet::new();
    let mut canonical = Vec::with_capacity(items.len());
    for item in items {
        let mut entry = Map::new();
        for (key, value) in item {
            match key.as_str() {
                "subnet_id" => entry.insert(key.clone(), Value::String(check::uuid(value)?)),
                "ip_address" => {
                    let address = check::ip(value)?;
                    if !seen.insert((entry_subnet(item), address)) {
                        return Err(format!("Duplicate IP address '{address}'"));
                    }
                    entry.insert(key.clone(), Value::from(address.to_string()))
                }
                other => return Err(format!("Unexpected key '{other}' in fixed IP")),
            };
        }
        canonical.push(Value::Object(entry));
    }
    Ok(Value::Array(canonical))
}

fn entry_subnet(item: &Map<String, Value>) -> String {
    item.get("subnet_id").and_then(Value::as_str).unwrap_or_default().to_lowercase()
}

/// `[{"ip_address", "mac_address"?}]`; a missing address is told apart later.
/// Neither address may be multicast.
pub fn address_pairs(value: &Value) -> Result<Value, String> {
    if value.is_null() {
        return Ok(json!([]));
    }
    let mut canonical = Vec::new();
    for item in objects(value, "Allowed address pairs must be a list of dictionaries, not")? {
        let mut entry = Map::new();
        for (key, value) in item {
            match key.as_str() {
                "ip_address" => {
                    let address: PairAddress =
                        value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
                            format!("'{}' is not a valid IP address or subnet", check::plain(value))
                        })?;
                    if address.net().addr().is_multicast() {
                        return Err(format!("'{address}' is a multicast address"));
                    }
                    entry.insert(key.clone(), Value::from(address.to_string()));
                }
                "mac_address" if value.is_null() => {}
                "mac_address" => {
                    let mac = check::mac(value)?;
                    if mac.is_multicast() {
                        return Err(format!("'{mac}' is a multicast address"));
                    }
                    entry.insert(key.clone(), Value::from(mac.to_string()));
                }
                other => return Err(format!("Unrecognized attribute(s) '{other}'")),
            }
        }
        canonical.push(Value::Object(entry));
    }
    Ok(Value::Array(canonical))
}

/// `[{"opt_name", "opt_value", "ip_version"?}]`. Control characters are refused:
/// they could end a line in somebody's configuration file (N21).
pub fn dhcp_options(value: &Value) -> Result<Value, String> {
    if value.is_null() {
        return Ok(json!([]));
    }
    let mut seen = BTreeSet::new();
    let mut canonical = Vec::new();
    for item in objects(value, "Extra DHCP options must be a list of dictionaries, not")? {
        if let Some(unknown) =
            item.keys().find(|key| !matches!(key.as_str(), "opt_name" | "opt_value" | "ip_version"))
        {
            return Err(format!("Unexpected key '{unknown}' in extra DHCP option"));
        }
        let name = printable(item.get("opt_name").unwrap_or(&Value::Null), 64)?;
        if name.trim().is_empty() {
            return Err("'opt_name' is blank".to_owned());
        }
        let option = match item.get("opt_value") {
            None => return Err(format!("'opt_value' of '{name}' is missing")),
            Some(Value::Null) => Value::Null,
            Some(value) => {
                let text = printable(value, 255)?;
                if text.trim().is_empty() && !BLANK_OPTIONS.contains(&name.as_str()) {
                    return Err(format!("'opt_value' of '{name}' is blank"));
                }
                Value::String(text)
            }
        };
        let version = match item.get("ip_version") {
            None | Some(Value::Null) => 4,
            Some(version) => check::integer(version, 4, 6)?,
        };
        if version == 5 {
            return Err("'5' is not in [4, 6]".to_owned());
        }
        if !seen.insert((name.clone(), version)) {
            return Err(format!("Duplicate items in the list: '{name}'"));
        }
        canonical.push(json!({"opt_name": name, "opt_value": option, "ip_version": version}));
    }
    Ok(Value::Array(canonical))
}

/// A text without control characters.
fn printable(value: &Value, most: usize) -> Result<String, String> {
    let text = check::text(value, most)?;
    if text.chars().any(char::is_control) {
        return Err(format!("'{}' contains control characters", text.escape_debug()));
    }
    Ok(text)
}

/// A JSON object of limited size; null is the empty one.
pub fn profile(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(json!({})),
        Value::Object(_) if value.to_string().len() <= PROFILE => Ok(value.clone()),
        Value::Object(_) => Err(format!("binding:profile value too large, at most {PROFILE} bytes")),
        other => Err(format!("'{}' is not a dictionary", check::plain(other))),
    }
}

/// `{"openvswitch": {"other_config": {"tx-steering": "thread" or "hash"}}}`, as far as given.
pub fn hints(value: &Value) -> Result<Value, String> {
    let unknown = |value: &Value| Err(format!("'{}' is not a known port hint", check::plain(value)));
    let Some(hints) = value.as_object() else { return unknown(value) };
    for (back_end, settings) in hints {
        let Some(settings) = settings.as_object().filter(|_| back_end == "openvswitch") else {
            return unknown(value);
        };
        for (group, options) in settings {
            let Some(options) = options.as_object().filter(|_| group == "other_config") else {
                return unknown(value);
            };
            let is_known = |(name, option): (&String, &Value)| {
                name == "tx-steering" && matches!(option.as_str(), Some("thread" | "hash"))
            };
            if !options.iter().all(is_known) {
                return unknown(value);
            }
        }
    }
    Ok(value.clone())
}

/// The name of a host; null is none.
pub fn host(value: &Value) -> Result<Value, String> {
    if value.is_null() { Ok(json!("")) } else { printable(value, 255).map(Value::String) }
}

/// A host name, relative or absolute, in lower case (reference §23).
pub fn dns_name(value: &Value) -> Result<Value, String> {
    let text = check::text(value, 255)?.to_lowercase();
    let refused = |why: &str| Err(format!("'{}' not a valid PQDN or FQDN: {why}", check::plain(value)));
    let name = text.strip_suffix('.').unwrap_or(&text);
    if text.is_empty() {
        return Ok(Value::String(text));
    }
    for label in name.split('.') {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if label.is_empty() || label.len() > 63 || !label.bytes().all(plain) {
            return refused("each label has 1 to 63 letters, digits and hyphens");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return refused("no label starts or ends with a hyphen");
        }
    }
    let top = name.rsplit('.').next().unwrap_or_default();
    if name.contains('.') && top.bytes().all(|byte| byte.is_ascii_digit()) {
        return refused("the last label is not a number");
    }
    Ok(Value::String(text))
}

/// The address of a filter in canonical form; other texts match nothing.
#[must_use]
pub fn address_text(text: &str) -> String {
    text.parse::<IpAddr>().map_or_else(|_| text.to_owned(), |address| address.to_string())
}

fn objects<'v>(value: &'v Value, what: &str) -> Result<Vec<&'v Map<String, Value>>, String> {
    let wrong = |found: &Value| format!("{what}: '{}'", check::plain(found));
    let items = value.as_array().ok_or_else(|| wrong(value))?;
    items.iter().map(|item| item.as_object().ok_or_else(|| wrong(item))).collect()
}
