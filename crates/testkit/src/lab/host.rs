//! A host: a machine with an agent, and with an Open vSwitch where that driver runs.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::controller::{Controller, PHYSICAL};
use super::fabric::{Fabric, Network};
use super::instance::{Instance, Plug};
use super::machine::{Life, Machine};
use super::switch::Switch;
use super::{last_lines, until};

/// How a host wires its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    OpenVSwitch,
    /// Open vSwitch, with a filtered bridge for each port.
    Hybrid,
    LinuxBridge,
}

/// The host.
#[derive(Debug)]
pub struct Host {
    pub driver: Driver,
    /// On all networks.
    pub number: u8,
    /// Of an Open vSwitch host.
    pub switch: Option<Switch>,
    pub machine: Machine,
    binary: PathBuf,
    agent: Option<Child>,
    feed: String,
}

impl Host {
    /// Starts it; its agent joins with a token of its own.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(
        fabric: &Fabric,
        controller: &Controller,
        binary: &Path,
        folder: &Path,
        (index, driver): (u8, Driver),
        life: Life,
    ) -> Result<Self> {
        let number = 10 + index;
        let name = format!("host{index}");
        let machine = Machine::start(&name, &folder.join(&name), life)?;
        for network in Network::ALL {
            fabric.connect(&machine, network, number)?;
        }
        let management = Network::Management.address(number);
        let nic = Network::Management.nic();
        machine.script(&format!("ip address add {management}/24 dev {nic}"))?;
        let switch = match driver {
            Driver::OpenVSwitch | Driver::Hybrid => Some(Switch::on(&machine)?),
            Driver::LinuxBridge => None,
        };
        let mut host = Self {
            driver,
            number,
            switch,
            machine,
            binary: binary.to_owned(),
            agent: None,
            feed: controller.feed(),
        };
        host.give_tunnel_address()?;
        std::fs::write(host.machine.folder().join("isospin.toml"), host.config())?;
        host.agent = Some(host.spawn_agent(Some(&controller.token(&name)?))?);
        Ok(host)
    }

    /// Its address on the network for tunnels.
    #[must_use]
    pub fn tunnel_ip(&self) -> Ipv4Addr {
        Network::Tunnel.address(self.number)
    }

    /// Its name, as ports are bound to it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.machine.name()
    }

    fn give_tunnel_address(&self) -> Result<()> {
        let (nic, ip) = (Network::Tunnel.nic(), self.tunnel_ip());
        let device = match &self.switch {
            None => nic,
            // A userspace datapath reaches tunnels through a bridge of its own only.
            Some(switch) => {
                switch.vsctl(&format!(
                    "add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy {nic}"
                ))?;
                "br-phy"
            }
        };
        let add = format!(
            "echo 1 >/proc/sys/net/ipv6/conf/{device}/disable_ipv6\n\
             ip address replace {ip}/24 dev {device}\nip link set {device} up"
        );
        until("the tunnel address", || self.machine.script(&add).ok())?;
        Ok(())
    }

    fn config(&self) -> String {
        let (ip, nic) = (self.tunnel_ip(), Network::Provider.nic());
        let mechanism = match self.driver {
            Driver::LinuxBridge => "mechanism = \"linuxbridge\"\n",
            Driver::OpenVSwitch | Driver::Hybrid => {
                "mechanism = \"openvswitch\"\n[agent.openvswitch]\ndatapath_type = \"netdev\"\n\
                 tunnel_types = [\"vxlan\", \"gre\", \"geneve\"]\n"
            }
        };
        let firewall = if self.driver == Driver::Hybrid { "firewall = \"hybrid\"\n" } else { "" };
        format!(
            "[agent]\ntunnel_ip = \"{ip}\"\n{mechanism}{firewall}[agent.physical_networks.{PHYSICAL}]\n\
             bridge = \"br-ex\"\ninterface = \"{nic}\"\naddresses = []\nmasquerade = false\n"
        )
    }

    fn spawn_agent(&self, token: Option<&str>) -> Result<Child> {
        let mut command = Command::new(&self.binary);
        command.args(["agent", "--config", "/var/lib/isospin/isospin.toml", "--join", &self.feed]);
        if let Some(token) = token {
            command.args(["--token", token]);
        }
        self.machine.daemon("agent", command)
    }

    /// Starts the agent again; it knows who it is.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_agent(&mut self) -> Result<()> {
        self.agent = Some(self.spawn_agent(None)?);
        Ok(())
    }

    /// The same with another binary: an upgrade.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_agent_of(&mut self, binary: &Path) -> Result<()> {
        self.binary = binary.to_owned();
        self.start_agent()
    }

    /// Asks the agent to end, and waits until it has.
    ///
    /// # Errors
    /// It does not run.
    pub fn stop_agent(&mut self) -> Result<()> {
        let mut agent = self.agent.take().context("the agent does not run")?;
        kill(Pid::from_raw(i32::try_from(agent.id())?), Signal::SIGTERM)?;
        agent.wait()?;
        Ok(())
    }

    /// Kills the agent outright.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_agent(&mut self) -> Result<()> {
        let mut agent = self.agent.take().context("the agent does not run")?;
        agent.kill()?;
        agent.wait()?;
        Ok(())
    }

    /// The agent's process, when it runs.
    #[must_use]
    pub fn agent(&self) -> Option<u32> {
        self.agent.as_ref().map(Child::id)
    }

    /// What the agent says of itself.
    ///
    /// # Errors
    /// It never did.
    pub fn status(&self) -> Result<Value> {
        let file = self.machine.folder().join("agent/status.json");
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }

    /// `isospin agent` with these arguments on the host; what it printed.
    ///
    /// # Errors
    /// It failed.
    pub fn agent_says(&self, arguments: &[&str]) -> Result<String> {
        let binary = self.binary.to_string_lossy();
        self.machine.run(&[&[&*binary, "agent"], arguments].concat())
    }

    /// Waits until the agent that was started last is connected and has nothing left to do;
    /// what it says of itself then.
    ///
    /// # Errors
    /// It does not come to that.
    pub fn settled(&self) -> Result<Value> {
        let since = self.agent_started();
        let settled = || {
            let status = self.status().ok()?;
            let done = status["ready"] == true
                && status["connected"] == true
                && status["version"] == status["applied_version"]
                && status["pid"].as_u64() == since;
            done.then_some(status)
        };
        until(&format!("the agent of {} settles", self.name()), settled)
            .with_context(|| last_lines(&self.machine, "agent"))
    }

    /// The end of what the agent wrote.
    #[must_use]
    pub fn agent_log(&self) -> String {
        last_lines(&self.machine, "agent")
    }

    /// The agent's process as it sees itself.
    fn agent_started(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.agent()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
        line.split_whitespace().last()?.parse().ok()
    }

    /// Plugs an instance in, as a hypervisor does.
    ///
    /// # Errors
    /// The kernel's.
    pub fn plug(&self, plug: &Plug<'_>) -> Result<Instance> {
        Instance::start(&self.machine, plug, self.driver)
    }

    /// Everything that carries frames on this host, as lines that can be compared. Numbers of
    /// ports differ each time a port is made; what flows do is for the agent to compare.
    ///
    /// # Errors
    /// A tool failed.
    pub fn shape(&self) -> Result<Vec<String>> {
        let mut lines: Vec<String> = Vec::new();
        let links = self.machine.run(&["ip", "-br", "link"])?;
        lines.extend(links.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned));
        let filters = self.machine.run(&["tc", "qdisc", "show"])?;
        lines.extend(filters.lines().filter(|line| line.contains("clsact")).map(str::to_owned));
        for family in ["inet", "bridge", "arp", "netdev"] {
            let tables = self.machine.run(&["nft", "-s", "list", "tables", family])?;
            for table in tables.lines().filter(|line| line.contains("isospin")) {
                let words: Vec<&str> = ["nft", "-s", "list"].into_iter().chain(table.split(' ')).collect();
                lines.extend(self.machine.run(&words)?.lines().map(|line| format!("{family} {line}")));
            }
        }
        if let Some(switch) = &self.switch {
            for bridge in switch.vsctl("list-br")?.lines() {
                let learned = |line: &&str| !line.contains("hard_timeout=300, priority=1,vlan_tci");
                let flows = switch.flows(bridge)?;
                lines.extend(flows.lines().filter(learned).map(|line| format!("{bridge} {}", matched(line))));
                let ports = switch.vsctl(&format!("list-ports {bridge}"))?;
                lines.extend(ports.lines().map(|port| format!("{bridge} port {port}")));
            }
        } else {
            let neighbours = self.machine.run(&["bridge", "fdb", "show"])?;
            lines.extend(neighbours.lines().filter(|line| line.contains(" dst ")).map(str::to_owned));
        }
        lines.sort();
        Ok(lines)
    }

    /// Leaves all of it running when this value goes.
    pub fn leave(mut self) {
        self.agent = None;
        if let Some(switch) = self.switch.take() {
            switch.leave();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may not run.
        let _ = self.kill_agent();
    }
}

/// What a flow matches, without numbers of ports.
fn matched(flow: &str) -> String {
    let fields = flow.split(" actions=").next().unwrap_or_default().trim().split(',');
    let numbers = |field: &str| ["reg5=", "reg7="].into_iter().find(|number| field.starts_with(number));
    let fields = fields.map(|field| numbers(field).unwrap_or(field));
    fields.collect::<Vec<_>>().join(",")
}

/// 10.1.`net`.`host` and its sister of IPv6.
#[must_use]
pub fn addresses(net: u8, host: u8) -> [IpAddr; 2] {
    let v6 = [0xfd00, net.into(), 0, 0, 0, 0, 0, host.into()];
    [IpAddr::from([10, 1, net, host]), IpAddr::from(v6)]
}
