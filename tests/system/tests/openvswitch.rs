//! The demo's cloud on Open vSwitch: DHCP, metadata, routers and floating IPs, and what a
//! restart of the agent or the switch costs.

use std::time::{Duration, Instant};

use anyhow::Result;
use isospin_system::{Cloud, DEMO, Host, Ping, Switch, metadata, run, until};

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
