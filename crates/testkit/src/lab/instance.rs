//! Instances: named namespaces with one interface on a host.

use std::fs::File;
use std::net::IpAddr;
use std::process::{Child, Command};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use super::fabric::in_software;
use super::host::Driver;
use super::machine::Machine;

/// What a hypervisor is told of a port.
#[derive(Debug, Clone)]
pub struct Plug<'a> {
    /// Name of the instance's namespace.
    pub name: &'a str,
    /// `tap` and the start of the port's id.
    pub tap: &'a str,
    pub mac: &'a str,
    pub mtu: u32,
    /// What the instance configures itself with, no DHCP asked.
    pub addresses: &'a [IpAddr],
}

/// An instance with eth0.
#[derive(Debug, Clone)]
pub struct Instance {
    pub machine: Machine,
    pub name: String,
    pub tap: String,
}

impl Instance {
    /// Starts it; behind a switch in userspace it computes checksums itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(machine: &Machine, plug: &Plug<'_>, driver: Driver) -> Result<Self> {
        let Plug { name, tap, mac, mtu, addresses } = plug;
        let mut lines = vec![
            format!("ip netns add {name}"),
            format!("ip link add {tap} type veth peer name eth0 address {mac} mtu {mtu} netns {name}"),
            format!("ip -n {name} link set lo up"),
        ];
        for ip in *addresses {
            let (length, how) = if ip.is_ipv4() { (24, "") } else { (64, "nodad") };
            lines.push(format!("ip -n {name} address add {ip}/{length} dev eth0 {how}"));
        }
        lines.push(format!("ip -n {name} link set eth0 up\nip link set {tap} mtu {mtu} up"));
        if driver == Driver::Hybrid {
            lines.push(bridge(tap, *mtu));
        }
        machine.script(&lines.join("\n"))?;
        let this = Self { machine: machine.clone(), name: (*name).to_owned(), tap: (*tap).to_owned() };
        if driver != Driver::LinuxBridge {
            this.within(|| in_software("eth0"))?;
        }
        Ok(this)
    }

    /// Unplugs it.
    ///
    /// # Errors
    /// It has gone.
    pub fn unplug(&self) -> Result<()> {
        let id = self.tap.trim_start_matches("tap");
        self.machine.script(&format!(
            "ip link delete {}\nip netns delete {}\n\
             for device in qvb{id} qbr{id}; do test ! -e /sys/class/net/$device || ip link delete $device; done",
            self.tap, self.name
        ))?;
        Ok(())
    }

    /// Does the work on a thread inside of it.
    ///
    /// # Errors
    /// It has gone, or the work's own.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.machine.within(|| {
            let door = File::open(format!("/run/netns/{}", self.name)).context("no such instance")?;
            setns(door, CloneFlags::CLONE_NEWNET).context("cannot enter the instance")?;
            work()
        })
    }

    /// Runs a command inside that must succeed; what it printed.
    ///
    /// # Errors
    /// It failed: with what it said.
    pub fn run(&self, command: &str) -> Result<String> {
        let words = ["ip", "netns", "exec", &self.name].into_iter().chain(command.split_whitespace());
        self.machine.run(&words.collect::<Vec<_>>())
    }

    /// Starts a process inside.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        self.within(move || command.spawn().with_context(|| format!("cannot run {command:?}")))
    }

    /// Whether an answer comes within a few tries.
    #[must_use]
    pub fn reaches(&self, ip: IpAddr) -> bool {
        self.run(&format!("ping -c 1 -W 1 {ip}")).is_ok()
            || self.run(&format!("ping -c 5 -i 0.3 -W 1 {ip}")).is_ok()
    }

    /// Whether nothing comes back.
    #[must_use]
    pub fn misses(&self, ip: IpAddr) -> bool {
        self.run(&format!("ping -c 2 -i 0.2 -W 1 {ip}")).is_err()
    }
}

/// Puts a tap on a bridge of its own with a pair to the switch, as os-vif does.
fn bridge(tap: &str, mtu: u32) -> String {
    let id = tap.trim_start_matches("tap");
    format!(
        "ip link add qbr{id} type bridge ageing_time 0 forward_delay 0 mcast_snooping 0\n\
         ip link add qvb{id} mtu {mtu} type veth peer name qvo{id} mtu {mtu}\n\
         ip link set qvb{id} master qbr{id} up\nip link set {tap} master qbr{id}\nip link set qbr{id} up"
    )
}
