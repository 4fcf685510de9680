//! Simulated hosts against a feed server held by the test.
#![expect(clippy::expect_used, reason = "what does not hold fails the test")]

#[path = "../../../feed/tests/mtls/server.rs"]
#[expect(dead_code, reason = "shared with the tests of the feed, which use all of it")]
mod server;

use isospin_agent::config::Role;
use isospin_feed::facts::FactKey;
use isospin_feed::proto::from_agent::Message as Said;
use isospin_feed::proto::from_server::Message;
use isospin_feed::proto::item_status::State;
use isospin_feed::proto::{
    Change, DhcpService, ItemStatus, Port, Record, SnapshotBegin, SnapshotEnd, record::Fact,
};
use isospin_testkit::simulated::SimulatedHost;
use server::{Session, TestServer};

const NETWORK: &str = "00000000-0000-0000-0000-0000000000aa";

fn port(n: u32, host: &str) -> Record {
    Record {
        fact: Some(Fact::Port(Port {
            id: port_id(n),
            network_id: NETWORK.to_owned(),
            mac_address: "fa:16:3e:00:00:01".to_owned(),
            admin_state_up: true,
            host: host.to_owned(),
            ..Port::default()
        })),
    }
}

fn port_id(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

async fn snapshot(session: &Session, version: u64, items: Vec<Record>) {
    session.tell(Message::Begin(SnapshotBegin { version })).await;
    let count = items.len() as u64;
    for item in items {
        session.tell(Message::Item(item)).await;
    }
    session.tell(Message::End(SnapshotEnd { version, items: count })).await;
}

/// Items of all reports up to the one of this version.
async fn reported(session: &mut Session, version: u64) -> Vec<ItemStatus> {
    let mut items = Vec::new();
    loop {
        if let Said::Report(report) = session.hear().await {
            items.extend(report.items);
            if report.applied_version == version {
                return items;
            }
        }
    }
}

fn lines(items: &[ItemStatus]) -> Vec<(String, String, State)> {
    let mut lines: Vec<_> = items.iter().map(|it| (it.id.clone(), it.party.clone(), it.state())).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_host_reports_its_ports_by_every_party() {
    let mut server = TestServer::start().await;
    let host = SimulatedHost::join(&server.url(), "h1", &server.token(), &[Role::L2, Role::Dhcp]).await;
    let host = host.expect("joined");
    let mut session = server.session().await;
    assert_eq!((session.hello.host.as_str(), session.hello.roles.len()), ("h1", 2));
    session.welcome(600).await;
    let service = DhcpService { id: NETWORK.into(), network_id: NETWORK.into(), port_id: port_id(9) };
    let service = Record { fact: Some(Fact::DhcpService(service)) };
    snapshot(&session, 1, vec![port(1, "h1"), port(2, "h2"), service]).await;
    host.applied(1).await.expect("applied");
    let items = reported(&mut session, 1).await;
    let ports: Vec<_> = items.iter().filter(|it| it.kind == "port").cloned().collect();
    let expected =
        [(1, "dhcp"), (1, "l2"), (2, "dhcp")].map(|(n, party)| (port_id(n), party.to_owned(), State::Up));
    assert_eq!(lines(&ports), expected);
    host.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_host_can_be_held_stepped_failed_healed_and_restarted() {
    let mut server = TestServer::start().await;
    let mut host =
        SimulatedHost::join(&server.url(), "h1", &server.token(), &[Role::L2]).await.expect("joined");
    let mut session = server.session().await;
    session.welcome(600).await;
    snapshot(&session, 1, Vec::new()).await;
    host.applied(1).await.expect("applied");
    reported(&mut session, 1).await;

    host.hold();
    let change = Change { version: 2, set: vec![port(1, "h1")], ..Change::default() };
    session.tell(Message::Change(change)).await;
    assert_eq!(host.status().applied_version, 1);
    host.step();
    host.applied(2).await.expect("one round");
    assert_eq!(lines(&reported(&mut session, 2).await), [(port_id(1), "l2".to_owned(), State::Up)]);
    host.release();

    let key = FactKey::Port(port_id(1).parse().expect("id"));
    host.fail(key, "no wire");
    let failed = host.until(|status| !status.failed.is_empty()).await.expect("failed");
    assert_eq!(failed.failed[0].reason, "no wire");
    host.heal(&key);
    host.until(|status| status.failed.is_empty()).await.expect("healed");

    drop(session);
    drop(server);
    host.restart().await.expect("a clean end");
    let status = host.applied(2).await.expect("served from disk");
    assert!(!status.connected);
    assert_eq!(status.changes, 0);
}

#[tokio::test]
async fn two_hundred_hosts_run_in_one_process() {
    const HOSTS: u32 = 200;
    let mut server = TestServer::start().await;
    let mut hosts = Vec::new();
    for n in 0..HOSTS {
        let request = isospin_feed::pki::KeyRequest::generate(&format!("h{n}")).expect("request");
        let signed = server.authority.sign_request(request.csr_der(), &format!("h{n}")).expect("signed");
        let identity = request.complete(&signed, server.authority.certificate_pem()).expect("identity");
        hosts.push(SimulatedHost::start(vec![server.url()], identity, &[Role::L2]).expect("started"));
    }
    let mut sessions = Vec::new();
    for _ in 0..HOSTS {
        let session = server.session().await;
        session.welcome(600).await;
        let name = session.hello.host.clone();
        snapshot(&session, 5, vec![port(1, &name)]).await;
        sessions.push(session);
    }
    for session in &mut sessions {
        assert_eq!(reported(session, 5).await.len(), 1);
    }
    for host in hosts {
        assert_eq!(host.applied(5).await.expect("applied").failed, []);
        host.stop().await.expect("a clean end");
    }
}
