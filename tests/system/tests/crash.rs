//! Processes that are killed, stopped and started again while packets flow: the kernel
//! holds the state, so nothing is lost, and who comes back changes nothing.

#![expect(clippy::print_stdout, reason = "the figures are worth reading when a test failed")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use isospin_system::{Cloud, DEMO, Host, Ping, Stream, same_shape, shape};

/// A block that took longer was lost on the way and sent again.
const NO_RETRANSMISSION: Duration = Duration::from_millis(190);

/// Ping at 1 kHz and a TCP stream, between the instances and through the floating IP.
struct Traffic {
    pings: Vec<(&'static str, Ping)>,
    streams: Vec<(&'static str, Stream)>,
}

impl Traffic {
    fn start(cloud: &Cloud) -> Result<Self> {
        let [one, two, _] = cloud.addresses;
        let [first, second, _] = DEMO;
        let pings = vec![
            ("between instances", Ping::start(first, two)?),
            ("through the floating IP", Ping::start("", cloud.floating)?),
            ("outwards", Ping::start(second, [10, 77, 77, 1].into())?),
        ];
        let streams = vec![
            ("between instances", Stream::start(second, first, SocketAddr::from((one, 5001)))?),
            ("through the floating IP", Stream::start("", first, SocketAddr::from((cloud.floating, 5002)))?),
        ];
        Ok(Self { pings, streams })
    }

    /// Stops it; nothing may have been lost.
    fn finish(self, during: &str) -> Result<()> {
        for (way, ping) in self.pings {
            let pinged = ping.finish()?;
            println!(
                "{during}, ping {way}: {} sent, {} lost, longest silence {:?}",
                pinged.sent,
                pinged.lost.len(),
                pinged.silence
            );
            assert!(pinged.sent > 100, "{during}: hardly a ping {way}");
            assert!(
                pinged.lost.is_empty(),
                "{during}, ping {way}: lost {:?} of {}",
                pinged.lost,
                pinged.sent
            );
        }
        for (way, stream) in self.streams {
            let streamed = stream.finish()?;
            println!("{during}, TCP {way}: {} blocks, slowest {:?}", streamed.blocks, streamed.longest);
            assert!(streamed.blocks > 100, "{during}: hardly a block {way}");
            assert!(
                streamed.longest < NO_RETRANSMISSION,
                "{during}, TCP {way}: a block took {:?}",
                streamed.longest
            );
        }
        Ok(())
    }
}

#[test]
fn killed_processes_cost_no_packet_and_come_back_without_a_change() -> Result<()> {
    let Some(_host) = Host::enter("the crash test")? else { return Ok(()) };
    let cloud = Cloud::start()?;
    cloud.agent()?;
    let (resources, before) = (cloud.admin.everything()?, shape()?);
    for killed in [&["server"][..], &["agent"], &["server", "agent"]] {
        let traffic = Traffic::start(&cloud)?;
        let took = cloud.kill(killed)?;
        let agent = cloud.agent()?;
        let what = format!("kill -9 of {}", killed.join(" and "));
        println!("{what}: ready again after {took:?}");
        traffic.finish(&what)?;
        if killed.contains(&"agent") {
            assert_eq!(agent["changes"], 0, "{what}: {agent}");
        }
        assert_eq!(cloud.admin.everything()?, resources, "{what}");
        same_shape(&before, Duration::ZERO).context(what)?;
    }
    Ok(())
}

#[test]
fn down_leaves_traffic_alone_and_up_takes_over_without_a_change() -> Result<()> {
    let Some(_host) = Host::enter("the test of down and up")? else { return Ok(()) };
    let mut cloud = Cloud::start()?;
    cloud.agent()?;
    let (resources, before) = (cloud.admin.everything()?, shape()?);
    let traffic = Traffic::start(&cloud)?;
    cloud.installation.run(&["down"])?;
    assert!(cloud.pid("agent").is_err() && cloud.pid("server").is_err(), "they run on");
    same_shape(&before, Duration::ZERO).context("after down")?;
    cloud.installation.up("real")?;
    let agent = cloud.agent()?;
    traffic.finish("down and up")?;
    assert_eq!(agent["changes"], 0, "{agent}");
    same_shape(&before, Duration::ZERO).context("after up")?;
    cloud.log_in()?;
    assert_eq!(cloud.admin.everything()?, resources);
    Ok(())
}
