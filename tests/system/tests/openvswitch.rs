//! The demo's cloud on Open vSwitch: DHCP, metadata, routers and floating IPs, and what a
//! restart of the agent or the switch costs. And a switch that hangs, and ports that wait for
//! their devices.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isospin_system::{Cloud, DEMO, Host, Ping, Region, Switch, metadata, run, until};
use isospin_testkit::lab::{Driver, addresses};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

const CONFIG: &str = r#"
[agent]
mechanism = "openvswitch"
tunnel_ip = "192.0.2.1"
[agent.openvswitch]
datapath_type = "netdev"
"#;
/// What the guide tells operators to type.
const PAGE: &str = include_str!("../../../docs/operator/openvswitch.md");
/// Time a switch that was started again may take to carry frames.
const BACK: Duration = Duration::from_secs(10);
/// Well before the agent gives a hung switch up.
const SOON: Duration = Duration::from_secs(3);
/// Numbers the agent gives ports.
const NUMBERS: std::ops::RangeInclusive<u32> = 32_768..=65_279;
const ANSWER: Duration = Duration::from_millis(100);

#[test]
fn the_demo_runs_on_open_vswitch_and_restarts_lose_nothing_that_need_not_be_lost() -> Result<()> {
    let Some(_host) = Host::enter("the test of Open vSwitch")? else { return Ok(()) };
    let mut switch = Switch::start()?;
    let cloud = Cloud::configured(CONFIG)?;
    let [first, second, isolated] = DEMO;
    for (netns, way) in [(first, "through the router"), (isolated, "on the isolated network")] {
        let what = format!("metadata {way}");
        until(&what, BACK, || metadata(netns, "/openstack/latest/meta_data.json").ok())?;
    }
    cloud.renew(second)?;
    let shown = run("ovs-vsctl", &["show"])?;
    for part in ["Bridge br-int", "Bridge br-ex", "Port int-br-ex", "Port phy-br-ex", "fail_mode: secure"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    for command in PAGE.lines().filter_map(|line| line.strip_prefix("    $ ")) {
        run("sh", &["-c", command])?;
    }

    // The agent is killed: frames do not notice, and its successor finds nothing to do.
    cloud.agent()?;
    switch.lengthen_queues()?;
    let ping = Ping::start(first, cloud.addresses[1])?;
    let took = cloud.kill(&["agent"])?;
    let agent = cloud.agent()?;
    let pinged = ping.finish()?;
    println!("agent back after {took:?}, {} of {} lost", pinged.lost.len(), pinged.sent);
    assert!(pinged.lost.is_empty(), "{:?}", pinged.lost);
    assert_eq!(agent["changes"], 0, "{agent}");

    // The switch is killed: its flows come back by themselves.
    switch.restart()?;
    let since = Instant::now();
    let ping = |from: &str, to| Ping::once(from, to, ANSWER).is_ok_and(|answered| answered).then_some(());
    until("ping between instances", BACK, || ping(first, cloud.addresses[1]))?;
    println!("instances after {:?}", since.elapsed());
    until("ping through the floating IP", BACK, || ping("", cloud.floating))?;
    println!("floating IP after {:?}", since.elapsed());
    Ok(())
}

#[test]
fn flows_wait_for_the_device_and_follow_who_else_puts_it_in() -> Result<()> {
    let Some(region) = Region::start("ports to come", &[Driver::OpenVSwitch])? else { return Ok(()) };
    let network = region.network(1, &json!({}))?;
    let first = region.guest(&network, 0, addresses(1, 1), &json!({}))?;
    region.settled()?;
    let switch = region.lab.hosts[0].switch.as_ref().context("no switch")?;
    let flows = || switch.ofctl("dump-flows", "br-int", &["--no-names"]);
    let sent = || -> Result<Vec<u32>> {
        let shown = flows()?;
        let from = |line: &str| line.split_once("in_port=")?.1.split(',').next()?.parse().ok();
        Ok(shown.lines().filter_map(from).filter(|number| NUMBERS.contains(number)).collect())
    };
    let number = |tap: &str| -> Result<u32> {
        Ok(switch.vsctl(&format!("get Interface {tap} ofport"))?.trim().parse()?)
    };

    let [second, third] = [2, 3].map(|octet| region.bound(&network, 0, addresses(1, octet), &json!({})));
    let (second, third) = (second?, third?);
    until("flows of ports without a device", SOON, || (sent().ok()?.len() == 3).then_some(()))?;
    region.lab.hosts[0].settled()?;
    let before = flows()?;
    let second = region.plug(&network, 0, addresses(1, 2), &second)?;
    until("the port has the number its flows name", SOON, || {
        sent().ok()?.contains(&number(&second.instance.tap).ok()?).then_some(())
    })?;
    ensure!(second.instance.reaches(first.ips[0]), "it is on the network");
    ensure!(flows()? == before, "there was nothing left to tell the switch");

    // As os-vif does: the switch chooses the number.
    let id = third["id"].as_str().context("no id")?;
    let tap = format!("tap{}", id.get(..11).context("a short id")?);
    switch.vsctl(&format!(
        "--no-wait add-port br-int {tap} -- set Interface {tap} external-ids:iface-id={id} external-ids:iface-status=active"
    ))?;
    let third = region.plug(&network, 0, addresses(1, 3), &third)?;
    region.settled()?;
    ensure!(third.instance.reaches(first.ips[0]), "it is on the network, whoever put it in");
    ensure!(!NUMBERS.contains(&number(&tap)?), "the switch chose");
    ensure!(sent()?.len() == 2, "nothing is left of the number it was to have");
    Ok(())
}

/// A process that is stopped until this value goes.
struct Stopped(Pid);

impl Stopped {
    fn stop(process: u32) -> Result<Self> {
        let pid = Pid::from_raw(i32::try_from(process)?);
        kill(pid, Signal::SIGSTOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

#[test]
fn n14_the_host_is_closed_to_an_instance_whose_switch_hangs() -> Result<()> {
    let Some(region) = Region::start("a switch that hangs", &[Driver::OpenVSwitch])? else { return Ok(()) };
    let network = region.network(1, &json!({}))?;
    let first = region.guest(&network, 0, addresses(1, 1), &json!({}))?;
    region.settled()?;
    let host = &region.lab.hosts[0];
    let switch = host.switch.as_ref().context("no switch")?;

    let hung = Stopped::stop(switch.pid())?;
    // The agent sees the first of them, and soon gives up waiting for the switch.
    let unseen = [2, 3, 4].map(|octet| region.guest(&network, 0, addresses(1, octet), &json!({})));
    let [second, third, fourth] = unseen;
    let (second, third, fourth) = (second?, third?, fourth?);
    for guest in [&second, &third, &fourth] {
        for family in ["inet", "arp"] {
            let knows = || {
                let guarded =
                    host.machine.run(&["nft", "list", "set", family, "isospin_ovs", "taps"]).ok()?;
                guarded.contains(guest.instance.tap.as_str()).then_some(())
            };
            until("the host is told not to listen to the device", SOON, knows)?;
        }
    }
    // What needs no switch is done for all of them while it hangs.
    for guest in [&second, &third, &fourth] {
        let tap = guest.instance.tap.as_str();
        let barred = || {
            let shown = host.machine.run(&["tc", "qdisc", "show", "dev", tap, "ingress"]).ok()?;
            shown.contains("ingress_block").then_some(())
        };
        until("frames of the device end before the host's IP", SOON, barred)?;
        let row = || {
            let ports = switch.vsctl("--no-wait list-ports br-int").ok()?;
            ports.lines().any(|port| port == tap).then_some(())
        };
        until("the port is in the database", SOON, row)?;
    }
    // The host would say on any of its devices who has its addresses.
    let own = host.machine.run(&["ip", "-4", "-br", "address", "show", "eth-mgmt"])?;
    let own = own.split_whitespace().nth(2).and_then(|net| net.split('/').next()).context("no address")?;
    for guest in [&second, &fourth] {
        guest.instance.run(&format!("ip route add {own} dev eth0"))?;
        ensure!(guest.instance.misses(own.parse()?), "the host answers");
        let known = guest.instance.run(&format!("ip neighbour show {own}"))?;
        ensure!(!known.contains("lladdr"), "the host has told its MAC: {known}");
    }

    drop(hung);
    region.settled()?;
    ensure!(second.instance.reaches(first.ips[0]), "the network works when the switch does");
    Ok(())
}
