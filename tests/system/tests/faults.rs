//! Random faults on hosts of both kinds, while instances send what they may and what they
//! may not: nothing forbidden ever arrives, and afterwards the hosts are what they should be.
//!
//! 20 faults as a rule; `ISOSPIN_FAULTS=1000` for more, `ISOSPIN_FAULTS_SEED` for the same again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isospin_system::{Guest, OPEN, Probes, Region, until};
use isospin_testkit::lab::{Driver, Host, Network, addresses};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

const HOSTS: [Driver; 3] = [Driver::OpenVSwitch, Driver::LinuxBridge, Driver::Hybrid];
/// Rounds of probes while something is broken.
const BROKEN: u64 = 10;
/// Time until everybody who may reaches everybody again.
const HEALED: Duration = Duration::from_secs(20);

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    AgentKilled,
    AgentStopped,
    RulesGone,
    RulesetFlushed,
    SettingsReset,
    LinkCut,
    TunnelsLost,
    SwitchKilled,
    SwitchStopped,
    ServerKilled,
    PortTakenOut,
    TunnelsGone,
}

const FAULTS: [Fault; 12] = [
    Fault::AgentKilled,
    Fault::AgentStopped,
    Fault::RulesGone,
    Fault::RulesetFlushed,
    Fault::SettingsReset,
    Fault::LinkCut,
    Fault::TunnelsLost,
    Fault::SwitchKilled,
    Fault::SwitchStopped,
    Fault::ServerKilled,
    Fault::PortTakenOut,
    Fault::TunnelsGone,
];

/// A cloud to break: who may talk with each other, and a stranger on a host of each kind.
struct Cloud {
    region: Region,
    members: Vec<Guest>,
    strangers: Vec<Guest>,
}

impl Cloud {
    fn start() -> Result<Option<Self>> {
        let Some(region) = Region::start("the test of faults", &HOSTS)? else { return Ok(None) };
        let group = region.admin.create("security-groups", "security_group", &json!({"name": "probes"}))?;
        let open = json!({"security_group_id": group["id"], "direction": "ingress", "protocol": "udp",
            "port_range_min": OPEN, "port_range_max": OPEN});
        region.admin.create("security-group-rules", "security_group_rule", &open)?;
        let groups = json!({"security_groups": [group["id"]]});
        let (near, far) = (
            region.network(1, &json!({"network_type": "vxlan"}))?,
            region.network(2, &json!({"network_type": "vxlan"}))?,
        );
        let members = [0, 1, 1, 2].into_iter().zip(1..);
        let members = members.map(|(host, octet)| region.guest(&near, host, addresses(1, octet), &groups));
        let strangers = [0, 1].into_iter().zip(1..);
        let strangers = strangers.map(|(host, octet)| region.guest(&far, host, addresses(2, octet), &groups));
        let (members, strangers) = (members.collect::<Result<_>>()?, strangers.collect::<Result<_>>()?);
        region.settled()?;
        Ok(Some(Self { region, members, strangers }))
    }

    /// Breaks something, lets probes run, and mends what does not mend itself.
    fn suffer(&mut self, fault: Fault, index: usize, probes: &Probes) -> Result<()> {
        let tap = self.members.iter().find(|guest| guest.host == index).map(|guest| &guest.instance.tap);
        let tap = tap.context("every host has a member")?.clone();
        let Region { lab, .. } = &mut self.region;
        let host = lab.hosts.get_mut(index).context("a host")?;
        match fault {
            Fault::AgentKilled => {
                host.kill_agent()?;
                probes.rounds(BROKEN)?;
                host.start_agent()?;
            }
            Fault::AgentStopped => stopped(host.agent(), probes)?,
            Fault::RulesGone => rules_gone(host)?,
            Fault::RulesetFlushed => drop(host.machine.run(&["nft", "flush", "ruleset"])?),
            Fault::SettingsReset => {
                host.machine.script(
                    "for name in net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables \
                     net/ipv4/ip_forward; do test ! -e /proc/sys/$name || echo 0 >/proc/sys/$name; done",
                )?;
            }
            Fault::LinkCut => {
                lab.fabric.link(Network::Tunnel, host.number, false)?;
                probes.rounds(BROKEN)?;
                lab.fabric.link(Network::Tunnel, host.number, true)?;
            }
            Fault::TunnelsLost => {
                lab.fabric.lose_tunnels(true)?;
                probes.rounds(BROKEN)?;
                lab.fabric.lose_tunnels(false)?;
            }
            Fault::SwitchKilled => {
                if let Some(switch) = &mut host.switch {
                    switch.restart()?;
                }
            }
            Fault::SwitchStopped => stopped(host.switch.as_ref().map(|switch| switch.pid()), probes)?,
            Fault::ServerKilled => {
                lab.controller.kill_server()?;
                probes.rounds(BROKEN)?;
                lab.controller.start_server()?;
            }
            Fault::PortTakenOut => match &host.switch {
                Some(switch) => {
                    let port =
                        if host.driver == Driver::Hybrid { tap.replacen("tap", "qvo", 1) } else { tap };
                    switch.vsctl(&format!("del-port br-int {port}"))?;
                }
                None => drop(host.machine.run(&["ip", "link", "set", &tap, "nomaster"])?),
            },
            Fault::TunnelsGone => match &host.switch {
                Some(switch) => drop(switch.vsctl("del-br br-tun")?),
                None => drop(host.machine.script(
                    "for device in $(ip -br link show type vxlan | cut -d' ' -f1); do ip link delete $device; done",
                )?),
            },
        }
        Ok(())
    }
}

/// Stops a process for a while.
fn stopped(process: Option<u32>, probes: &Probes) -> Result<()> {
    let Some(pid) = process else { return Ok(()) };
    let pid = Pid::from_raw(i32::try_from(pid)?);
    kill(pid, Signal::SIGSTOP)?;
    let waited = probes.rounds(BROKEN);
    kill(pid, Signal::SIGCONT)?;
    waited
}

/// Takes the flows away, or the rules of groups.
fn rules_gone(host: &Host) -> Result<()> {
    match &host.switch {
        Some(_) => host.machine.script(
            "for bridge in br-int br-tun; do ovs-ofctl -O OpenFlow14 del-flows unix:/run/openvswitch/$bridge.mgmt; done",
        )?,
        None => host.machine.script("nft delete table inet isospin_fw")?,
    };
    Ok(())
}

#[test]
fn n14_faults_let_nothing_forbidden_through_and_leave_nothing_behind() -> Result<()> {
    let Some(mut cloud) = Cloud::start()? else { return Ok(()) };
    let number = |name: &str, usual: u64| match std::env::var(name) {
        Ok(text) => text.parse::<u64>().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(usual),
    };
    let (count, seed) = (number("ISOSPIN_FAULTS", 20)?, number("ISOSPIN_FAULTS_SEED", rand::random())?);
    println!("{count} faults, ISOSPIN_FAULTS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let before = shapes(&cloud)?;
    let members = cloud.members.len();
    let probes = Probes::start(&cloud.members, &cloud.strangers)?;
    probes.all_heard(members, HEALED).context("before any fault")?;
    let mut slowest = Duration::ZERO;
    for round in 1..=count {
        // Each once, then any.
        let index = usize::try_from(round - 1)?;
        let fault =
            FAULTS.get(index).copied().unwrap_or_else(|| FAULTS[random.random_range(0..FAULTS.len())]);
        let host = random.random_range(0..HOSTS.len());
        let what = format!("fault {round}, {fault:?} on host {host}");
        cloud.suffer(fault, host, &probes).with_context(|| what.clone())?;
        let took = probes.all_heard(members, HEALED).with_context(|| what.clone())?;
        println!("{what}: healed after {took:?}");
        slowest = slowest.max(took);
        let seen = probes.seen()?;
        ensure!(seen.escaped.is_empty(), "{what}: {:?}", seen.escaped);
    }
    let seen = probes.finish()?;
    ensure!(seen.escaped.is_empty(), "{:?}", seen.escaped);
    println!(
        "{count} faults: {} allowed arrived, {} forbidden sent, 0 arrived; slowest to heal {slowest:?}",
        seen.allowed, seen.forbidden_sent
    );

    let same = || (shapes(&cloud).ok()? == before).then_some(());
    until("the hosts are what they were", HEALED, same).map(drop).with_context(|| {
        let now = shapes(&cloud).unwrap_or_default();
        let gone: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
        let new: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
        format!("gone: {gone:#?} new: {new:#?}")
    })?;
    for host in &mut cloud.region.lab.hosts {
        host.settled()?;
        host.kill_agent()?;
        host.start_agent()?;
        let status = host.settled()?;
        let is_planned = status["changes"] == 0 && status["failed"] == json!([]);
        ensure!(is_planned, "not as planned: {status}\n{}", host.agent_log());
    }
    Ok(())
}

/// What carries frames on every host.
fn shapes(cloud: &Cloud) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for host in &cloud.region.lab.hosts {
        lines.extend(host.shape()?.into_iter().map(|line| format!("{} {line}", host.name())));
    }
    Ok(lines)
}
