//! Decisions about metering label rules: pure.

use ipnet::IpNet;
use isospin_api_kit::{Fault, FaultType};

use super::model::MeteringLabelRule;
use crate::prefix;

/// 404.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::MeteringLabelRuleNotFound, format!("Metering label rule {id} does not exist"))
}

/// Refuses a rule that names no traffic, or names it in two ways.
///
/// # Errors
/// 400.
pub fn check_prefixes(rule: &MeteringLabelRule) -> Result<(), Fault> {
    let ends = rule.source.or(rule.destination).is_some();
    let reason = match (rule.remote.is_some(), ends) {
        (true, true) => "remote_ip_prefix cannot be used with source_ip_prefix or destination_ip_prefix",
        (false, false) => "one of remote_ip_prefix, source_ip_prefix and destination_ip_prefix must be given",
        _ if !one_version(rule) => "source_ip_prefix and destination_ip_prefix are not of one IP version",
        _ => return Ok(()),
    };
    Err(Fault::new(FaultType::BadRequest, format!("Bad metering_label_rule request: {reason}.")))
}

fn one_version(rule: &MeteringLabelRule) -> bool {
    let is_v4 = |net: IpNet| net.addr().is_ipv4();
    rule.source.zip(rule.destination).is_none_or(|(source, destination)| is_v4(source) == is_v4(destination))
}

/// Refuses a rule whose traffic another rule of the label names already, in the same
/// direction and to the same end.
///
/// # Errors
/// 409.
pub fn check_overlap(new: &MeteringLabelRule, others: &[MeteringLabelRule]) -> Result<(), Fault> {
    let same = |other: &&MeteringLabelRule| {
        other.direction == new.direction
            && other.excluded == new.excluded
            && other.remote.is_some() == new.remote.is_some()
            && meet(other.remote, new.remote)
            && meet(other.source, new.source)
            && meet(other.destination, new.destination)
    };
    let Some(other) = others.iter().find(same) else { return Ok(()) };
    let named = [
        ("remote_ip_prefix", new.remote),
        ("source_ip_prefix", new.source),
        ("destination_ip_prefix", new.destination),
    ];
    let named = named.iter().filter_map(|(name, net)| net.map(|net| format!("{name} '{net}'")));
    Err(Fault::new(
        FaultType::MeteringLabelRuleOverlaps,
        format!(
            "Metering label rule with {} overlaps another: {}.",
            named.collect::<Vec<_>>().join(", "),
            other.id
        ),
    ))
}

/// Whether both hold an address; nothing said holds all of them.
fn meet(one: Option<IpNet>, other: Option<IpNet>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => prefix::overlap(&one, &other),
        _ => true,
    }
}
