//! What must work, and what must not.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use isospin_host_io::raw::FrameSender;
use isospin_host_io::{Links, Place};
use isospin_types::MacAddr;
use serde_json::{Value, json};

use super::cloud::{Built, Cloud, Instance};
use super::probe;
use super::steps::Steps;

/// The host's own address on the external network.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 77, 1);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Time until a connection that lost its rule carries nothing more.
const CUT_WITHIN: Duration = Duration::from_secs(1);
/// A connection that must succeed.
const PATIENCE: Duration = Duration::from_secs(5);

fn place(instance: &Instance) -> Result<Place> {
    Ok(Place::Namespace(instance.namespace()?))
}

/// Addresses, MTU, and each other.
pub async fn instances(built: &Built, steps: &mut Steps) -> Result<()> {
    let (one, two) = (&built.one, &built.two);
    steps
        .check("MTU 1450 inside, as vxlan needs", async {
            if one.mtu != 1450 || two.mtu != 1450 {
                bail!("the instances have MTU {} and {}", one.mtu, two.mtu);
            }
            Ok(())
        })
        .await;
    let (from_one, from_two) = (place(one)?, place(two)?);
    steps.check(&format!("instance 1 pings instance 2 ({})", two.ip), probe::ping(&from_one, two.ip)).await;
    steps.check(&format!("instance 2 pings instance 1 ({})", one.ip), probe::ping(&from_two, one.ip)).await;
    Ok(())
}

/// Through the router, both directions.
pub async fn outside(cloud: &Cloud, built: &Built, steps: &mut Steps) -> Result<()> {
    let from_two = place(&built.two)?;
    let what = format!("the host pings the gateway of the router ({})", built.gateway);
    steps.check(&what, probe::ping(&Place::Host, built.gateway)).await;
    steps.check("instance 2 pings outwards (10.77.77.1)", probe::ping(&from_two, HOST)).await;
    let what = format!("... where it is seen as {} (SNAT)", built.gateway);
    steps.check(&what, seen_as(&from_two, built.gateway)).await;
    let what = format!("... and instance 1 as its floating IP {}", built.floating);
    steps.check(&what, seen_as(&place(&built.one)?, built.floating)).await;
    steps
        .check(
            "the default security group refuses a ping to the floating IP",
            probe::no_ping(&Place::Host, built.floating),
        )
        .await;
    let rule = json!({"protocol": "icmp", "description": "isospin demo"});
    let rule = steps.step("a rule for ICMP", cloud.open(rule)).await?;
    steps.check("... lets it pass at once", probe::ping(&Place::Host, built.floating)).await;
    cloud.demo.delete(&format!("/security-group-rules/{rule}")).await?;
    Ok(())
}

/// A connection from the instance to the host comes from this address.
async fn seen_as(from: &Place, expected: Ipv4Addr) -> Result<()> {
    let listener = probe::listen(&Place::Host, SocketAddr::from((HOST, 0))).await?;
    let _connection = probe::connect(from, listener.local_addr()?, PATIENCE).await?;
    let (_, peer) = probe::accept(&listener).await?;
    if peer != expected {
        bail!("it is seen as {peer}");
    }
    Ok(())
}

/// Through the router and, on the isolated network, through the DHCP address.
pub async fn metadata(_: &Cloud, built: &Built, steps: &mut Steps) -> Result<()> {
    for (instance, way) in [(&built.one, "through the router"), (&built.isolated, "on the isolated network")]
    {
        let from = place(instance)?;
        let server = SocketAddr::from((METADATA, 80));
        steps
            .check(&format!("metadata {way}: meta_data.json knows {}", instance.name), async {
                let text = probe::get(&from, server, "/openstack/latest/meta_data.json").await?;
                let answer: Value = serde_json::from_str(&text).context("it is not JSON")?;
                if answer["uuid"] != instance.device_id.as_str() {
                    bail!("it says uuid {}, the instance is {}", answer["uuid"], instance.device_id);
                }
                Ok(())
            })
            .await;
        steps
            .check(&format!("metadata {way}: the EC2 tree too"), async {
                let id = probe::get(&from, server, "/latest/meta-data/instance-id").await?;
                let ip = probe::get(&from, server, "/latest/meta-data/local-ipv4").await?;
                if id.trim() != instance.device_id || ip.trim() != instance.ip.to_string() {
                    bail!("it says {} at {}", id.trim(), ip.trim());
                }
                Ok(())
            })
            .await;
    }
    Ok(())
}

/// Security groups and anti-spoofing.
pub async fn security(cloud: &Cloud, built: &Built, steps: &mut Steps) -> Result<()> {
    let inside = place(&built.one)?;
    let web = SocketAddr::from((built.floating, 80));
    let listener = probe::listen(&inside, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80))).await?;
    steps
        .check("the default security group refuses TCP 80 from outside", async {
            match probe::connect(&Place::Host, web, probe::SILENCE).await {
                Ok(_) => bail!("the connection was made"),
                Err(_) => Ok(()),
            }
        })
        .await;
    let rule =
        json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80, "description": "isospin demo"});
    let rule = steps.step("a rule for TCP 80", cloud.open(rule)).await?;
    let running = steps
        .step("... opens it at once", async {
            let client = probe::connect(&Place::Host, web, PATIENCE).await?;
            let (server, _) = probe::accept(&listener).await?;
            if !probe::carries(client.try_clone()?, server.try_clone()?, PATIENCE).await? {
                bail!("the connection carries nothing");
            }
            Ok((client, server))
        })
        .await?;
    cloud.demo.delete(&format!("/security-group-rules/{rule}")).await?;
    steps.check("... and closing it cuts the running connection", cut(running)).await;
    spoofing(built, steps).await
}

/// The connection stops carrying within a moment.
async fn cut((client, server): (std::net::TcpStream, std::net::TcpStream)) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < CUT_WITHIN {
        if !probe::carries(client.try_clone()?, server.try_clone()?, probe::SILENCE).await? {
            return Ok(());
        }
        tokio::time::sleep(probe::PAUSE).await;
    }
    bail!("it still carries after {} ms", CUT_WITHIN.as_millis())
}

/// Forged frames from instance 1 do not reach instance 2; an honest one after them does.
async fn spoofing(built: &Built, steps: &mut Steps) -> Result<()> {
    const PORT: u16 = 7777;
    let (one, two) = (&built.one, &built.two);
    let (from, to) = (place(one)?, place(two)?);
    let forged_mac = MacAddr::new([0x02, 0xde, 0xad, 0xbe, 0xef, 0x01]);
    let forged_ip = Ipv4Addr::new(10, 10, 10, 99);
    let socket = probe::in_place(&to, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))).await?;
    let frame = |source_mac, source, text| probe::Frame {
        source_mac,
        target_mac: two.mac,
        source,
        target: two.ip,
        port: PORT,
        text,
    };
    frame(forged_mac, one.ip, b"mac").send(&from, &one.device).await?;
    frame(one.mac, forged_ip, b"ip").send(&from, &one.device).await?;
    let arp = probe::arp_request(one.mac, forged_ip, two.ip);
    FrameSender::open(&from, &one.device).await?.send(&arp)?;
    frame(one.mac, one.ip, b"honest").send(&from, &one.device).await?;
    let received = steps.step("an honest frame passes", probe::receive_until(socket, b"honest")).await?;
    for (text, what) in [(&b"mac"[..], "a forged MAC address"), (b"ip", "a forged IP address")] {
        steps
            .check(&format!("{what} does not"), async {
                if received.iter().any(|frame| frame == text) {
                    bail!("the frame arrived");
                }
                Ok(())
            })
            .await;
    }
    let links = Links::open(&to).await?;
    let neighbours = links.neighbours(&two.device).await?;
    steps
        .check("a forged ARP sender does not", async {
            if neighbours.iter().any(|neighbour| neighbour.ip == forged_ip) {
                bail!("instance 2 believes that it is there");
            }
            Ok(())
        })
        .await;
    Ok(())
}
