//! Hosts as namespaces, each with an Open vSwitch of its own, on an underlay of two
//! networks: one for tunnels, one for provider networks. Instances are namespaces.
//!
//! Everything ends with the value that stands for it, also when a test fails: daemons
//! are children that die with this process.

mod capture;
mod guest;
mod switch;

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isospin_host_io::{Namespace, Place};

pub use capture::{Capture, ends};
pub use guest::Guest;
pub use switch::Switch;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// NIC of a host on the network for tunnels, and on the one for provider networks.
const TUNNEL_NIC: &str = "eth-tun";
/// NIC of a host on the provider network.
pub const PROVIDER_NIC: &str = "eth-prov";
/// Bridges of the underlay they lead to.
const NETWORKS: [(&str, &str); 2] = [(TUNNEL_NIC, "tunnel"), (PROVIDER_NIC, "provider")];

/// A namespace that goes with the value.
#[derive(Debug)]
pub struct Temporary(Namespace);

impl Temporary {
    fn new(what: &str) -> Self {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lab-{}-{count}-{what}", std::process::id());
        Self(Namespace::create(&name).expect("a namespace"))
    }

    /// The namespace as a place to work at.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::Namespace(self.0.clone())
    }

    /// Name under /run/netns.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Runs a command inside that must succeed; what it printed.
    pub fn run(&self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        sh("ip", &[&["netns", "exec", self.name()][..], &words[..]].concat())
    }

    /// Runs a command inside; whether it succeeded.
    #[must_use]
    pub fn succeeds(&self, command: &str) -> bool {
        let words = command.split_whitespace();
        let mut child = Command::new("ip");
        child.args(["netns", "exec", self.name()]).args(words);
        child.output().expect("ip runs").status.success()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = Namespace::delete(self.0.name());
    }
}

/// What lies between the hosts.
#[derive(Debug)]
pub struct Underlay {
    pub namespace: Temporary,
}

/// A host.
#[derive(Debug)]
pub struct Host {
    // Dropped first: the switch lets go of its devices.
    pub switch: Switch,
    pub namespace: Temporary,
    pub tunnel_ip: Ipv4Addr,
}

impl Underlay {
    /// Two bridges without hosts.
    #[must_use]
    pub fn new() -> Self {
        let namespace = Temporary::new("underlay");
        for (_, bridge) in NETWORKS {
            namespace.run(&format!("ip link add {bridge} type bridge"));
            namespace.run(&format!("ip link set {bridge} up"));
        }
        Self { namespace }
    }

    /// One more host: 10.99.0.`number` on the network for tunnels.
    #[must_use]
    pub fn host(&self, number: u8) -> Host {
        let namespace = Temporary::new(&format!("host{number}"));
        namespace.run("ip link set lo up");
        for (nic, bridge) in NETWORKS {
            let here = format!("{bridge}{number}");
            self.namespace
                .run(&format!("ip link add {here} type veth peer name {nic} netns {}", namespace.name()));
            self.namespace.run(&format!("ip link set {here} master {bridge} up"));
            namespace.run(&format!("ip link set {nic} up"));
        }
        let tunnel_ip = Ipv4Addr::new(10, 99, 0, number);
        let switch = Switch::start(namespace.name());
        // A userspace datapath reaches tunnels through a bridge of its own only.
        switch.vsctl(&format!(
            "add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy {TUNNEL_NIC}"
        ));
        let host = Host { switch, namespace, tunnel_ip };
        host.configure();
        host
    }
}

impl Host {
    fn configure(&self) {
        let add = format!("ip address add {}/24 dev br-phy", self.tunnel_ip);
        until("br-phy", || self.namespace.succeeds(&add).then_some(()));
        self.namespace.run("ip link set br-phy up");
    }
}

impl Default for Underlay {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether hosts can be made; says aloud why not.
#[must_use]
pub fn can_run() -> bool {
    let missing = if !nix::unistd::geteuid().is_root() {
        "root"
    } else if !std::path::Path::new("/usr/sbin/ovs-vswitchd").exists() {
        "openvswitch-switch"
    } else {
        return true;
    };
    assert!(std::env::var_os("CI").is_none(), "tests with hosts need {missing}");
    eprintln!("SKIPPED: needs {missing}");
    false
}

/// Runs a tool that must succeed; what it printed.
fn sh(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the tool runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Looks until there is something, for ten seconds at most.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not in time");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the pace of looking; what is waited for is a state")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
