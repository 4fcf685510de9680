//! `cargo xtask lab`: the lab of the tests, for people.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitStatus};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use isospin_client::{Credentials, Session};
use isospin_testkit::lab::{Driver, Instance, Lab, Life, Machine, Network, OUTSIDE_NIC, Plug};
use nix::unistd::geteuid;
use serde_json::{Value, json};

/// What the machines keep.
const FOLDER: &str = "/tmp/isospin-lab";
/// More do not fit into the addresses of the lab.
const MOST_HOSTS: u8 = 100;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build Isospin, start a server and hosts whose agents have joined it, and leave them running
    Up {
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_HOSTS)))]
        hosts: u8,
        /// How the hosts wire their ports
        #[arg(long, value_enum, default_value = "openvswitch")]
        driver: Drivers,
    },
    /// End all of it; nothing is left behind
    Down,
    /// Run a command on a machine: controller, host1 …, fabric
    Exec {
        machine: String,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Start an instance with a port of the cloud on a host; its namespace has the name
    Plug {
        host: String,
        /// Id of the port
        port: String,
        name: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Drivers {
    #[value(name = "openvswitch")]
    OpenVSwitch,
    /// Open vSwitch, with a filtered bridge for each port
    Hybrid,
    #[value(name = "linuxbridge")]
    LinuxBridge,
    /// In turn
    Mixed,
}

impl Drivers {
    fn of(self, index: u8) -> Driver {
        match self {
            Self::OpenVSwitch => Driver::OpenVSwitch,
            Self::Hybrid => Driver::Hybrid,
            Self::Mixed if index.is_multiple_of(2) => Driver::OpenVSwitch,
            Self::LinuxBridge | Self::Mixed => Driver::LinuxBridge,
        }
    }
}

pub fn run(command: Command) -> Result<()> {
    if !geteuid().is_root() {
        bail!("a lab is made of namespaces and devices: run as root");
    }
    match command {
        Command::Up { hosts, driver } => up(&(0..hosts).map(|index| driver.of(index)).collect::<Vec<_>>()),
        Command::Down => down(),
        Command::Exec { machine, command } => {
            std::process::exit(exec(&find(&machine)?, &command)?.code().unwrap_or(1));
        }
        Command::Plug { host, port, name } => plug(&find(&host)?, &port, &name),
    }
}

fn up(drivers: &[Driver]) -> Result<()> {
    if Path::new(FOLDER).exists() {
        bail!("a lab runs already: `cargo xtask lab down` first");
    }
    let binary = build()?;
    let lab = match Lab::start_in(Path::new(FOLDER), &binary, drivers, Life::Lasting) {
        Ok(lab) => lab,
        Err(error) => {
            down()?;
            return Err(error);
        }
    };
    let clouds = lab.controller.machine.folder().join("clouds.yaml");
    println!("{} machines run:", lab.machines().len());
    println!("  controller  {} {}", lab.controller.identity(), lab.controller.network());
    for host in &lab.hosts {
        let management = Network::Management.address(host.number);
        println!("  {}  {management}, tunnels {}, {:?}", host.name(), host.tunnel_ip(), host.driver);
    }
    println!("export OS_CLIENT_CONFIG_FILE={} OS_CLOUD=isospin", clouds.display());
    println!("cargo xtask lab exec host1 -- ip -brief link");
    lab.leave();
    Ok(())
}

/// The binary: `ISOSPIN_BINARY`, or built now.
fn build() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("ISOSPIN_BINARY") {
        return Ok(binary.into());
    }
    let status = Process::new(env!("CARGO")).args(["build", "--quiet", "-p", "isospin"]).status()?;
    if !status.success() {
        bail!("cargo build failed");
    }
    let beside = std::env::current_exe()?;
    Ok(beside.with_file_name("isospin"))
}

fn down() -> Result<()> {
    for machine in Machine::all(Path::new(FOLDER))? {
        machine.end();
    }
    // Its other end has gone with the fabric, as a rule; where not, it goes now.
    let _ = Process::new("ip").args(["link", "delete", OUTSIDE_NIC]).output();
    if Path::new(FOLDER).exists() {
        std::fs::remove_dir_all(FOLDER).with_context(|| format!("cannot remove {FOLDER}"))?;
    }
    Ok(())
}

fn find(name: &str) -> Result<Machine> {
    let machines = Machine::all(Path::new(FOLDER))?;
    let names: Vec<String> = machines.iter().map(|machine| machine.name().to_owned()).collect();
    let found = machines.into_iter().find(|machine| machine.name() == name);
    found.with_context(|| match names.is_empty() {
        true => "no lab runs: `cargo xtask lab up`".to_owned(),
        false => format!("no machine '{name}': there are {}", names.join(", ")),
    })
}

fn exec(machine: &Machine, command: &[String]) -> Result<ExitStatus> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut process = Process::new(program);
    process.args(arguments);
    Ok(machine.spawn(process)?.wait()?)
}

fn plug(host: &Machine, id: &str, name: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (port, mtu) = runtime.block_on(bind(host.name(), id))?;
    let text = |key: &str| port[key].as_str().with_context(|| format!("the API gave no {key}"));
    let fixed = port["fixed_ips"].as_array().map(Vec::as_slice).unwrap_or_default();
    let addresses: Vec<IpAddr> =
        fixed.iter().filter_map(|fixed| fixed["ip_address"].as_str()?.parse().ok()).collect();
    let plug = Plug {
        name,
        tap: &format!("tap{}", text("id")?.get(..11).context("a short id")?),
        mac: text("mac_address")?,
        mtu,
        addresses: &addresses,
    };
    let details = &port["binding:vif_details"];
    let driver = match (details["ovs_hybrid_plug"] == true, port["binding:vif_type"] == "ovs") {
        (true, _) => Driver::Hybrid,
        (false, true) => Driver::OpenVSwitch,
        (false, false) => Driver::LinuxBridge,
    };
    Instance::start(host, &plug, driver)?;
    println!("cargo xtask lab exec {} -- ip netns exec {name} ip address", host.name());
    Ok(())
}

/// Binds the port to the host; what it is then, and its network's MTU.
async fn bind(host: &str, id: &str) -> Result<(Value, u32)> {
    let known = std::fs::read(Path::new(FOLDER).join("controller/credentials.json"))?;
    let known: Value = serde_json::from_slice(&known)?;
    let credentials = Credentials {
        identity_url: "http://10.98.0.1:5000".to_owned(),
        user: "admin".to_owned(),
        password: known["admin"].as_str().context("no password of admin")?.to_owned(),
        project: "admin".to_owned(),
    };
    let session = Session::log_in(&credentials).await?;
    let change = json!({"port": {"binding:host_id": host, "device_owner": "compute:nova"}});
    let mut port = session.put(&format!("/ports/{id}"), change).await?;
    let port = port["port"].take();
    let network =
        session.get(&format!("/networks/{}", port["network_id"].as_str().unwrap_or_default())).await?;
    let mtu = network["network"]["mtu"].as_u64().context("the network has no MTU")?;
    Ok((port, u32::try_from(mtu)?))
}
