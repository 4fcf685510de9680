//! Decisions about conntrack helpers: pure.

use isospin_api_kit::attribute::check;
use isospin_api_kit::{Fault, FaultType};
use serde_json::Value;

use super::model::ConntrackHelper;
use crate::resources::port_forwarding::model::Protocol;

/// Helpers routers may use, each with its protocols: the reference's defaults.
const ALLOWED: &[(&str, &[Protocol])] = &[
    ("amanda", &[Protocol::Tcp]),
    ("ftp", &[Protocol::Tcp]),
    ("h323", &[Protocol::Udp, Protocol::Tcp]),
    ("irc", &[Protocol::Tcp]),
    ("netbios-ns", &[Protocol::Udp]),
    ("pptp", &[Protocol::Tcp]),
    ("sane", &[Protocol::Tcp]),
    ("sip", &[Protocol::Udp, Protocol::Tcp]),
    ("snmp", &[Protocol::Udp]),
    ("tftp", &[Protocol::Udp]),
];

/// Check of `protocol`.
pub fn protocol(value: &Value) -> Result<Value, String> {
    let text = check::plain(value).to_lowercase();
    match text.parse::<Protocol>() {
        Ok(protocol) => Ok(protocol.as_str().into()),
        Err(_) => Err(format!("'{text}' is not in ['dccp', 'icmp', 'ipv6-icmp', 'sctp', 'tcp', 'udp']")),
    }
}

/// 404 for a helper that is not there, or is another router's (N26).
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::ConntrackHelperNotFound, format!("Conntrack Helper {id} could not be found."))
}

/// Refuses helpers that are not allowed, and protocols they do not read.
///
/// # Errors
/// 400.
pub fn check_allowed(wanted: &ConntrackHelper) -> Result<(), Fault> {
    let helper = &wanted.helper;
    let Some((_, protocols)) = ALLOWED.iter().find(|(name, _)| name == helper) else {
        return Err(Fault::new(
            FaultType::ConntrackHelperNotAllowed,
            format!("Conntrack Helper {helper} is not allowed."),
        ));
    };
    if protocols.contains(&wanted.protocol) {
        return Ok(());
    }
    let supported: Vec<&str> = protocols.iter().map(|protocol| protocol.as_str()).collect();
    Err(Fault::new(
        FaultType::InvalidProtocolForHelper,
        format!(
            "Conntrack Helper {helper} does not support: {}. Supported protocols are: {}",
            wanted.protocol.as_str(),
            supported.join(", ")
        ),
    ))
}

/// Refuses what another helper of the router does already.
///
/// # Errors
/// 400.
pub fn check_unique(wanted: &ConntrackHelper, all: &[ConntrackHelper]) -> Result<(), Fault> {
    let same = |other: &ConntrackHelper| {
        other.id != wanted.id
            && (other.protocol, other.port) == (wanted.protocol, wanted.port)
            && other.helper == wanted.helper
    };
    if !all.iter().any(same) {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::BadRequest,
        format!(
            "Bad conntrack_helper request: A duplicate conntrack helper entry with same attributes already exists, \
             conflicting values are {{'router_id': '{}', 'protocol': '{}', 'port': {}, 'helper': '{}'}}.",
            wanted.router_id,
            wanted.protocol.as_str(),
            wanted.port,
            wanted.helper
        ),
    ))
}
