//! Checks of single values. Each returns the value in canonical form, or the
//! reason it is refused (a sentence without the final stop).

use std::net::IpAddr;

use ipnet::IpNet;
use isospin_types::MacAddr;
use serde_json::Value;
use uuid::Uuid;

/// Type and rule of an attribute's value.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Text of at most so many characters.
    Text(usize),
    /// The same, and not blank.
    NonEmptyText(usize),
    /// true/false and their spellings (`1,t,true,on,y,yes` / `0,f,false,off,n,no`).
    Bool,
    /// A whole number, or a text that is one.
    Int {
        min: i64,
        max: i64,
    },
    Uuid,
    Mac,
    Ip,
    /// A network prefix; host bits are cleared.
    Cidr,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of distinct UUIDs; null counts as empty.
    UuidList,
    /// A list of distinct texts of at most `each` characters; null counts as empty.
    TextList {
        each: usize,
    },
    /// Any JSON object.
    Object,
    /// The resource's own code: the canonical value or the reason.
    Own(fn(&Value) -> Result<Value, String>),
}

impl Check {
    /// The canonical form of `value`.
    ///
    /// # Errors
    /// Why the value is refused, naming the value.
    pub fn run(self, value: &Value) -> Result<Value, String> {
        match self {
            Self::Text(most) => text(value, most).map(Value::String),
            Self::NonEmptyText(most) => {
                let text = text(value, most)?;
                if text.trim().is_empty() {
                    return Err(format!("'{text}' is blank"));
                }
                Ok(Value::String(text))
            }
            Self::Bool => boolean(value).map(Value::Bool),
            Self::Int { min, max } => integer(value, min, max).map(Value::from),
            Self::Uuid => uuid(value).map(Value::String),
            Self::Mac => mac(value).map(|mac| Value::String(mac.to_string())),
            Self::Ip => ip(value).map(|ip| Value::String(ip.to_string())),
            Self::Cidr => cidr(value).map(|net| Value::String(net.to_string())),
            Self::OneOf(choices) => {
                let text = plain(value);
                if choices.contains(&text.as_str()) {
                    return Ok(Value::String(text));
                }
                let known: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
                Err(format!("'{text}' is not in [{}]", known.join(", ")))
            }
            Self::UuidList => list(value, uuid),
            Self::TextList { each } => list(value, |item| text(item, each)),
            Self::Object => match value {
                Value::Object(_) => Ok(value.clone()),
                other => Err(format!("'{}' is not a dictionary", plain(other))),
            },
            Self::Own(check) => check(value),
        }
    }
}

/// A value as an error message shows it.
#[must_use]
pub fn plain(value: &Value) -> String {
    let shown = match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    };
    if shown.chars().count() > 300 { shown.chars().take(300).collect::<String>() + "…" } else { shown }
}

/// A text of at most `most` characters.
pub fn text(value: &Value, most: usize) -> Result<String, String> {
    let Value::String(text) = value else {
        return Err(format!("'{}' is not a valid string", plain(value)));
    };
    if text.chars().count() > most {
        return Err(format!("'{}' exceeds maximum length of {most}", plain(value)));
    }
    // PostgreSQL cannot store it, and no host tool should ever see it.
    if text.contains('\0') {
        return Err("the text contains a NUL character".to_owned());
    }
    Ok(text.clone())
}

/// Any spelling of a boolean.
pub fn boolean(value: &Value) -> Result<bool, String> {
    let known = match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
            "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    };
    known.ok_or_else(|| format!("'{}' cannot be converted to boolean", plain(value)))
}

/// A whole number within bounds.
pub fn integer(value: &Value, min: i64, max: i64) -> Result<i64, String> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| format!("'{}' is not an integer", plain(value)))?;
    if number < min {
        return Err(format!("'{number}' is too small - must be at least '{min}'"));
    }
    if number > max {
        return Err(format!("'{number}' is too large - must be no larger than '{max}'"));
    }
    Ok(number)
}

/// A UUID in its dashed lower-case form.
pub fn uuid(value: &Value) -> Result<String, String> {
    value
        .as_str()
        .filter(|text| text.len() == 36)
        .and_then(|text| Uuid::try_parse(text).ok())
        .map(|id| id.to_string())
        .ok_or_else(|| format!("'{}' is not a valid UUID", plain(value)))
}

/// A unicast Ethernet address.
pub fn mac(value: &Value) -> Result<MacAddr, String> {
    value
        .as_str()
        .and_then(|text| text.parse::<MacAddr>().ok())
        .filter(|mac| *mac != MacAddr::ZERO && *mac != MacAddr::BROADCAST)
        .ok_or_else(|| format!("'{}' is not a valid MAC address", plain(value)))
}

/// An IPv4 or IPv6 address, without zone or prefix.
pub fn ip(value: &Value) -> Result<IpAddr, String> {
    value
        .as_str()
        .and_then(|text| text.parse::<IpAddr>().ok())
        .ok_or_else(|| format!("'{}' is not a valid IP address", plain(value)))
}

/// A network prefix with its host bits cleared.
pub fn cidr(value: &Value) -> Result<IpNet, String> {
    value
        .as_str()
        .and_then(|text| text.parse::<IpNet>().ok())
        .map(|net| net.trunc())
        .ok_or_else(|| format!("'{}' is not a valid IP subnet", plain(value)))
}

/// A list whose items are distinct after `each` has made them canonical.
pub fn list(value: &Value, each: impl Fn(&Value) -> Result<String, String>) -> Result<Value, String> {
    let items = match value {
        Value::Null => return Ok(Value::Array(Vec::new())),
        Value::Array(items) => items,
        other => return Err(format!("'{}' is not a list", plain(other))),
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut canonical = Vec::with_capacity(items.len());
    for item in items {
        let item = each(item)?;
        if !seen.insert(item.clone()) {
            return Err(format!("Duplicate items in the list: '{item}'"));
        }
        canonical.push(Value::String(item));
    }
    Ok(Value::Array(canonical))
}
