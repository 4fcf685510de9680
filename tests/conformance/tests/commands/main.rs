//! The command groups of the `openstack` client that people use less often: each is
//! made, listed, shown, changed and deleted, against a server with a simulated agent.

mod conflicts;
mod floating;
mod pools;
mod quality;
mod segments;
mod sharing;

use anyhow::Result;
use isospin_conformance::{Client, Installation, Line, Script};

/// Segments the admin may give to vlan networks.
const CONFIGURATION: &str = "[network]\nvlan_ranges = { external = [\"1:100\"] }\n";

/// Networks to work with, as the admin.
const PUBLIC: &[Line] = &[
    (
        "network create --external --provider-network-type flat --provider-physical-network external public",
        "",
    ),
    ("subnet create --network public --subnet-range 10.77.77.0/24 --no-dhcp public-subnet", ""),
];

/// The same as a plain user.
const OWN: &[Line] =
    &[("network create net", ""), ("subnet create --network net --subnet-range 192.168.2.0/24 subnet", "")];

/// Who types the commands.
struct Cloud {
    installation: Installation,
    admin: Client,
    demo: Client,
    script: Script,
}

impl Cloud {
    fn start() -> Result<Self> {
        let installation = Installation::configured("simulated", CONFIGURATION)?;
        let admin = Client::start(&installation, "isospin")?;
        let demo = Client::start(&installation, "isospin-demo")?;
        let mut cloud = Self { installation, admin, demo, script: Script::default() };
        cloud.admin(PUBLIC)?;
        cloud.demo(OWN)?;
        Ok(cloud)
    }

    fn admin(&mut self, lines: &[Line]) -> Result<()> {
        self.script.run(&mut self.admin, lines)
    }

    fn demo(&mut self, lines: &[Line]) -> Result<()> {
        self.script.run(&mut self.demo, lines)
    }
}
