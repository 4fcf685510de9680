//! Which segment a subnet may belong to: all subnets of a network do, or none.

use isospin_api_kit::{Fault, FaultType};
use isospin_types::NetworkId;

use super::super::model::Subnet;
use crate::resources::segment::model::NetworkSegment;

/// Owner of ports of subnets that are routed themselves; such subnets count for no
/// segment.
const ROUTED: &str = "network:routed";

/// Refuses a segment the subnet cannot be on. `before` is the subnet as it was, none
/// for a new one; `others` are the other subnets of its network, `segments` the
/// segments of it.
///
/// # Errors
/// 400 and 404 naming network, subnet or segment.
pub fn check_segment(
    before: Option<&Subnet>,
    subnet: &Subnet,
    others: &[Subnet],
    segments: &[NetworkSegment],
) -> Result<(), Fault> {
    if before.is_some_and(|before| before.segment_id == subnet.segment_id) {
        return Ok(());
    }
    let mut counted = others.iter().filter(|other| !is_routed(other)).peekable();
    if before.is_some() && counted.peek().is_some() {
        return Err(not_all(subnet.network_id));
    }
    if !is_routed(subnet) && counted.any(|other| other.segment_id.is_some() != subnet.segment_id.is_some()) {
        return Err(not_all(subnet.network_id));
    }
    if before.is_some_and(|before| before.segment_id.is_some()) {
        return Err(Fault::new(
            FaultType::SubnetSegmentAssociationChangeNotAllowed,
            format!(
                "A subnet that is already associated with a segment cannot have its segment association changed \
                 (subnet {}).",
                subnet.id
            ),
        ));
    }
    let Some(wanted) = subnet.segment_id else { return Ok(()) };
    if !segments.iter().any(|segment| segment.id == wanted) {
        return Err(Fault::new(
            FaultType::NetworkIdsDontMatch,
            format!(
                "The subnet's network id, '{}', doesn't match the network_id of segment '{wanted}'",
                subnet.network_id
            ),
        ));
    }
    if before.is_some() && segments.len() > 1 {
        return Err(Fault::new(
            FaultType::NoUpdateSubnetWhenMultipleSegmentsOnNetwork,
            format!(
                "The network '{}' has multiple segments, it is only possible to associate an existing subnet with \
                 a segment on networks with a single segment.",
                subnet.network_id
            ),
        ));
    }
    Ok(())
}

fn is_routed(subnet: &Subnet) -> bool {
    subnet.service_types.iter().any(|service_type| service_type == ROUTED)
}

fn not_all(network_id: NetworkId) -> Fault {
    Fault::new(
        FaultType::SubnetsNotAllAssociatedWithSegments,
        format!(
            "All of the subnets on network '{network_id}' must either all be associated with segments or all not \
             associated with any segment."
        ),
    )
}
