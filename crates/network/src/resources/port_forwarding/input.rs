//! What clients say about port forwardings: checks of single values, and the ports
//! a request means.

use std::net::Ipv4Addr;

use isospin_api_kit::attribute::check;
use isospin_api_kit::{Body, Fault};
use serde_json::Value;

use super::model::{PortRange, Ports, Protocol};
use super::rules::bad;

/// Check of `protocol`.
pub fn protocol(value: &Value) -> Result<Value, String> {
    let text = check::plain(value).to_lowercase();
    match text.parse::<Protocol>() {
        Ok(protocol) => Ok(protocol.as_str().into()),
        Err(_) => {
            Err(format!("'{text}' is not in ['tcp', 'udp', 'icmp', 'icmp6', 'ipv6-icmp', 'sctp', 'dccp']"))
        }
    }
}

/// Check of `internal_ip_address`.
pub fn ipv4(value: &Value) -> Result<Value, String> {
    let address = value.as_str().and_then(|text| text.parse::<Ipv4Addr>().ok());
    address
        .map(|address| address.to_string().into())
        .ok_or_else(|| format!("'{}' is not a valid IPv4 address", check::plain(value)))
}

/// Check of both ranges.
pub fn port_range(value: &Value) -> Result<Value, String> {
    let range: PortRange = check::plain(value).parse().map_err(|error| format!("{error}"))?;
    Ok(range.to_string().into())
}

/// The ports a validated body means; what it leaves out stays as it was `before`.
///
/// # Errors
/// 400: a port beside its range, ports of a protocol that has none, or too few.
pub fn ports(body: &Body, protocol: Protocol, before: Option<Ports>) -> Result<Option<Ports>, Fault> {
    let internal = range(body, "internal_port", "internal_port_range")?;
    let external = range(body, "external_port", "external_port_range")?;
    if !protocol.has_ports() {
        if internal.or(external).is_some() {
            return Err(bad(format!("protocol {} has no ports", protocol.as_str())));
        }
        return Ok(None);
    }
    let internal = internal.or(before.map(|ports| ports.internal));
    let external = external.or(before.map(|ports| ports.external));
    let missing = |name| {
        Fault::bad_request(format!("Failed to parse request. Required attribute '{name}' not specified"))
    };
    Ok(Some(Ports {
        internal: internal.ok_or_else(|| missing("internal_port"))?,
        external: external.ok_or_else(|| missing("external_port"))?,
    }))
}

fn range(body: &Body, single: &str, several: &str) -> Result<Option<PortRange>, Fault> {
    let port = body.int(single).and_then(|port| u16::try_from(port).ok());
    let range: Option<PortRange> = body.parsed(several);
    match (port, range) {
        (Some(_), Some(_)) => Err(bad(format!("{single} and {several} cannot be specified together"))),
        (Some(port), None) => Ok(Some(PortRange { first: port, last: port })),
        (None, range) => Ok(range),
    }
}
