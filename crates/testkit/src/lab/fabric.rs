//! What lies between machines: a network for management, one for tunnels, one for
//! provider networks, each a bridge on a machine of its own.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use isospin_host_io::{Place, checksums_in_software};

use super::machine::{Life, Machine};

/// A network between machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Management,
    Tunnel,
    Provider,
}

impl Network {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Management, Self::Tunnel, Self::Provider];

    /// Name of its bridge.
    #[must_use]
    pub const fn bridge(self) -> &'static str {
        match self {
            Self::Management => "mgmt",
            Self::Tunnel => "tunnel",
            Self::Provider => "provider",
        }
    }

    /// Name of a machine's device on it.
    #[must_use]
    pub const fn nic(self) -> &'static str {
        match self {
            Self::Management => "eth-mgmt",
            Self::Tunnel => "eth-tun",
            Self::Provider => "eth-prov",
        }
    }

    /// Address of machine `number` on it; on the provider network it has none.
    #[must_use]
    pub const fn address(self, number: u8) -> Ipv4Addr {
        match self {
            Self::Management => Ipv4Addr::new(10, 98, 0, number),
            Self::Tunnel => Ipv4Addr::new(10, 99, 0, number),
            Self::Provider => Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// Device of whoever started the lab on the management network.
pub const OUTSIDE_NIC: &str = "isospin-lab";
/// Number of whoever started the lab.
const OUTSIDE: u8 = 254;

/// The bridges.
#[derive(Debug, Clone)]
pub struct Fabric {
    pub machine: Machine,
}

impl Fabric {
    /// Bridges without machines.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(folder: &Path, life: Life) -> Result<Self> {
        let machine = Machine::start("fabric", &folder.join("fabric"), life)?;
        for network in Network::ALL {
            let bridge = network.bridge();
            machine.script(&format!(
                "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6\n\
                 ip link add {bridge} type bridge\nip link set {bridge} up"
            ))?;
        }
        Ok(Self { machine })
    }

    /// Lets the calling thread's network reach the management network.
    ///
    /// # Errors
    /// The kernel's: another lab runs, for example.
    pub fn let_in(&self) -> Result<()> {
        // The kernel takes an earlier lab's device away in its own time.
        let is_free = || (!Path::new("/sys/class/net").join(OUTSIDE_NIC).exists()).then_some(());
        super::until("no other lab runs", is_free)?;
        self.wire(Network::Management, OUTSIDE, OUTSIDE_NIC, nix::unistd::gettid().as_raw())?;
        let address = Network::Management.address(OUTSIDE);
        for command in [
            format!("ip address add {address}/24 dev {OUTSIDE_NIC}"),
            format!("ip link set {OUTSIDE_NIC} up"),
        ] {
            super::sh(&command.split(' ').collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Gives the machine with this number its device on a network: without IPv6 addresses,
    /// which would come a second or two later, in the middle of what is measured, and each
    /// with a route. Routes make a switch in userspace forget the way to its tunnels for a
    /// moment.
    ///
    /// # Errors
    /// The kernel's.
    pub fn connect(&self, machine: &Machine, network: Network, number: u8) -> Result<()> {
        let nic = network.nic();
        self.wire(network, number, nic, machine.pid().as_raw())?;
        machine.within(|| in_software(nic))?;
        machine
            .script(&format!("echo 1 >/proc/sys/net/ipv6/conf/{nic}/disable_ipv6\nip link set {nic} up"))?;
        Ok(())
    }

    fn wire(&self, network: Network, number: u8, nic: &str, process: i32) -> Result<()> {
        let end = end(network, number);
        let bridge = network.bridge();
        let add = format!("ip link add {end} type veth peer name {nic} netns {process}");
        // Processes are numbered as this one sees them, so only the network is entered.
        self.machine.in_network(|| super::sh(&add.split(' ').collect::<Vec<_>>())).context("a wire")?;
        self.machine.within(|| in_software(&end))?;
        self.machine.run(&["ip", "link", "set", &end, "master", bridge, "up"])?;
        Ok(())
    }

    /// Cuts a machine's link to a network, or mends it.
    ///
    /// # Errors
    /// There is no such link.
    pub fn link(&self, network: Network, number: u8, up: bool) -> Result<()> {
        let to = if up { "up" } else { "down" };
        self.machine.run(&["ip", "link", "set", &end(network, number), to])?;
        Ok(())
    }

    /// Drops what machines send each other on the network for tunnels: all of it, or
    /// nothing any more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn lose_tunnels(&self, lose: bool) -> Result<()> {
        let rules = "table bridge lab { chain lose { type filter hook forward priority 0; \
            iifname \"tunnel*\" drop; }; }";
        let script = if lose { format!("nft '{rules}'") } else { "nft delete table bridge lab".to_owned() };
        self.machine.script(&script)?;
        Ok(())
    }
}

/// Has checksums of what is sent through a device of this thread's network computed by
/// the kernel: a switch in userspace passes them on as they are.
pub(super) fn in_software(device: &str) -> Result<()> {
    Ok(futures::executor::block_on(checksums_in_software(&Place::Host, device))?)
}

/// The fabric's end of a machine's link.
fn end(network: Network, number: u8) -> String {
    format!("{}{number}", network.bridge())
}
