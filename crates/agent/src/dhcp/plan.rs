//! From a network as it should be and as it is to the steps between: pure.

use std::collections::BTreeSet;

use ipnet::IpNet;
use isospin_types::MacAddr;

use super::intent::NetworkIntent;

/// A network's namespace and devices as found on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    pub space: Option<Space>,
    pub tap: Option<Tap>,
}

/// The namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// It carries our mark.
    pub ours: bool,
    /// Its settings are as [`Step::PrepareNamespace`] leaves them.
    pub prepared: bool,
    /// It has no device but its loopback.
    pub empty: bool,
    pub device: Option<Device>,
}

/// The device inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub index: u32,
    pub mac: Option<MacAddr>,
    pub mtu: u32,
    pub up: bool,
    /// Without link-local ones of version 6, which are the kernel's.
    pub addresses: BTreeSet<IpNet>,
}

/// The host's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    pub veth: bool,
    pub mtu: u32,
}

/// One change to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    CreateNamespace,
    /// Settings, then the mark that it is ours; before any device is in it.
    PrepareNamespace,
    DeleteTap,
    DeleteInside,
    CreateDevices,
    SetInside {
        mac: Option<MacAddr>,
        mtu: Option<u32>,
        up: bool,
    },
    SetTapMtu,
    AddAddress(IpNet),
    RemoveAddress(IpNet),
}

/// Something of this name is there and is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    #[error("namespace {0} is in use and was not made by this agent")]
    Namespace(String),
    #[error("device {0} is there and is not ours")]
    Device(String),
}

/// The steps that make the network right; none when it is. Addresses are taken
/// away only when `may_remove`.
///
/// # Errors
/// When a name is taken by something that is not ours.
pub fn plan(want: &NetworkIntent, have: &Observed, may_remove: bool) -> Result<Vec<Step>, Foreign> {
    if have.tap.as_ref().is_some_and(|tap| !tap.veth) {
        return Err(Foreign::Device(want.tap.clone()));
    }
    let mut steps = Vec::new();
    match &have.space {
        None => steps.extend([Step::CreateNamespace, Step::PrepareNamespace]),
        Some(space) if space.ours && space.prepared => {}
        Some(space) if space.ours || space.empty => steps.push(Step::PrepareNamespace),
        Some(_) => return Err(Foreign::Namespace(want.namespace.clone())),
    }
    let fresh =
        Device { index: 0, mac: Some(want.mac), mtu: want.mtu, up: false, addresses: BTreeSet::new() };
    let inside = have.space.as_ref().and_then(|space| space.device.as_ref());
    // A lone tap has its other end in a namespace whose name is gone; a lone
    // device inside has lost its tap to somebody. Both make room for a new pair.
    let device = match (inside, &have.tap) {
        (Some(device), Some(_)) => device,
        (Some(_), None) => {
            steps.extend([Step::DeleteInside, Step::CreateDevices]);
            &fresh
        }
        (None, tap) => {
            steps.extend(tap.as_ref().map(|_| Step::DeleteTap));
            steps.push(Step::CreateDevices);
            &fresh
        }
    };
    let mac = (device.mac != Some(want.mac)).then_some(want.mac);
    let mtu = (device.mtu != want.mtu).then_some(want.mtu);
    if mac.is_some() || mtu.is_some() || !device.up {
        steps.push(Step::SetInside { mac, mtu, up: true });
    }
    if have.tap.as_ref().is_some_and(|tap| tap.mtu != want.mtu) && !steps.contains(&Step::CreateDevices) {
        steps.push(Step::SetTapMtu);
    }
    if may_remove {
        steps.extend(device.addresses.difference(&want.addresses).copied().map(Step::RemoveAddress));
    }
    steps.extend(want.addresses.difference(&device.addresses).copied().map(Step::AddAddress));
    Ok(steps)
}
