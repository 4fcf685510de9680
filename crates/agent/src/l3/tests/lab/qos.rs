//! Limits and marks of what passes a gateway, with real packets.

use isospin_feed::facts::{Direction, Qos};

use super::*;
use crate::l3::tests::qos::bandwidth;

/// Sent at once in a test; each 1000 bytes and headers.
pub(super) const DATAGRAMS: u64 = 200;
/// More than a limit of 1000 bytes a second lets pass at once, which is a whole packet's worth.
const LIMITED: u64 = 80;

/// Counts datagrams that arrive at the machine, and those of them that are marked.
async fn count(machine: &Namespace) {
    let rules = "table ip count {\n counter every { }\n counter marked { }\n chain input {\n \
         type filter hook input priority 0;\n udp dport 9 counter name every\n \
         udp dport 9 ip dscp 26 counter name marked\n }\n}\n";
    Nft::open(machine.clone().into()).apply(rules).await.expect("rules");
}

async fn counted(machine: &Namespace, counter: &str) -> u64 {
    let shown = run(machine, "nft", &["list", "counter", "ip", "count", counter]).await.expect("list");
    let words: Vec<&str> = shown.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "packets").expect("packets");
    words[at + 1].parse().expect("a number")
}

/// Sends datagrams to the address.
pub(super) async fn send(machine: &Namespace, to: &'static str) {
    let send = move || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        (0..DATAGRAMS).try_for_each(|_| socket.send_to(&[0; 1000], (to, 9)).map(|_| ()))
    };
    machine.run(send).await.expect("enter").expect("send");
}

/// How many of the datagrams sent now arrive, at least `least` of them.
async fn arriving(from: &Namespace, to: &'static str, at: &Namespace, least: u64) -> u64 {
    let before = counted(at, "every").await;
    send(from, to).await;
    until("datagrams arrive", async || counted(at, "every").await >= before + least).await;
    counted(at, "every").await - before
}

#[tokio::test(flavor = "multi_thread")]
async fn floating_ips_and_the_gateway_have_limits_of_their_own() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.pass_and_plug(&usual).await;
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    let floating = lab.machine("int", "10.20.0.146/24", Some("10.20.0.1")).await;
    let plain = lab.machine("int", "10.20.0.20/24", Some("10.20.0.1")).await;
    for machine in [&outside, &floating, &plain] {
        count(machine).await;
    }
    // Everybody knows their neighbours before anything counts.
    assert!(reaches(&outside, "172.24.0.76").await && reaches(&plain, "172.24.0.1").await);
    assert!(reaches(&plain, "10.20.0.146").await);

    lab.world.change_floating(usual.floating, |floating| {
        floating.qos = bandwidth(&[(Direction::Egress, 8), (Direction::Ingress, 8)]);
        floating.qos.dscp = Some(26);
    });
    let report = lab.pass_over(&touched(), true).await;
    assert_eq!(state(&report, FactKey::FloatingIp(usual.floating)), ItemState::Up);
    let out = arriving(&floating, "172.24.0.1", &outside, 1).await;
    assert!(out < LIMITED, "{out} left with the floating IP");
    assert_eq!(counted(&outside, "marked").await, out, "what leaves with it carries the mark");
    let back = arriving(&outside, "172.24.0.76", &floating, 1).await;
    assert!(back < LIMITED, "{back} came in by the floating IP");
    assert_eq!(arriving(&plain, "172.24.0.1", &outside, DATAGRAMS).await, DATAGRAMS, "others");
    assert_eq!(arriving(&plain, "10.20.0.146", &floating, DATAGRAMS).await, DATAGRAMS, "inside");
    assert_eq!(lab.pass().await.changes, 0, "a healthy host is left alone");
    lab.restart_agent();
    assert_eq!(lab.pass().await.changes, 0, "also by a fresh agent");

    // The gateway's address instead.
    lab.world.change_floating(usual.floating, |floating| floating.qos = Qos::default());
    lab.world.change(usual.router, |router| router.gateway_qos = bandwidth(&[(Direction::Egress, 8)]));
    lab.pass_over(&touched(), true).await;
    let out = arriving(&plain, "172.24.0.1", &outside, 1).await;
    assert!(out < LIMITED, "{out} left with the gateway's address");
    assert_eq!(arriving(&floating, "172.24.0.1", &outside, DATAGRAMS).await, DATAGRAMS, "a floating IP");

    // Damage is seen, and the table goes with the last limit.
    run(&lab.router(usual.router), "nft", &["flush", "table", "ip", owned::QOS_TABLE]).await.expect("damage");
    assert!(lab.pass().await.changes > 0);
    lab.world.change(usual.router, |router| router.gateway_qos = Qos::default());
    assert!(lab.pass_over(&touched(), true).await.changes > 0);
    let tables = Nft::open(lab.router(usual.router).into()).list_tables().await.expect("list");
    assert!(!tables.iter().any(|(_, name)| name == owned::QOS_TABLE), "{tables:?}");
    assert_eq!(arriving(&plain, "172.24.0.1", &outside, DATAGRAMS).await, DATAGRAMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn n17_any_limit_is_taken_by_the_kernel() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    for amount in [1, 65_536, 2_147_483_647, u32::MAX] {
        let asked = bandwidth(&[(Direction::Egress, amount), (Direction::Ingress, amount)]);
        let asked = Qos { packets: asked.bandwidth.clone(), ..asked };
        lab.world.change(usual.router, |router| router.gateway_qos = asked.clone());
        lab.world.change_floating(usual.floating, |floating| floating.qos = asked);
        let report = lab.pass().await;
        assert_eq!(state(&report, FactKey::Router(usual.router)), ItemState::Up, "{amount}");
        assert_eq!(lab.pass().await.changes, 0, "{amount}");
    }
}
