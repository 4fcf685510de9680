//! What the way through a switch and the firewall costs, beside a cable between two instances.

use std::net::Ipv4Addr;

use anyhow::Result;
use isospin_testkit::lab::{Instance, Switch, lengthen_queues, stay_on};
use serde_json::{Value, json};

use super::cloud::{Cloud, add_rules, group};
use super::echo::joined;
use super::traffic::{Figures, Route};
use crate::objects;
use crate::report::Results;

/// Each way is measured so many times, in turn; the median counts.
const ROUNDS: usize = 5;
/// Rules, and members of a remote group, that may cost a packet nothing.
const MANY: usize = 10_000;
const BULK: usize = 500;
/// Where the instances run: each has a core of its own.
const APART: [usize; 2] = [0, 1];
/// The same where one core is the switch's.
const BESIDE_SWITCH: [usize; 2] = [1, 1];
const SWITCHS: usize = 0;
/// Ends of the cable.
const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// Measures cable, one host and two hosts; then the same host with many rules.
pub async fn run(cloud: &mut Cloud, results: &mut Results) -> Result<()> {
    let bench = cloud.group.clone();
    let many = group(&cloud.admin, "many").await?;
    let mut guests = cloud.run(0, 2, &[&bench, &many]).await?;
    guests.extend(cloud.run(1, 1, &[&bench]).await?);
    let [near, peer, far] = guests.as_slice() else { anyhow::bail!("three instances") };
    let route = |to: &super::cloud::Guest| Route {
        from: near.instance.clone(),
        to: to.instance.clone(),
        ip: to.nic.address,
        cores: APART,
    };
    tune(cloud)?;
    let cable = cable(cloud)?;
    let [bare, here, there] = typical([cable.clone(), route(peer), route(far)], Route::measure).await?;
    let name = cloud.name();
    for (what, way) in [("one host", here), ("two hosts, vxlan", there)] {
        results.ratio(name, &format!("round trips, {what}"), way.round_trips, bare.round_trips);
        results.ratio(name, &format!("connections, {what}"), way.connections, bare.connections);
        results.ratio(name, &format!("TCP throughput, {what}"), way.throughput, bare.throughput);
    }
    crowd(cloud, &many).await?;
    let [crowded, bare] = typical([route(peer), cable], Route::measure).await?;
    let what = format!("round trips, one host, {MANY} rules and members more");
    results.ratio(name, &what, crowded.round_trips, bare.round_trips);
    cloud.remove(guests).await
}

/// Measures cable and one host where the switch passes large packets on, and has a core of its own
/// as docs/operator/openvswitch.md advises.
pub async fn with_large_packets(cloud: &mut Cloud, results: &mut Results) -> Result<()> {
    let bench = cloud.group.clone();
    let guests = cloud.run(0, 2, &[&bench]).await?;
    let [near, peer] = guests.as_slice() else { anyhow::bail!("two instances") };
    let (from, to) = (near.instance.clone(), peer.instance.clone());
    let here = Route { from, to, ip: peer.nic.address, cores: BESIDE_SWITCH };
    tune(cloud)?;
    for switch in switches(cloud) {
        stay_on(switch.pid(), SWITCHS)?;
    }
    hear_on(&near.instance, BESIDE_SWITCH[0])?;
    let [here, bare] = typical([here, cable(cloud)?], Route::measure_throughput).await?;
    let what = "TCP throughput, one host, large packets passed on";
    results.ratio(cloud.name(), what, here.throughput, bare.throughput);
    cloud.remove(guests).await
}

/// Gives ports that are there queues as long as docs/operator/openvswitch.md advises.
fn tune(cloud: &Cloud) -> Result<()> {
    switches(cloud).try_for_each(|switch| lengthen_queues(switch.pid()))
}

fn switches(cloud: &Cloud) -> impl Iterator<Item = &Switch> {
    cloud.lab.hosts.iter().filter_map(|host| host.switch.as_ref())
}

/// The instance handles what it hears on this core, as a virtual machine does on its own. A
/// namespace does on the switch's, and answers there: of what it sends from two cores, some
/// overtakes the rest.
fn hear_on(instance: &Instance, core: usize) -> Result<()> {
    let set = format!("echo {:x} > /sys/class/net/eth0/queues/rx-0/rps_cpus", 1 << core);
    instance.machine.script(&format!("ip netns exec {} sh -c '{set}'", instance.name)).map(drop)
}

/// Two instances with nothing but a cable.
fn cable(cloud: &Cloud) -> Result<Route> {
    let names = ["cable-a", "cable-b"].map(str::to_owned);
    let hypervisor = cloud.hypervisor(0)?;
    hypervisor.boot(&names)?;
    let [left, right] = names.clone();
    hypervisor.cable([(left, ENDS[0]), (right, ENDS[1])])?;
    let machine = &cloud.lab.hosts[0].machine;
    let [from, to] = names.map(|name| Instance { machine: machine.clone(), name, tap: "cable0".to_owned() });
    Ok(Route { from, to, ip: ENDS[1], cores: APART })
}

/// The median of each route.
async fn typical<const N: usize>(
    routes: [Route; N],
    measure_one: fn(&Route) -> Result<Figures>,
) -> Result<[Figures; N]> {
    // On another thread: this one sees meanwhile when the server ends an idle connection.
    let measure = move || {
        let mut figures = [const { Vec::new() }; N];
        for _ in 0..ROUNDS {
            for (figures, route) in figures.iter_mut().zip(&routes) {
                figures.push(measure_one(route)?);
            }
        }
        Ok(figures.map(|figures| Figures::median(&figures)))
    };
    // The thread stays on a core, so it is one of its own.
    tokio::task::spawn_blocking(|| joined(std::thread::spawn(measure))).await?
}

/// Gives a group many rules, one of them for the members of a group with many ports.
async fn crowd(cloud: &Cloud, many: &str) -> Result<()> {
    let admin = &cloud.admin;
    let members = group(admin, "members").await?;
    let network = objects::network(admin, "10.2.0.0/16").await?;
    for first in (0..MANY).step_by(BULK) {
        let port = |_| json!({"network_id": network, "security_groups": [members]});
        let ports: Vec<Value> = (first..first + BULK).map(port).collect();
        admin.post("/ports", json!({"ports": ports})).await?;
    }
    let rule = |index: usize| {
        json!({"security_group_id": many, "direction": "ingress", "protocol": "udp",
            "port_range_min": 20_000 + index, "port_range_max": 20_000 + index,
            "remote_ip_prefix": format!("10.200.{}.{}/32", index / 250, index % 250)})
    };
    let mut rules: Vec<Value> = (0..MANY).map(rule).collect();
    rules.push(json!({"security_group_id": many, "direction": "ingress", "remote_group_id": members}));
    add_rules(admin, &rules).await?;
    cloud.lab.hosts.iter().try_for_each(|host| host.settled().map(drop))
}
