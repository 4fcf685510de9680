//! Both ends of the feed over loopback with real certificates.
#![expect(clippy::expect_used, reason = "what does not hold fails the test")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use isospin_feed::client::{ClientConfig, FeedEvent, JoinError, Outbox, join, run};
use isospin_feed::pki::{Authority, HostIdentity, JoinToken, KeyRequest};
use isospin_feed::proto::from_agent::Message as Said;
use isospin_feed::proto::from_server::Message;
use isospin_feed::proto::{Change, Hello, Record, Report, SecurityGroup, SnapshotBegin, SnapshotEnd, record};
use server::TestServer;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

const SOON: Duration = Duration::from_secs(20);

struct Agent {
    events: mpsc::Receiver<FeedEvent>,
    applied: watch::Sender<u64>,
    _running: DropGuard,
}

impl Agent {
    fn start(urls: Vec<String>, identity: HostIdentity, host: &str) -> Self {
        let hello = Hello { feed_version: 1, host: host.to_owned(), ..Hello::default() };
        let (sender, events) = mpsc::channel(4);
        let applied = watch::Sender::new(0);
        let running = CancellationToken::new();
        let config = ClientConfig { servers: urls, identity, hello };
        tokio::spawn(run(config, applied.subscribe(), sender, running.clone()));
        Self { events, applied, _running: running.drop_guard() }
    }

    async fn next(&mut self) -> FeedEvent {
        timeout(SOON, self.events.recv()).await.expect("in time").expect("the client is alive")
    }

    async fn connected(&mut self) -> Outbox {
        loop {
            if let FeedEvent::Connected { outbox, .. } = self.next().await {
                return outbox;
            }
        }
    }

    async fn refused(&mut self) -> String {
        match self.next().await {
            FeedEvent::Disconnected { reason } => reason,
            other => panic!("not refused: {other:?}"),
        }
    }
}

fn identity(authority: &Authority, host: &str) -> HostIdentity {
    let request = KeyRequest::generate(host).expect("request");
    let certificate = authority.sign_request(request.csr_der(), host).expect("signed");
    request.complete(&certificate, authority.certificate_pem()).expect("identity")
}

fn group(n: u32) -> Record {
    let id = format!("00000000-0000-0000-0000-{n:012}");
    Record { fact: Some(record::Fact::SecurityGroup(SecurityGroup { id, stateful: true })) }
}

#[tokio::test]
async fn a_session_from_join_to_report() {
    let mut server = TestServer::start().await;
    let folder = tempfile::tempdir().expect("folder");
    let joined = join(&server.url(), "h1", &server.token(), folder.path()).await.expect("joined");
    assert_eq!(joined.host(), "h1");
    let identity = HostIdentity::load(folder.path()).expect("readable").expect("kept");

    let mut agent = Agent::start(vec![server.url()], identity, "h1");
    let mut session = server.session().await;
    assert_eq!(session.hello.host, "h1");
    session.welcome(600).await;
    let outbox = agent.connected().await;

    session.tell(Message::Begin(SnapshotBegin { version: 4 })).await;
    session.tell(Message::Item(group(1))).await;
    session.tell(Message::End(SnapshotEnd { version: 4, items: 1 })).await;
    let FeedEvent::Snapshot(snapshot) = agent.next().await else { panic!("no snapshot") };
    assert_eq!((snapshot.version(), snapshot.facts().len()), (4, 1));
    session.tell(Message::Change(Change { version: 5, set: vec![group(2)], ..Change::default() })).await;
    let FeedEvent::Change { change, .. } = agent.next().await else { panic!("no change") };
    assert_eq!((change.version, change.set), (5, vec![group(2)]));

    assert!(outbox.offer(Report { applied_version: 5, items: Vec::new() }));
    loop {
        match session.hear().await {
            Said::Report(report) => break assert_eq!(report.applied_version, 5),
            Said::Heartbeat(_) => {}
            Said::Hello(_) => panic!("a second Hello"),
        }
    }
}

#[tokio::test]
async fn heartbeats_go_on_while_the_host_is_busy() {
    let mut server = TestServer::start().await;
    let mut agent = Agent::start(vec![server.url()], identity(&server.authority, "h1"), "h1");
    let mut session = server.session().await;
    session.welcome(1).await;
    agent.connected().await;
    session.tell(Message::Begin(SnapshotBegin::default())).await;
    session.tell(Message::End(SnapshotEnd::default())).await;
    // More steps than may wait; nobody takes them.
    for version in 1..12 {
        session.tell(Message::Change(Change { version, ..Change::default() })).await;
    }
    agent.applied.send_replace(77);
    let heard = timeout(SOON, async {
        loop {
            match session.hear().await {
                Said::Heartbeat(beat) if beat.applied_version == 77 => break,
                Said::Heartbeat(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    heard.await.expect("a heartbeat with the applied version");
}

#[tokio::test]
async fn a_snapshot_cut_by_the_end_of_the_stream_is_never_seen() {
    let mut server = TestServer::start().await;
    let mut agent = Agent::start(vec![server.url()], identity(&server.authority, "h1"), "h1");
    let session = server.session().await;
    session.welcome(600).await;
    session.tell(Message::Begin(SnapshotBegin { version: 4 })).await;
    session.tell(Message::Item(group(1))).await;
    drop(session);
    agent.connected().await;
    assert!(agent.refused().await.contains("closed the stream"));
}

#[tokio::test]
async fn a_server_that_breaks_the_order_is_left_and_tried_again() {
    let mut server = TestServer::start().await;
    let mut agent = Agent::start(vec![server.url()], identity(&server.authority, "h1"), "h1");
    let session = server.session().await;
    session.tell(Message::Item(group(1))).await;
    assert!(agent.refused().await.contains("did not begin with Welcome"));
    let session = server.session().await;
    session.welcome(600).await;
    session.tell(Message::Change(Change::default())).await;
    agent.connected().await;
    assert!(agent.refused().await.contains("before the first snapshot"));
    server.session().await.welcome(600).await;
    agent.connected().await;
}

#[tokio::test]
async fn the_session_comes_back_when_the_server_does() {
    let mut server = TestServer::start().await;
    let (address, authority) = (server.address, server.authority.clone());
    let mut agent = Agent::start(vec![server.url()], identity(&authority, "h1"), "h1");
    let session = server.session().await;
    session.welcome(600).await;
    let first = agent.connected().await;
    drop((session, server));
    agent.refused().await;
    assert!(!first.offer(Report::default()), "an outbox of a session that has ended takes nothing");
    let mut server = TestServer::start_at(address, authority).await;
    server.session().await.welcome(600).await;
    agent.connected().await;
}

#[tokio::test]
async fn servers_are_tried_in_turn() {
    let mut server = TestServer::start().await;
    // Port 1 of loopback: nobody listens there.
    let urls = vec!["https://127.0.0.1:1".to_owned(), server.url()];
    let mut agent = Agent::start(urls, identity(&server.authority, "h1"), "h1");
    assert!(agent.refused().await.contains("cannot connect to https://127.0.0.1:1"));
    server.session().await.welcome(600).await;
    agent.connected().await;
}

/// N35: an agent's interface was open to callers without a certificate.
#[tokio::test]
async fn n35_without_a_certificate_there_is_no_session() {
    let server = TestServer::start().await;
    let tls = tonic::transport::ClientTlsConfig::new()
        .domain_name(isospin_feed::pki::SERVER_NAME)
        .ca_certificate(tonic::transport::Certificate::from_pem(server.authority.certificate_pem()));
    let channel = tonic::transport::Endpoint::from_shared(server.url())
        .and_then(|endpoint| endpoint.tls_config(tls))
        .expect("endpoint")
        .connect()
        .await
        .expect("joining must work without a certificate");
    let mut client = isospin_feed::proto::feed_client::FeedClient::new(channel);
    let refused = client.session(tokio_stream::pending()).await.expect_err("a session");
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let server = TestServer::start().await;
    let mut agent = Agent::start(vec![server.url()], identity(&server.authority, "h1"), "h2");
    assert!(agent.refused().await.contains("the certificate is for h1"));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_both_ends() {
    let mut server = TestServer::start().await;
    let foreign = Authority::generate().expect("authority");
    // The agent does not trust the server ...
    let mut agent = Agent::start(vec![server.url()], identity(&foreign, "h1"), "h1");
    assert!(agent.refused().await.contains("invalid peer certificate"));
    // ... nor the server the agent.
    let request = KeyRequest::generate("h1").expect("request");
    let certificate = foreign.sign_request(request.csr_der(), "h1").expect("signed");
    let mixed = request.complete(&certificate, server.authority.certificate_pem()).expect("identity");
    let mut agent = Agent::start(vec![server.url()], mixed, "h1");
    let reason = agent.refused().await;
    assert!(reason.contains("alert") || reason.contains("connect"), "not refused by TLS: {reason}");
    assert!(server.waiting().is_none(), "the server took the session");
}

#[tokio::test]
async fn a_token_serves_once() {
    let server = TestServer::start().await;
    let (token, folder) = (server.token(), tempfile::tempdir().expect("folder"));
    join(&server.url(), "h1", &token, folder.path()).await.expect("joined");
    let again = join(&server.url(), "h2", &token, folder.path()).await;
    assert!(matches!(again, Err(JoinError::Token)), "{again:?}");
    let kept = HostIdentity::load(folder.path()).expect("readable").expect("kept");
    assert_eq!(kept.host(), "h1", "a refused join replaced the identity");
}

#[tokio::test]
async fn the_secret_is_not_shown_to_a_server_of_another_authority() {
    let server = TestServer::start().await;
    let elsewhere = Authority::generate().expect("authority");
    let folder = tempfile::tempdir().expect("folder");
    let token = JoinToken::generate(elsewhere.fingerprint());
    let refused = join(&server.url(), "h1", &token, folder.path()).await;
    assert!(matches!(refused, Err(JoinError::Connect(_))), "{refused:?}");
    assert_eq!(server.asked(), Vec::<String>::new());
    assert!(HostIdentity::load(folder.path()).expect("readable").is_none());
}

#[tokio::test]
async fn plain_http_and_nonsense_are_no_urls_of_a_server() {
    let server = TestServer::start().await;
    let folder = tempfile::tempdir().expect("folder");
    for url in [format!("http://{}", server.address), server.address.to_string(), "https://".to_owned()] {
        let refused = join(&url, "h1", &server.token(), folder.path()).await;
        let text = refused.expect_err("joined").to_string();
        assert!(text.contains("is not an https URL"), "{url}: {text}");
    }
}

#[tokio::test]
async fn many_hosts_share_one_server() {
    let mut server = TestServer::start().await;
    let authority = Arc::clone(&server.authority);
    let agents: Vec<Agent> = (0..20)
        .map(|n| {
            let host = format!("h{n}");
            Agent::start(vec![server.url()], identity(&authority, &host), &host)
        })
        .collect();
    let mut hosts = std::collections::BTreeSet::new();
    for _ in 0..agents.len() {
        hosts.insert(server.session().await.hello.host);
    }
    assert_eq!(hosts.len(), agents.len());
}
