//! Which subnets a port may have addresses of, on a routed network: those of the
//! segment its host is on (reference §3 `segment_id`, §4 `ip_allocation`).

use std::borrow::Cow;
use std::collections::BTreeSet;

use isospin_api_kit::{Fault, FaultType};
use isospin_types::{NetworkId, SegmentId};

use super::super::model::{Addresses, FixedIp, Port, WantedIp, is_trusted_owner};
use crate::resources::subnet::model::Subnet;

/// The subnets for a port; none when its addresses must wait until its host is known.
/// `host` is its name and the segments of the network it is on.
///
/// # Errors
/// 409 when the host is on no segment, or on several; 400 for addresses of several.
pub fn eligible<'s>(
    network_id: NetworkId,
    subnets: &'s [Subnet],
    device_owner: &str,
    host: Option<(&str, &BTreeSet<SegmentId>)>,
    wanted: &Addresses,
) -> Result<Option<Cow<'s, [Subnet]>>, Fault> {
    let asks_for_none = matches!(wanted, Addresses::Exactly(items) if items.is_empty());
    if !is_routed(subnets) || is_trusted_owner(device_owner) || asks_for_none {
        return Ok(Some(Cow::Borrowed(subnets)));
    }
    let on = |segments: &BTreeSet<SegmentId>| -> Vec<Subnet> {
        let reached = |subnet: &&Subnet| subnet.segment_id.is_none_or(|segment| segments.contains(&segment));
        subnets.iter().filter(reached).cloned().collect()
    };
    match (host, wanted) {
        (Some((host, segments)), _) => {
            let found = on(segments);
            let touched: BTreeSet<SegmentId> = found.iter().filter_map(|subnet| subnet.segment_id).collect();
            if touched.len() > 1 {
                return Err(several(host, network_id));
            }
            if found.is_empty() {
                return Err(nowhere(host, network_id));
            }
            Ok(Some(Cow::Owned(found)))
        }
        (None, Addresses::Exactly(items)) => {
            let named = items.iter().filter_map(|item| subnet_of(subnets, item)?.segment_id).collect();
            one_segment(&named)?;
            Ok(Some(Cow::Owned(on(&named))))
        }
        (None, Addresses::Automatic) => {
            let found = on(&BTreeSet::new());
            Ok((!found.is_empty()).then_some(Cow::Owned(found)))
        }
    }
}

/// Whether the subnets of a network belong to segments.
#[must_use]
pub fn is_routed(subnets: &[Subnet]) -> bool {
    subnets.iter().any(|subnet| subnet.segment_id.is_some())
}

fn subnet_of<'s>(subnets: &'s [Subnet], item: &WantedIp) -> Option<&'s Subnet> {
    subnets.iter().find(|subnet| match (item.subnet_id, item.ip) {
        (Some(id), _) => subnet.id == id,
        (None, Some(address)) => subnet.cidr.contains(&address),
        (None, None) => false,
    })
}

/// The segments addresses are on.
fn segments_of(subnets: &[Subnet], fixed_ips: &[FixedIp]) -> BTreeSet<SegmentId> {
    subnets
        .iter()
        .filter(|subnet| fixed_ips.iter().any(|own| own.subnet_id == subnet.id))
        .filter_map(|subnet| subnet.segment_id)
        .collect()
}

/// Refuses addresses of several segments.
fn one_segment(segments: &BTreeSet<SegmentId>) -> Result<(), Fault> {
    if segments.len() > 1 {
        return Err(Fault::new(
            FaultType::FixedIPsSubnetsNotOnSameSegment,
            "Cannot allocate addresses from different segments.",
        ));
    }
    Ok(())
}

/// Refuses a host at which the addresses of the port do not work, and without a host
/// addresses that work at none.
///
/// # Errors
/// 400, 409 `HostNotCompatibleWithFixedIps`.
pub fn check(port: &Port, subnets: &[Subnet], on: &BTreeSet<SegmentId>) -> Result<(), Fault> {
    let used = segments_of(subnets, &port.fixed_ips);
    let host = &port.binding.host;
    if host.is_empty() {
        return one_segment(&used);
    }
    if used.is_subset(on) {
        return Ok(());
    }
    Err(Fault::new(
        FaultType::HostNotCompatibleWithFixedIps,
        format!(
            "Host {host} is not connected to a segment where the existing fixed_ips on port {} will function given \
             the routed network topology.",
            port.id
        ),
    ))
}

fn several(host: &str, network_id: NetworkId) -> Fault {
    Fault::new(
        FaultType::HostConnectedToMultipleSegments,
        format!(
            "Host {host} is connected to multiple segments on routed provider network '{network_id}'.  It should be \
             connected to one."
        ),
    )
}

fn nowhere(host: &str, network_id: NetworkId) -> Fault {
    Fault::new(
        FaultType::HostNotConnectedToAnySegment,
        format!(
            "Host {host} is not connected to any segments on routed provider network '{network_id}'.  It should be \
             connected to one."
        ),
    )
}
