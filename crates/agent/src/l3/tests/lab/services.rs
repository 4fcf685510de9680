//! What a router does beyond routing and one-to-one translation: forwarded ports and
//! conntrack helpers.

use std::time::Duration;

use isospin_feed::facts::FactKey;
use isospin_host_io::{Conntrack, FlowFilter, Namespace, Nft};

use super::{Lab, reaches, run, state, touched};
use crate::converge::ItemState;
use crate::l3::owned;
use crate::l3::tests::facts::Forwarded;

/// Answers every connection to the port with its own name and the peer's address.
async fn answer(machine: &Namespace, port: u16, name: &'static str) {
    use tokio::io::AsyncWriteExt;

    let open = move || {
        std::net::TcpListener::bind(("0.0.0.0", port)).and_then(|socket| {
            socket.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(socket)
        })
    };
    let listener = machine.run(open).await.expect("enter").expect("listen");
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let _ = stream.write_all(format!("{name} {}", peer.ip()).as_bytes()).await;
        }
    });
}

/// What a connection to the address is answered; `None` when there is no answer.
async fn ask(machine: &Namespace, to: &'static str) -> Option<String> {
    use tokio::io::AsyncReadExt;

    let connect =
        move || std::net::TcpStream::connect_timeout(&to.parse().expect("address"), Duration::from_secs(1));
    let stream = machine.run(connect).await.expect("enter").ok()?;
    stream.set_nonblocking(true).expect("nonblocking");
    let mut stream = tokio::net::TcpStream::from_std(stream).expect("stream");
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await;
    read.ok()?.ok()?;
    Some(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_ports_lead_to_their_instances() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    let forwards: &[Forwarded] = &[
        (6, Some([(2222, 2222), (22, 22)]), "10.20.0.146"),
        (6, Some([(1000, 2000), (1000, 2000)]), "10.20.0.20"),
        (6, Some([(3000, 3010), (4000, 4010)]), "10.20.0.20"),
        (6, Some([(5000, 5010), (22, 22)]), "10.20.0.20"),
        (1, None, "10.20.0.20"),
    ];
    let outer = lab.world.forwarding(usual.router, "172.24.0.80", forwards);
    let report = lab.pass_and_plug(&usual).await;
    assert_eq!(state(&report, FactKey::FloatingIp(outer)), ItemState::Up);
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    let first = lab.machine("int", "10.20.0.146/24", Some("10.20.0.1")).await;
    let second = lab.machine("int", "10.20.0.20/24", Some("10.20.0.1")).await;
    answer(&first, 22, "first").await;
    for port in [22, 1500, 4007] {
        answer(&second, port, "second").await;
    }
    let from = async |machine: &Namespace, to| ask(machine, to).await.unwrap_or_default();
    assert_eq!(from(&outside, "172.24.0.80:2222").await, "first 172.24.0.1", "one port");
    assert_eq!(from(&outside, "172.24.0.80:1500").await, "second 172.24.0.1", "the same of a range");
    assert_eq!(from(&outside, "172.24.0.80:3007").await, "second 172.24.0.1", "in order of a range");
    assert_eq!(from(&outside, "172.24.0.80:5003").await, "second 172.24.0.1", "all to one");
    assert!(reaches(&outside, "172.24.0.80").await, "a protocol without ports");
    assert_eq!(ask(&outside, "172.24.0.80:22").await, None, "what is not forwarded");
    assert_eq!(from(&second, "172.24.0.80:2222").await, "first 172.24.2.252", "hairpin");
    assert_eq!(from(&first, "172.24.0.80:2222").await, "first 172.24.0.76", "hairpin to itself");
    assert_eq!(lab.pass().await.changes, 0, "a healthy host is left alone");
    lab.restart_agent();
    assert_eq!(lab.pass().await.changes, 0, "also by a fresh agent");

    // Another inner port takes the place of the first, also for who is connected.
    lab.world.facts.floating_ips.remove(&outer);
    lab.world.forwarding(usual.router, "172.24.0.80", &[(6, Some([(2222, 2222), (22, 22)]), "10.20.0.20")]);
    let conntrack = Conntrack::open(lab.router(usual.router).into());
    let old = FlowFilter { reply_source: "10.20.0.146".parse().ok(), ..FlowFilter::default() };
    assert!(!conntrack.list(old).await.expect("list").is_empty());
    assert!(lab.pass_over(&touched(), true).await.changes > 0);
    assert_eq!(conntrack.list(old).await.expect("list"), []);
    assert_eq!(from(&outside, "172.24.0.80:2222").await, "second 172.24.0.1");
    assert_eq!(ask(&outside, "172.24.0.80:1500").await, None, "a range that is gone");
    assert_eq!(lab.pass().await.changes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conntrack_helper_lets_a_transfer_from_another_port_in() {
    let Some(mut lab) = Lab::new().await else { return };
    let usual = lab.world.usual();
    lab.world.helper(usual.router, "tftp", 17, 69);
    let report = lab.pass_and_plug(&usual).await;
    let state = state(&report, FactKey::Router(usual.router));
    if let ItemState::Failed(reason) = state {
        eprintln!("SKIPPED: this kernel has no TFTP helper: {reason}");
        return;
    }
    let outside = lab.machine("ext", "172.24.0.1/16", None).await;
    let instance = lab.machine("int", "10.20.0.20/24", Some("10.20.0.1")).await;
    let open = |port: u16| {
        move || {
            std::net::UdpSocket::bind(("0.0.0.0", port)).and_then(|socket| {
                socket.set_nonblocking(true)?;
                tokio::net::UdpSocket::from_std(socket)
            })
        }
    };
    let server = outside.run(open(69)).await.expect("enter").expect("bind");
    let transfer = outside.run(open(5555)).await.expect("enter").expect("bind");
    let client = instance.run(open(4444)).await.expect("enter").expect("bind");
    let mut buffer = [0; 100];
    // A TFTP read request; the answer comes from another port (RFC 1350).
    client.send_to(b"\0\x01file\0octet\0", "172.24.0.1:69").await.expect("send");
    let limit = Duration::from_secs(5);
    let asked = tokio::time::timeout(limit, server.recv_from(&mut buffer)).await.expect("asked");
    let peer = asked.expect("receive").1;
    assert_eq!(peer.ip().to_string(), "172.24.2.252");
    transfer.send_to(b"\0\x03\0\x01data", peer).await.expect("send");
    let got = tokio::time::timeout(limit, client.recv_from(&mut buffer)).await.expect("the transfer came in");
    assert_eq!(got.expect("receive").0, 8);
    assert_eq!(lab.pass().await.changes, 0, "a healthy host is left alone");

    let table = "isospin_helper_tftp_udp";
    run(&lab.router(usual.router), "nft", &["flush", "table", "ip", table]).await.expect("damage");
    assert!(lab.pass().await.changes > 0, "damage is seen");
    assert_eq!(lab.pass().await.changes, 0);
    // One the kernel does not have spoils only itself.
    lab.world.helper(usual.router, "no-such-helper", 17, 70);
    let report = lab.pass().await;
    let ItemState::Failed(_) =
        report.items.iter().find(|item| item.key == FactKey::Router(usual.router)).expect("it").state
    else {
        panic!("{report:#?}")
    };
    assert!(reaches(&instance, "172.24.0.1").await);
    lab.world.change(usual.router, |router| router.conntrack_helpers.clear());
    lab.pass().await;
    let tables = Nft::open(lab.router(usual.router).into()).list_tables().await.expect("list");
    assert!(!tables.iter().any(|(_, name)| name.starts_with(owned::HELPER_PREFIX)), "{tables:?}");
}
