//! A running Isospin with the demo's cloud in it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isospin_conformance::{Api, Installation};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::host::run;
use crate::{inside, until};

/// Namespaces of the demo's instances: two on demo-net, one on demo-isolated.
pub const DEMO: [&str; 3] = ["isospin-demo-1", "isospin-demo-2", "isospin-demo-3"];
/// Time processes have to be there again.
const RESTART: Duration = Duration::from_secs(30);
/// A port nobody listens on.
const CLOSED: u16 = 9;
/// Longest time one question to an instance, or of it, may take.
const QUESTION: Duration = Duration::from_millis(500);

/// The demo's cloud.
pub struct Cloud {
    pub installation: Installation,
    pub admin: Api,
    pub demo: Api,
    /// The floating IP of the first instance.
    pub floating: Ipv4Addr,
    /// Addresses of the instances, as DHCP gave them.
    pub addresses: [Ipv4Addr; 3],
}

/// A process that is halted as long as this is kept.
#[derive(Debug)]
pub struct Halted(Pid);

impl Drop for Halted {
    fn drop(&mut self) {
        // An error means that it has gone.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

impl Cloud {
    /// Starts Isospin with a real agent, plays the demo and opens its default group for
    /// ICMP and TCP.
    ///
    /// # Errors
    /// Any of it failed.
    pub fn start() -> Result<Self> {
        Self::on(Installation::start("real")?)
    }

    /// The same with this configuration.
    ///
    /// # Errors
    /// Any of it failed.
    pub fn configured(toml: &str) -> Result<Self> {
        Self::on(Installation::configured("real", toml)?)
    }

    fn on(installation: Installation) -> Result<Self> {
        installation.run(&["demo"])?;
        let admin = Api::log_in(&installation, "admin")?;
        let demo = Api::log_in(&installation, "demo")?;
        let groups = demo.list("security-groups?name=default")?;
        for protocol in ["icmp", "tcp"] {
            let rule =
                json!({"security_group_id": groups[0]["id"], "direction": "ingress", "protocol": protocol});
            demo.create("security-group-rules", "security_group_rule", &rule)?;
        }
        let floating =
            demo.list("floatingips")?[0]["floating_ip_address"].as_str().context("none")?.parse()?;
        let addresses = [address(DEMO[0])?, address(DEMO[1])?, address(DEMO[2])?];
        // The rule for TCP, the last change, is in place when a closed port answers.
        let closed = SocketAddr::from((floating, CLOSED));
        let refused = || {
            let error = TcpStream::connect_timeout(&closed, QUESTION).err()?;
            (error.kind() == ErrorKind::ConnectionRefused).then_some(())
        };
        until("the rules are in place", RESTART, refused)?;
        Ok(Self { installation, admin, demo, floating, addresses })
    }

    /// Logs in again, for tokens and addresses of a server that was started again.
    ///
    /// # Errors
    /// It refuses.
    pub fn log_in(&mut self) -> Result<()> {
        self.admin = Api::log_in(&self.installation, "admin")?;
        self.demo = Api::log_in(&self.installation, "demo")?;
        Ok(())
    }

    /// The process id of "server", "agent" or "supervisor".
    ///
    /// # Errors
    /// It does not run.
    pub fn pid(&self, process: &str) -> Result<Pid> {
        let status = self.installation.status()?;
        let pid = status["pids"][process].as_i64().with_context(|| format!("no {process}: {status}"))?;
        Ok(Pid::from_raw(i32::try_from(pid)?))
    }

    /// Sends a signal to one of the processes.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, process: &str, signal: Signal) -> Result<Pid> {
        let pid = self.pid(process)?;
        kill(pid, signal)?;
        Ok(pid)
    }

    /// Halts the supervisor: until the guard is dropped nobody starts again what ends.
    ///
    /// # Errors
    /// It does not run.
    pub fn halt_supervisor(&self) -> Result<Halted> {
        Ok(Halted(self.signal("supervisor", Signal::SIGSTOP)?))
    }

    /// Kills processes outright and waits until others have taken their place and all
    /// is ready; how long that took.
    ///
    /// # Errors
    /// It did not become ready.
    pub fn kill(&self, processes: &[&str]) -> Result<Duration> {
        let mut old = Vec::new();
        for process in processes {
            old.push((*process, self.signal(process, Signal::SIGKILL)?));
        }
        let ready = || {
            let status = self.installation.status().ok()?;
            let replaced = old.iter().all(|(process, pid)| {
                status["pids"][*process].as_i64().is_some_and(|now| now != i64::from(pid.as_raw()))
            });
            (replaced && status["ready"] == true).then_some(())
        };
        Ok(until(&format!("{processes:?} run again"), RESTART, ready)?.1)
    }

    /// Waits until the agent has nothing left to do, and says what it says of itself.
    ///
    /// # Errors
    /// It does not run.
    pub fn agent(&self) -> Result<Value> {
        let settled = || {
            let agent = self.installation.status().ok()?["agent"].take();
            (agent["ready"] == true && agent["version"] == agent["applied_version"]).then_some(agent)
        };
        Ok(until("the agent settles", RESTART, settled)?.0)
    }

    /// Runs the DHCP client on the instance's eth0 again.
    ///
    /// # Errors
    /// It got no lease.
    pub fn renew(&self, netns: &str) -> Result<()> {
        let script: PathBuf = self.installation.state_dir().join("dhcp-script");
        let client = ["udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "5", "-T", "1", "-O121", "-s"];
        let script = script.to_string_lossy();
        run("ip", &[&["netns", "exec", netns][..], &client, &[&*script]].concat())?;
        Ok(())
    }
}

/// The IPv4 address an instance has on eth0.
fn address(netns: &str) -> Result<Ipv4Addr> {
    let text = run("ip", &["-n", netns, "-j", "-4", "address", "show", "dev", "eth0"])?;
    let devices: Value = serde_json::from_str(&text)?;
    let address = devices[0]["addr_info"][0]["local"].as_str().with_context(|| format!("{netns}: {text}"))?;
    Ok(address.parse()?)
}

/// Asks the metadata service from an instance, once; the answer of a 200.
///
/// # Errors
/// No answer in time, or another one.
pub fn metadata(netns: &str, path: &str) -> Result<String> {
    let server = (Ipv4Addr::new(169, 254, 169, 254), 80);
    let mut stream = inside(netns, || Ok(TcpStream::connect_timeout(&server.into(), QUESTION)?))?;
    stream.set_read_timeout(Some(QUESTION))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 169.254.169.254\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.lines().next().is_some_and(|line| line.contains(" 200")), "{path}: {head}");
    Ok(body.to_owned())
}
