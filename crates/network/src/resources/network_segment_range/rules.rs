//! Checks and decisions about ranges, without database.

use std::fmt::Display;

use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::{NetworkId, SegmentRangeId};

use super::model::SegmentIdRange;
use crate::drivers::{NetworkType, tunnel, vlan};

/// What clients may name; not every type need have a driver here.
pub const TYPES: &[&str] = &["vlan", "vxlan", "gre", "geneve"];

/// 404 for a range that is not there, or hidden from the caller.
pub fn not_found(id: impl Display) -> Fault {
    Fault::new(
        FaultType::NetworkSegmentRangeNotFound,
        format!("Network Segment Range {id} could not be found."),
    )
}

/// The range a POST describes.
///
/// # Errors
/// 400 for a type without ids, a physical network where there is none or none where
/// there must be one, or ends that cannot be.
pub fn create(body: &Body, owner: String, now: String) -> Result<SegmentIdRange, Fault> {
    let named = body.text("network_type").unwrap_or_default();
    let network_type = match named.parse() {
        Ok(known @ (NetworkType::Vlan | NetworkType::Vxlan | NetworkType::Gre | NetworkType::Geneve)) => {
            known
        }
        Ok(NetworkType::Local | NetworkType::Flat) | Err(_) => {
            return Err(Fault::new(
                FaultType::NetworkSegmentRangeNetTypeNotSupported,
                format!("Network type {named} does not support network segment ranges."),
            ));
        }
    };
    let shared = body.flag("shared").unwrap_or(true);
    let range = SegmentIdRange {
        id: SegmentRangeId::random(),
        name: body.text("name").unwrap_or_default().to_owned(),
        description: body.text("description").unwrap_or_default().to_owned(),
        is_default: false,
        shared,
        project_id: if shared { String::new() } else { owner },
        network_type,
        physical_network: physical_network(body, network_type)?,
        minimum: end(body, "minimum").unwrap_or_default(),
        maximum: end(body, "maximum").unwrap_or_default(),
        created_at: now.clone(),
        updated_at: now,
        revision_number: 0,
    };
    check_ends(&range)?;
    Ok(range)
}

fn physical_network(body: &Body, network_type: NetworkType) -> Result<String, Fault> {
    let named = body.text("physical_network").unwrap_or_default();
    match (network_type, named.is_empty()) {
        (NetworkType::Vlan, true) => Err(Fault::new(
            FaultType::BadRequest,
            "Bad network_segment_range request: Network type vlan requires 'physical_network' to be specified \
             while creating new range.",
        )),
        (NetworkType::Vlan, false) | (_, true) => Ok(named.to_owned()),
        (_, false) => Err(Fault::invalid_input(format!(
            "physical_network '{named}' prohibited for network type {network_type}"
        ))),
    }
}

/// The range as a PUT wants it, with the revision it has now.
///
/// # Errors
/// 400 for a default range, or ends that cannot be.
pub fn update(current: &SegmentIdRange, body: &Body) -> Result<SegmentIdRange, Fault> {
    check_own(current)?;
    let mut range = current.clone();
    for (name, text) in [("name", &mut range.name), ("description", &mut range.description)] {
        if let Some(value) = body.text(name) {
            value.clone_into(text);
        }
    }
    range.minimum = end(body, "minimum").unwrap_or(range.minimum);
    range.maximum = end(body, "maximum").unwrap_or(range.maximum);
    check_ends(&range)?;
    Ok(range)
}

/// Its check has already bounded it.
fn end(body: &Body, name: &str) -> Option<u32> {
    body.int(name).and_then(|id| u32::try_from(id).ok())
}

fn check_ends(range: &SegmentIdRange) -> Result<(), Fault> {
    let SegmentIdRange { minimum, maximum, network_type, .. } = range;
    let is_vlan = *network_type == NetworkType::Vlan;
    let tunnels = tunnel::of(range.network_type).map(|tunnel| (tunnel::FIRST, tunnel.last));
    let (first, last) = tunnels.unwrap_or((vlan::FIRST, vlan::LAST));
    let impossible = [minimum, maximum].into_iter().find(|id| !(first..=last).contains(&i64::from(**id)));
    let refused = |reason: String| {
        let ends = format!("{minimum}:{maximum}");
        if is_vlan {
            let text = format!("Invalid network VLAN range: '{ends}' - '{reason}'.");
            return Fault::new(FaultType::NetworkVlanRangeError, text);
        }
        let text = format!("Invalid network tunnel range: '{ends}' - {reason}.");
        Fault::new(FaultType::NetworkTunnelRangeError, text)
    };
    match impossible {
        Some(id) if is_vlan => Err(refused(format!("{id} is not a valid VLAN tag"))),
        Some(id) => Err(refused(format!("{id} is not a valid {network_type} identifier"))),
        None if minimum > maximum => {
            let kind = if is_vlan { "VLAN" } else { "tunnel" };
            Err(refused(format!("End of {kind} range is less than start of {kind} range")))
        }
        None => Ok(()),
    }
}

/// Refuses to change a range of the settings.
///
/// # Errors
/// 400.
pub fn check_own(range: &SegmentIdRange) -> Result<(), Fault> {
    if !range.is_default {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::NetworkSegmentRangeDefaultReadOnly,
        format!(
            "Network Segment Range {} is a default segment range which could not be updated or deleted.",
            range.id
        ),
    ))
}

/// 409: these ranges have ids in common with it.
#[must_use]
pub fn overlaps(others: &[SegmentRangeId]) -> Fault {
    let ids: Vec<String> = others.iter().map(ToString::to_string).collect();
    Fault::new(
        FaultType::NetworkSegmentRangeOverlaps,
        format!("Network segment range overlaps with range(s) with id {}", ids.join(", ")),
    )
}

/// 409: networks have ids that would be in no range.
#[must_use]
pub fn referenced(id: SegmentRangeId, networks: &[NetworkId]) -> Fault {
    Fault::new(
        FaultType::NetworkSegmentRangeReferencedByProject,
        format!("Network Segment Range {id} is referenced by one or more tenant networks."),
    )
    .blocked_by("network", networks)
}
