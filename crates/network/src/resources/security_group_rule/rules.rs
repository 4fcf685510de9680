//! What a client may write for a rule, and what it means (reference §8).

use std::fmt;

use ipnet::IpNet;
use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault, FaultType};
use serde_json::{Value, json};

use super::model::{Direction, Ethertype, Matching, PROTOCOLS, Protocol, Remote};

/// The family of a rule that names none.
#[must_use]
pub fn ipv4() -> Value {
    json!("IPv4")
}

/// `IPv4` or `IPv6`, in any case.
pub fn ethertype(value: &Value) -> Result<Value, String> {
    let text = check::plain(value);
    let known: Result<Ethertype, _> = text.parse();
    known.map(|known| json!(known.as_str())).map_err(|_| format!("'{text}' is not in ['IPv4', 'IPv6']"))
}

/// A name or number as text; which are known is decided with the rest of the rule.
pub fn protocol_text(value: &Value) -> Result<Value, String> {
    match value {
        Value::Number(number) => Ok(json!(number.to_string())),
        other => check::text(other, 40).map(|text| json!(text.trim())),
    }
}

/// Any text: a wrong prefix has a fault of its own.
pub fn prefix_text(value: &Value) -> Result<Value, String> {
    check::text(value, 64).map(|text| json!(text.trim()))
}

/// The rule a validated body describes.
///
/// # Errors
/// 400 of the kinds of reference §8; nothing an agent could not program gets
/// through (N04, N17).
pub fn matching(body: &Body) -> Result<Matching, Fault> {
    let direction: Direction = body.parsed("direction").ok_or_else(|| missing("direction"))?;
    let ethertype: Ethertype = body.parsed("ethertype").ok_or_else(|| missing("ethertype"))?;
    let prefix = body.text("remote_ip_prefix").filter(|text| !text.is_empty());
    let named = (prefix, body.parsed("remote_group_id"), body.parsed("remote_address_group_id"));
    let remote = match named {
        (None, None, None) => Remote::Any,
        (Some(text), None, None) => Remote::Prefix(remote_prefix(text, ethertype)?),
        (None, Some(group), None) => Remote::Group(group),
        (None, None, Some(addresses)) => Remote::Addresses(addresses),
        _ => return Err(several_remotes()),
    };
    let protocol = protocol(body.text("protocol"), ethertype)?;
    let (port_range_min, port_range_max) =
        range(protocol, body.int("port_range_min"), body.int("port_range_max"))?;
    Ok(Matching { direction, ethertype, protocol, port_range_min, port_range_max, remote })
}

fn missing(name: &str) -> Fault {
    Fault::bad_request(format!("Failed to parse request. Required attribute '{name}' not specified"))
}

/// 400: one remote is named at most.
#[must_use]
pub fn several_remotes() -> Fault {
    Fault::new(
        FaultType::SecurityGroupMultipleRemoteEntites,
        "Only remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
    )
}

/// A prefix as written; a single address is a prefix of its full length (N04).
fn remote_prefix(text: &str, ethertype: Ethertype) -> Result<IpNet, Fault> {
    let invalid = || Fault::new(FaultType::InvalidCIDR, format!("Invalid CIDR {text} given as IP prefix."));
    let net: IpNet = if text.contains('/') {
        text.parse().map_err(|_| invalid())?
    } else {
        IpNet::from(text.parse::<std::net::IpAddr>().map_err(|_| invalid())?)
    };
    let fits = matches!((net, ethertype), (IpNet::V4(_), Ethertype::Ipv4) | (IpNet::V6(_), Ethertype::Ipv6));
    if fits { Ok(net) } else { Err(wrong_family(text, ethertype)) }
}

fn wrong_family(text: &str, ethertype: Ethertype) -> Fault {
    Fault::new(
        FaultType::SecurityGroupRuleParameterConflict,
        format!("Conflicting value ethertype {} for CIDR {text}", ethertype.as_str()),
    )
}

/// The protocol meant: ICMP of an IPv6 rule is ICMPv6 whatever it was called.
fn protocol(text: Option<&str>, ethertype: Ethertype) -> Result<Option<Protocol>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("any")) else {
        return Ok(None);
    };
    let protocol: Protocol = text.parse().map_err(|_| unknown_protocol(text))?;
    let named = text.parse::<u8>().is_err();
    match ethertype {
        Ethertype::Ipv6 if protocol.is_icmp() && named => Ok("ipv6-icmp".parse().ok()),
        Ethertype::Ipv6 if protocol.number() == Protocol::ICMP => {
            Ok(Some(Protocol::of_number(Protocol::ICMPV6)))
        }
        Ethertype::Ipv4 if protocol.is_ipv6_only() => Err(Fault::new(
            FaultType::SecurityGroupEthertypeConflictWithProtocol,
            format!("Invalid ethertype {} for protocol {text}.", ethertype.as_str()),
        )),
        _ => Ok(Some(protocol)),
    }
}

fn unknown_protocol(text: &str) -> Fault {
    let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
    Fault::new(
        FaultType::SecurityGroupRuleInvalidProtocol,
        format!(
            "Security group rule protocol {text} not supported. Only protocol values {names:?} and integer \
             representations [0 to 255] are supported."
        ),
    )
}

/// Ports, or ICMP type and code; all ports are the same as none named.
fn range(
    protocol: Option<Protocol>,
    min: Option<i64>,
    max: Option<i64>,
) -> Result<(Option<u16>, Option<u16>), Fault> {
    if min.is_none() && max.is_none() {
        return Ok((None, None));
    }
    let Some(protocol) = protocol else {
        return Err(Fault::new(
            FaultType::SecurityGroupProtocolRequiredWithPorts,
            "Must also specify protocol if port range is given.",
        ));
    };
    if protocol.has_ports() {
        return ports(min, max);
    }
    if protocol.is_icmp() {
        return icmp(min, max);
    }
    // VRRP with a port once kept a whole host from being programmed (N17).
    Err(Fault::new(
        FaultType::SecurityGroupInvalidProtocolForPort,
        format!(
            "Invalid protocol {protocol} for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP."
        ),
    ))
}

fn ports(min: Option<i64>, max: Option<i64>) -> Result<(Option<u16>, Option<u16>), Fault> {
    let port = |value: i64| {
        u16::try_from(value).ok().filter(|port| *port > 0).ok_or_else(|| {
            Fault::new(FaultType::SecurityGroupInvalidPortValue, format!("Invalid value for port {value}"))
        })
    };
    let (min, max) = (min.map(port).transpose()?, max.map(port).transpose()?);
    match (min, max) {
        (Some(1), Some(u16::MAX)) => Ok((None, None)),
        (Some(first), Some(last)) if first <= last => Ok((min, max)),
        _ => Err(Fault::new(
            FaultType::SecurityGroupInvalidPortRange,
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
        )),
    }
}

fn icmp(kind: Option<i64>, code: Option<i64>) -> Result<(Option<u16>, Option<u16>), Fault> {
    let octet = |value: i64, field: &str, attribute: &str| {
        u8::try_from(value).map(u16::from).map_err(|_| {
            Fault::new(
                FaultType::SecurityGroupInvalidIcmpValue,
                format!("Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255."),
            )
        })
    };
    let kind = kind.map(|value| octet(value, "type", "port_range_min")).transpose()?;
    let code = code.map(|value| octet(value, "code", "port_range_max")).transpose()?;
    match (kind, code) {
        (None, Some(code)) => Err(Fault::new(
            FaultType::SecurityGroupMissingIcmpType,
            format!(
                "ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing."
            ),
        )),
        both => Ok(both),
    }
}

/// 404, also for rules hidden from the caller.
pub fn not_found(id: impl fmt::Display) -> Fault {
    Fault::new(FaultType::SecurityGroupRuleNotFound, format!("Security group rule {id} does not exist"))
}

/// 409: the group has an equal rule.
pub fn exists(id: impl fmt::Display) -> Fault {
    Fault::new(
        FaultType::SecurityGroupRuleExists,
        format!("Security group rule already exists. Rule id is {id}."),
    )
}

/// 409: two rules of one request are equal.
#[must_use]
pub fn duplicate() -> Fault {
    Fault::new(FaultType::DuplicateSecurityGroupRuleInPost, "Duplicate Security Group Rule in POST.")
}
