//! Port security, groups and address pairs together (reference §4).

use std::collections::BTreeSet;

use isospin_api_kit::{Fault, FaultType};
use isospin_types::MacAddr;

use super::super::model::{AddressPair, NewAddressPair, is_trusted_owner};

/// Whether frames of the port are filtered: never for the cloud's own ports.
#[must_use]
pub fn port_security(device_owner: &str, wanted: Option<bool>, of_network: bool) -> bool {
    !is_trusted_owner(device_owner) && wanted.unwrap_or(of_network)
}

/// Refuses a new port that wants groups or pairs without port security.
///
/// # Errors
/// 400 `PortSecurityAndIPRequiredForSecurityGroups`, 409 `AddressPairAndPortSecurityRequired`.
pub fn check_new(port_security: bool, groups_given: bool, pairs_given: bool) -> Result<(), Fault> {
    if port_security {
        return Ok(());
    }
    if pairs_given {
        return Err(pairs_need_port_security());
    }
    if groups_given {
        return Err(groups_need_port_security());
    }
    Ok(())
}

/// Refuses a change that leaves groups or pairs on a port without port security.
/// `groups` and `pairs` are what the port will have; `given` says whether the
/// request named them.
///
/// # Errors
/// As [`check_new`]; 409 `PortSecurityPortHasSecurityGroup` when the groups were there before.
pub fn check_change(port_security: bool, groups: bool, groups_given: bool, pairs: bool) -> Result<(), Fault> {
    if port_security {
        return Ok(());
    }
    if pairs {
        return Err(pairs_need_port_security());
    }
    match (groups, groups_given) {
        (false, _) => Ok(()),
        (true, true) => Err(groups_need_port_security()),
        (true, false) => Err(Fault::new(
            FaultType::PortSecurityPortHasSecurityGroup,
            "Port has security group associated. Cannot disable port security or IP address until security \
             group is removed.",
        )),
    }
}

/// Fills in the port's MAC and refuses too many or equal pairs (N07).
///
/// # Errors
/// 400 `AllowedAddressPairExhausted`, `DuplicateAddressPairInRequest`.
pub fn address_pairs(pairs: &[NewAddressPair], mac: MacAddr, most: usize) -> Result<Vec<AddressPair>, Fault> {
    if pairs.len() > most {
        return Err(Fault::new(
            FaultType::AllowedAddressPairExhausted,
            format!("The number of allowed address pair exceeds the maximum {most}."),
        ));
    }
    let mut seen = BTreeSet::new();
    let mut complete = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let pair = AddressPair { ip_address: pair.ip_address, mac_address: pair.mac_address.unwrap_or(mac) };
        if !seen.insert((pair.ip_address.net(), pair.mac_address)) {
            return Err(Fault::new(
                FaultType::DuplicateAddressPairInRequest,
                format!(
                    "Request contains duplicate address pair: mac_address {} ip_address {}.",
                    pair.mac_address, pair.ip_address
                ),
            ));
        }
        complete.push(pair);
    }
    Ok(complete)
}

fn pairs_need_port_security() -> Fault {
    Fault::new(
        FaultType::AddressPairAndPortSecurityRequired,
        "Port Security must be enabled in order to have allowed address pairs on a port.",
    )
}

fn groups_need_port_security() -> Fault {
    Fault::new(
        FaultType::PortSecurityAndIPRequiredForSecurityGroups,
        "Port security must be enabled and port must have an IP address in order to use security groups.",
    )
}
