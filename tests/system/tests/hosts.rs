//! Several hosts with one server: every type of network, on Open vSwitch and on Linux
//! bridges, and both in one network.

use std::net::IpAddr;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use isospin_system::{Guest, Region};
use isospin_testkit::lab::{Capture, Driver, PHYSICAL, addresses, ends};
use serde_json::{Value, json};

const HOSTS: [Driver; 5] =
    [Driver::OpenVSwitch, Driver::OpenVSwitch, Driver::Hybrid, Driver::LinuxBridge, Driver::LinuxBridge];
/// The hosts with Open vSwitch: two ports on the first.
const SWITCHES: &[usize] = &[0, 0, 1, 2];
/// And those with Linux bridges.
const ALL: &[usize] = &[0, 0, 1, 2, 3, 3, 4];

/// The hosts that can be on a VLAN; says aloud when those with Linux bridges cannot.
fn on_vlans() -> &'static [usize] {
    let probe = "ip link add link lo name probe type vlan id 1";
    let made = Command::new("unshare").args(["-n", "sh", "-c", probe]).stderr(Stdio::null()).status();
    if made.is_ok_and(|status| status.success()) {
        return ALL;
    }
    eprintln!("SKIPPED: vlan networks on Linux bridges: this kernel has no devices of type vlan (8021q)");
    SWITCHES
}

/// Each type of network and the hosts that can be on it. Linux bridges have tunnels of type
/// vxlan only.
fn kinds() -> [(&'static str, Value, &'static [usize]); 6] {
    [
        ("local", json!({"network_type": "local"}), ALL),
        ("flat", json!({"network_type": "flat", "physical_network": PHYSICAL}), ALL),
        ("vlan", json!({"network_type": "vlan", "physical_network": PHYSICAL}), on_vlans()),
        ("gre", json!({"network_type": "gre"}), SWITCHES),
        ("vxlan", json!({"network_type": "vxlan"}), ALL),
        ("geneve", json!({"network_type": "geneve"}), SWITCHES),
    ]
}

struct Case {
    kind: &'static str,
    net: u8,
    guests: Vec<Guest>,
}

#[test]
fn every_type_of_network_reaches_what_it_should_and_nothing_else() -> Result<()> {
    let Some(mut region) = Region::start("the matrix of networks", &HOSTS)? else { return Ok(()) };
    let mut cases = Vec::new();
    for (net, (kind, provider, hosts)) in (1..).zip(kinds()) {
        let network = region.network(net, &provider)?;
        let guest =
            |(octet, host): (u8, &usize)| region.guest(&network, *host, addresses(net, octet), &json!({}));
        let guests = (1..).zip(hosts).map(guest).collect::<Result<_>>()?;
        cases.push(Case { kind, net, guests });
    }
    region.settled()?;
    for host in &region.lab.hosts {
        // The hypervisor set it up, so the kernel wanted to give it one.
        let held = host.machine.run(&["ip", "-6", "-oneline", "address"])?;
        ensure!(!held.contains("tap"), "{} has addresses in networks of tenants: {held}", host.name());
    }

    let mut heard = Vec::new();
    for case in &cases {
        for guest in &case.guests {
            // Whoever is alone on a local network need not hear anything.
            let beside = case.guests.iter().filter(|other| other.host == guest.host).count() - 1;
            let hears = case.kind != "local" || beside > 0;
            heard.push((case, hears, guest.instance.within(Capture::open)?));
        }
    }
    let mut underlay = region.lab.fabric.machine.within(Capture::open)?;
    let pairs: usize = cases.iter().map(reaches).collect::<Result<Vec<_>>>()?.into_iter().sum();
    let mut frames_heard = 0;
    for (case, hears, capture) in &mut heard {
        let frames = capture.frames();
        frames_heard += frames.len();
        ensure!(!*hears || !frames.is_empty(), "{}: nothing is heard at all", case.kind);
        let foreign: Vec<_> =
            frames.iter().filter(|frame| ends(frame).iter().any(|ip| !is_of(case.net, *ip))).collect();
        ensure!(foreign.is_empty(), "{}: frames of other networks: {foreign:02x?}", case.kind);
    }
    // Known receivers are answered for on every host: it sends no ARP into a tunnel.
    let between = underlay.frames();
    let hosts: Vec<IpAddr> = region.lab.hosts.iter().map(|host| host.tunnel_ip().into()).collect();
    let asked: Vec<_> = between.iter().filter(|frame| is_tunnelled_question(frame, &hosts)).collect();
    ensure!(asked.is_empty(), "{} of {} asked: {:02x?}", asked.len(), between.len(), asked.first());
    println!(
        "{pairs} pairs; {frames_heard} frames at {} ports and {} on the underlay, 0 foreign",
        heard.len(),
        between.len()
    );

    for host in &region.lab.hosts {
        let ports: Value = serde_json::from_str(&host.agent_says(&["status", "--json"])?)?;
        let ports = ports.as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(!ports.is_empty() && ports.iter().all(|port| port["state"] == "ACTIVE"), "{ports:?}");
        let table = host.agent_says(&["status"])?;
        ensure!(table.contains(host.name()) && table.matches("ACTIVE").count() == ports.len(), "{table}");
    }
    for host in &mut region.lab.hosts {
        host.kill_agent()?;
        host.start_agent()?;
        let status = host.settled()?;
        ensure!(status["changes"] == 0, "a new agent on a healthy host: {status}");
        ensure!(status["failed"] == json!([]), "{status}");
    }
    Ok(())
}

/// Everybody asks everybody after them, in both versions; how many pairs did.
fn reaches(case: &Case) -> Result<usize> {
    let pairs: Vec<_> = case
        .guests
        .iter()
        .enumerate()
        .flat_map(|(index, from)| case.guests[index + 1..].iter().map(move |to| (from, to)))
        .flat_map(|(from, to)| to.ips.map(|ip| (from, to, ip)))
        .collect();
    std::thread::scope(|scope| {
        let ask = |(from, to, ip): &(&Guest, &Guest, IpAddr)| {
            let should = case.kind != "local" || from.host == to.host;
            if should { from.instance.reaches(*ip) } else { from.instance.misses(*ip) }
        };
        let threads: Vec<_> = pairs.iter().map(|pair| scope.spawn(move || ask(pair))).collect();
        for (thread, (from, to, ip)) in threads.into_iter().zip(&pairs) {
            let right = thread.join().is_ok_and(|right| right);
            let wrong = if case.kind == "local" && from.host != to.host { "reaches" } else { "misses" };
            ensure!(right, "{}: host {} {wrong} {ip} on host {}", case.kind, from.host, to.host);
        }
        Ok(pairs.len())
    })
}

/// Whether the address is one of this network, or of no network of ours.
fn is_of(net: u8, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !matches!(ip.octets(), [10, 1, of, _] if of != net),
        IpAddr::V6(ip) => !matches!(ip.segments(), [0xfd00, of, ..] if of != u16::from(net)),
    }
}

/// A frame by one of these hosts with a broadcast of ARP by one of our MACs inside.
fn is_tunnelled_question(frame: &[u8], hosts: &[IpAddr]) -> bool {
    let question = |header: &[u8]| {
        header.starts_with(&[0xff; 6])
            && header.get(6..9) == Some(&[0xfa, 0x16, 0x3e])
            && header.ends_with(&[8, 6])
    };
    let from = ends(frame).first().copied();
    frame.get(12..14) == Some(&[8, 0])
        && from.is_some_and(|ip| hosts.contains(&ip))
        && frame.get(34..).is_some_and(|inner| inner.windows(14).any(question))
}
