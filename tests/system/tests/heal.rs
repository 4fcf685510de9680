//! Everything removed by hand comes back, with the server dead.

#![expect(clippy::print_stdout, reason = "the figures are worth reading when a test failed")]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::Result;
use isospin_system::{Cloud, DEMO, Host, Ping, metadata, run, same_shape, shape, until};
use nix::sys::signal::Signal;

/// Time all of it may take.
const HEALED: Duration = Duration::from_secs(2);
/// The host's address on the external network.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 77, 1);
const ANSWER: Duration = Duration::from_millis(100);

/// Removes what a reboot would: namespaces of routers and DHCP, and bridges.
fn wreck() -> Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir("/run/netns")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("qrouter-") || name.starts_with("qdhcp-") {
            run("ip", &["netns", "delete", &name])?;
            removed += 1;
        }
    }
    let links = run("ip", &["-br", "link", "show", "type", "bridge"])?;
    for bridge in links.lines().filter_map(|line| line.split_whitespace().next()) {
        if bridge.starts_with("brq") || bridge == "br-ex" {
            run("ip", &["link", "delete", bridge])?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Waits for every way packets take; the longest any of them took.
fn healed(cloud: &Cloud, since: Instant) -> Result<Duration> {
    let [first, second, isolated] = DEMO;
    let ping = |what: &str, from: &str, to| {
        until(what, HEALED, || Ping::once(from, to, ANSWER).is_ok_and(|answered| answered).then_some(()))
    };
    ping("ping between instances", first, cloud.addresses[1])?;
    println!("  ping between instances after {:?}", since.elapsed());
    ping("ping outwards", second, OUTSIDE)?;
    println!("  ping outwards after {:?}", since.elapsed());
    ping("ping through the floating IP", "", cloud.floating)?;
    println!("  ping through the floating IP after {:?}", since.elapsed());
    for (netns, way) in [(first, "through the router"), (isolated, "on the isolated network")] {
        let what = format!("metadata {way}");
        until(&what, HEALED, || metadata(netns, "/openstack/latest/meta_data.json").ok())?;
        println!("  {what} after {:?}", since.elapsed());
    }
    for netns in [second, isolated] {
        cloud.renew(netns)?;
        println!("  DHCP in {netns} after {:?}", since.elapsed());
    }
    Ok(since.elapsed())
}

#[test]
fn what_is_removed_by_hand_comes_back_without_the_server() -> Result<()> {
    let Some(_host) = Host::enter("the test of healing")? else { return Ok(()) };
    let cloud = Cloud::start()?;
    cloud.agent()?;
    let before = shape()?;
    let _halted = cloud.halt_supervisor()?;
    cloud.signal("server", Signal::SIGKILL)?;
    for round in 1..=3 {
        let since = Instant::now();
        let removed = wreck()?;
        assert_eq!(removed, 6, "three bridges, one router and two DHCP namespaces");
        println!("round {round}: removed {removed} in {:?}", since.elapsed());
        let took = healed(&cloud, Instant::now())?;
        println!("round {round}: healed in {took:?}");
        assert!(took < HEALED, "round {round}: {took:?}");
        same_shape(&before, HEALED)?;
    }
    let status = cloud.installation.status()?;
    assert!(status["pids"]["server"].is_null(), "the server ran: {status}");
    Ok(())
}

#[test]
fn a_host_that_starts_without_the_server_is_built_from_the_replica() -> Result<()> {
    let Some(_host) = Host::enter("the test of a reboot")? else { return Ok(()) };
    let cloud = Cloud::start()?;
    cloud.agent()?;
    let before = shape()?;
    cloud.installation.run(&["down"])?;
    wreck()?;
    run("nft", &["flush", "ruleset"])?;
    let since = Instant::now();
    let mut agent = cloud.installation.command(&isospin_conformance::Installation::binary());
    let mut agent = agent.arg("agent").spawn()?;
    let result = healed(&cloud, since).and_then(|took| same_shape(&before, HEALED).map(|()| took));
    agent.kill()?;
    agent.wait()?;
    let took = result?;
    println!("built in {took:?}");
    assert!(took < HEALED, "{took:?}");
    Ok(())
}
