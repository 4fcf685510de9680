//! Networks that stay within one host.

use isospin_api_kit::Fault;

use super::{NetworkType, Segment, Wanted, prohibited};

/// The segment of every local network.
#[must_use]
pub const fn segment() -> Segment {
    Segment { network_type: NetworkType::Local, physical_network: None, segmentation_id: None }
}

/// A segment as described.
///
/// # Errors
/// 400 when more than the type is given.
pub fn reserve(wanted: &Wanted) -> Result<Segment, Fault> {
    if wanted.physical_network.is_some() {
        return Err(prohibited("provider:physical_network", NetworkType::Local));
    }
    if wanted.segmentation_id.is_some() {
        return Err(prohibited("provider:segmentation_id", NetworkType::Local));
    }
    Ok(segment())
}
