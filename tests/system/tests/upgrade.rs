//! An agent that is killed, and one that makes room for another binary, while instances on
//! two hosts of its kind ping at 1 kHz and run iperf3: nothing is lost, and nothing changed.

use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isospin_conformance::Installation;
use isospin_system::{Guest, Ping, Pinged, Region, until};
use isospin_testkit::lab::{Driver, addresses, lengthen_queues};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const HOSTS: [Driver; 4] =
    [Driver::OpenVSwitch, Driver::OpenVSwitch, Driver::LinuxBridge, Driver::LinuxBridge];
/// Traffic, not a load test: a switch in userspace drops what two busy cores cannot carry.
/// `ISOSPIN_IPERF_RATE` is another for both.
const RATES: [(&str, &str); 2] = [("Open vSwitch", "4M"), ("Linux bridge", "40M")];
/// Longest an iperf3 server may take to listen.
const START: Duration = Duration::from_secs(5);

/// Traffic from one instance to another.
struct Traffic {
    what: &'static str,
    ping: Ping,
    server: Child,
    client: Child,
}

impl Traffic {
    fn start((what, rate): (&'static str, &str), from: &Guest, to: &Guest) -> Result<Self> {
        let [IpAddr::V4(ip), _] = to.ips else { anyhow::bail!("no IPv4 address") };
        let mut server = Command::new("iperf3");
        server.args(["-s", "-1", "-B", &ip.to_string()]).stdout(Stdio::null()).stdin(Stdio::null());
        let server = to.instance.spawn(server)?;
        let listens = || to.instance.run("ss -Htln sport = 5201").ok().filter(|said| !said.is_empty());
        until("iperf3 listens", START, listens)?;
        let mut client = Command::new("iperf3");
        let rate = std::env::var("ISOSPIN_IPERF_RATE").unwrap_or_else(|_| rate.to_owned());
        client.args(["-c", &ip.to_string(), "-t", "3600", "-b", &rate, "-l", "1300", "-J"]);
        client.stdin(Stdio::null()).stdout(Stdio::piped());
        let client = from.instance.spawn(client)?;
        let ping = Ping::from(from, ip)?;
        Ok(Self { what, ping, server, client })
    }

    /// Stops it; nothing may have been lost.
    fn finish(mut self, during: &str) -> Result<()> {
        let Pinged { sent, lost, silence } = self.ping.finish()?;
        // Interrupted it says what it did.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.client.id())?);
        nix::sys::signal::kill(pid, Signal::SIGINT)?;
        let said = self.client.wait_with_output()?;
        self.server.kill()?;
        self.server.wait()?;
        let said: Value = serde_json::from_slice(&said.stdout).context("what iperf3 says")?;
        let error = said["error"].as_str().unwrap_or_default();
        let intervals = said["intervals"].as_array().context("no intervals")?;
        let rate = |interval: &Value| interval["sum"]["bits_per_second"].as_f64().unwrap_or(0.0);
        let slowest = intervals
            .iter()
            .take(intervals.len().saturating_sub(1).max(1))
            .map(rate)
            .fold(f64::MAX, f64::min);
        println!(
            "{during}, {}: {sent} pings, {} lost, longest silence {silence:?}; iperf3 {} s, slowest {:.1} Mbit/s, {} retransmitted",
            self.what,
            lost.len(),
            intervals.len(),
            slowest / 1e6,
            said["end"]["sum_sent"]["retransmits"]
        );
        ensure!(sent > 500 && lost.is_empty(), "{during}, {}: lost {lost:?} of {sent}", self.what);
        ensure!(error.is_empty() || error.contains("interrupt"), "{during}, {}: {error}", self.what);
        ensure!(slowest > 1e6, "{during}, {}: the stream stood still", self.what);
        Ok(())
    }
}

#[test]
fn an_agent_killed_or_upgraded_costs_no_packet_and_changes_nothing() -> Result<()> {
    let Some(mut region) = Region::start("the test of upgrades", &HOSTS)? else { return Ok(()) };
    let network = region.network(1, &json!({"network_type": "vxlan"}))?;
    let group = region.admin.create("security-groups", "security_group", &json!({"name": "all"}))?;
    for protocol in ["icmp", "tcp"] {
        let rule = json!({"security_group_id": group["id"], "direction": "ingress", "protocol": protocol});
        region.admin.create("security-group-rules", "security_group_rule", &rule)?;
    }
    let groups = json!({"security_groups": [group["id"]]});
    let guest = |host: usize| region.guest(&network, host, addresses(1, u8::try_from(host)? + 1), &groups);
    let guests = (0..HOSTS.len()).map(guest).collect::<Result<Vec<_>>>()?;
    region.settled()?;
    let [first, second, third, fourth] = guests.as_slice() else { anyhow::bail!("four instances") };
    for (from, to) in [(first, second), (third, fourth)] {
        ensure!(from.instance.reaches(to.ips[0]), "hosts {} and {}", from.host, to.host);
    }
    for switch in region.lab.hosts.iter().filter_map(|host| host.switch.as_ref()) {
        lengthen_queues(switch.pid())?;
    }
    // Another file is another binary, as far as processes go.
    let upgrade = region.lab.controller.machine.folder().join("isospin-next");
    std::fs::copy(Installation::binary(), &upgrade)?;
    for during in ["kill -9", "upgrade"] {
        let traffic = [Traffic::start(RATES[0], first, second)?, Traffic::start(RATES[1], third, fourth)?];
        let before = region.lab.hosts.iter().map(|host| host.shape()).collect::<Result<Vec<_>>>()?;
        for host in &mut region.lab.hosts {
            if during == "upgrade" {
                host.stop_agent()?;
                host.start_agent_of(&upgrade)?;
            } else {
                host.kill_agent()?;
                host.start_agent()?;
            }
            let status = host.settled()?;
            ensure!(status["changes"] == 0 && status["failed"] == json!([]), "{during}: {status}");
        }
        for part in traffic {
            part.finish(during)?;
        }
        for (host, before) in region.lab.hosts.iter().zip(before) {
            ensure!(host.shape()? == before, "{during}: {} is another", host.name());
        }
    }
    Ok(())
}
