//! Checks and decisions about segments, without database.

use std::fmt::Display;

use isospin_api_kit::{Body, Fault, FaultType};
use isospin_types::{NetworkId, SegmentId};

use super::model::NetworkSegment;
use crate::drivers::Wanted;

/// What clients may name; not every type need have a driver here.
pub const TYPES: &[&str] = &["flat", "vlan", "vxlan", "gre", "geneve"];

/// 404 for a segment that is not there, or hidden from the caller.
pub fn not_found(id: impl Display) -> Fault {
    Fault::new(FaultType::SegmentNotFound, format!("Segment {id} could not be found."))
}

/// What a POST says about the place.
#[must_use]
pub fn wanted(body: &Body) -> Wanted {
    Wanted {
        network_type: body.text("network_type").map(str::to_owned),
        physical_network: body.text("physical_network").filter(|name| !name.is_empty()).map(str::to_owned),
        segmentation_id: body.int("segmentation_id"),
    }
}

/// Gives the segment the name and description a body names; null takes them away.
pub fn describe(segment: &mut NetworkSegment, body: &Body) {
    for (name, text) in [("name", &mut segment.name), ("description", &mut segment.description)] {
        if body.has(name) {
            body.text(name).unwrap_or_default().clone_into(text);
        }
    }
}

/// 409: these subnets or ports are on the segment.
#[must_use]
pub fn in_use<I: Display>(id: SegmentId, how: &str, ids: &[I]) -> Fault {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    refused(id, &format!("The segment is still {how} {}", ids.join(", ")))
}

/// 409: a network is somewhere.
#[must_use]
pub fn is_last(id: SegmentId, network_id: NetworkId) -> Fault {
    refused(id, &format!("It is the last segment of network {network_id}"))
}

fn refused(id: SegmentId, reason: &str) -> Fault {
    Fault::new(FaultType::SegmentInUse, format!("Segment '{id}' cannot be deleted: {reason}."))
}
