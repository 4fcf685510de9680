//! Who computes checksums: the device, or the kernel before it (linux/ethtool.h).

use std::io;
use std::os::fd::AsRawFd as _;

use socket2::{Domain, Socket, Type};

use crate::{HostError, Place};

/// ETHTOOL_STXCSUM.
const SET_TX_CHECKSUM: u32 = 0x17;
/// SIOCETHTOOL.
const REQUEST: u32 = 0x8946;

#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Has the kernel compute the checksums of what it sends through a device; cutting
/// packets is left to it too then.
///
/// # Errors
/// When there is no such device.
pub async fn checksums_in_software(place: &Place, device: &str) -> Result<(), HostError> {
    let name = device.to_owned();
    let done = place.run(move || switch_off(&name)).await?;
    done.map_err(|source| HostError::kernel("switch off checksum offload of", device, source))
}

fn switch_off(device: &str) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut value = Value { command: SET_TX_CHECKSUM, data: 0 };
    // SAFETY: an all-zero ifreq is a valid one: plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if device.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request names a device, ends in a zero byte, and points to a value that
    // outlives the call, as this command wants.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), REQUEST.into(), &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
