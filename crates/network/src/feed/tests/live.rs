//! Real servers and simulated hosts over loopback with mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use isospin_agent::config::Role;
use isospin_feed::client::{self, ClientConfig, FeedEvent};
use isospin_feed::facts::FactKey;
use isospin_feed::pki::{Authority, HostIdentity, JoinToken, KeyRequest};
use isospin_feed::proto::Hello;
use isospin_testkit::simulated::SimulatedHost;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{create, hello, id, network, port, shown};
use crate::feed::{create_join_token, serve};
use crate::testing::TestApi;
use crate::{App, MIGRATIONS};

const EVERYTHING: &[Role] = &[Role::L2, Role::L3, Role::Dhcp, Role::Metadata];
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may speak to whom; survives servers.
struct Realm {
    authority: Arc<Authority>,
    tokens: TempDir,
}

impl Realm {
    fn new() -> Self {
        let authority = Arc::new(Authority::generate().expect("an authority"));
        Self { authority, tokens: tempfile::tempdir().expect("a folder") }
    }

    fn token(&self, host: &str) -> JoinToken {
        create_join_token(self.tokens.path(), &self.authority, host).expect("a token")
    }

    fn identity(&self, host: &str) -> HostIdentity {
        let request = KeyRequest::generate(host).expect("a request");
        let signed = self.authority.sign_request(request.csr_der(), host).expect("signed");
        request.complete(&signed, self.authority.certificate_pem()).expect("an identity")
    }
}

/// A running feed server.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    async fn start(realm: &Realm, app: App) -> Self {
        Self::start_at(realm, app, "127.0.0.1:0".parse().expect("an address")).await
    }

    async fn start_at(realm: &Realm, app: App, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let tls = realm.authority.server_tls(&names).expect("a certificate");
        let stop = CancellationToken::new();
        let tokens = realm.tokens.path().to_owned();
        let serving =
            serve(app, realm.authority.clone(), tokens, tls, listener, stop.clone().cancelled_owned());
        Self { address, stop, task: tokio::spawn(serving) }
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Ends the server while hosts are connected.
    async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("the server ends when told to");
        ended.expect("no panic").expect("no failure");
    }
}

/// Waits until the check holds; it looks at the database, which tells nobody.
async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(10));
    let waited = tokio::time::timeout(PATIENCE, async {
        while !check().await {
            look.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain: {what}");
}

/// How many ports of instances have this status.
async fn count(api: &TestApi, status: &str) -> usize {
    let path = format!("/v2.0/ports?device_owner=compute:nova&status={status}&fields=id");
    let answer = api.expect(200, "admin", "GET", &path, Value::Null).await;
    answer["ports"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_bound_to_a_host_becomes_active_fails_and_heals() {
    TestApi::on_each_engine(|api| async move {
        let realm = Realm::new();
        let server = Server::start(&realm, api.app.clone()).await;
        let host =
            SimulatedHost::join(&server.url(), "h1", &realm.token("h1"), EVERYTHING).await.expect("joined");
        host.until(|status| status.ready).await.expect("ready");
        let external = id(&create(&api, "networks", "network", json!({"router:external": true})).await);
        let object =
            json!({"network_id": external, "ip_version": 4, "cidr": "172.24.0.0/24", "enable_dhcp": false});
        create(&api, "subnets", "subnet", object).await;
        let inner = network(&api, "10.1.0.0/24").await;
        let instance = port(&api, &inner, "h1").await;
        until("the port", async || super::status(&api, &instance).await == "ACTIVE").await;

        let gateway = json!({"external_gateway_info": {"network_id": external}});
        let router = id(&create(&api, "routers", "router", gateway).await);
        let subnet = shown(&api, "networks", "network", &inner, "subnets").await[0].take();
        let path = format!("/v2.0/routers/{router}/add_router_interface");
        api.expect(200, "admin", "PUT", &path, json!({"subnet_id": subnet})).await;
        let object = json!({"floating_network_id": external, "port_id": instance});
        let floating_ip = id(&create(&api, "floatingips", "floatingip", object).await);
        until("the floating IP", async || {
            shown(&api, "floatingips", "floatingip", &floating_ip, "status").await == "ACTIVE"
        })
        .await;
        until("the router's own ports", async || {
            let path = format!("/v2.0/ports?device_id={router}");
            let ports = api.expect(200, "admin", "GET", &path, Value::Null).await;
            let ports = ports["ports"].as_array().expect("a list").clone();
            ports.len() == 2 && ports.iter().all(|port| port["status"] == "ACTIVE")
        })
        .await;

        let key = FactKey::Port(instance.parse().expect("an id"));
        host.fail(key, "no wire");
        until("the failure", async || super::status(&api, &instance).await == "ERROR").await;
        host.heal(&key);
        until("the healing", async || super::status(&api, &instance).await == "ACTIVE").await;
        host.stop().await.expect("a clean end");
        server.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_hosts_outlive_their_server() {
    const HOSTS: usize = 50;
    TestApi::on_each_engine(|api| async move {
        let realm = Realm::new();
        let server = Server::start(&realm, api.app.clone()).await;
        let mut hosts = Vec::new();
        for n in 0..HOSTS {
            let identity = realm.identity(&format!("h{n}"));
            hosts.push(
                SimulatedHost::start(vec![server.url()], identity, &[Role::L2, Role::Dhcp]).expect("started"),
            );
        }
        for host in &hosts {
            host.until(|status| status.ready).await.expect("ready");
        }
        let shared = network(&api, "10.1.0.0/16").await;
        let mut ports = Vec::new();
        for n in 0..HOSTS {
            ports.push(port(&api, &shared, &format!("h{n}")).await);
        }
        until("all ports", async || count(&api, "ACTIVE").await == HOSTS).await;

        // What changes while no server is there is told by the next one.
        let address = server.address;
        server.end().await;
        for host in &hosts {
            host.until(|status| !status.connected).await.expect("noticed");
        }
        for (n, gone) in ports.iter().enumerate().take(10) {
            api.expect(204, "admin", "DELETE", &format!("/v2.0/ports/{gone}"), Value::Null).await;
            port(&api, &shared, &format!("h{}", HOSTS - 1 - n)).await;
        }
        assert_eq!(count(&api, "ACTIVE").await, HOSTS - 10);
        let server = Server::start_at(&realm, api.app.clone(), address).await;
        until("the ports made meanwhile", async || count(&api, "ACTIVE").await == HOSTS).await;
        let version = *api.store().versions().borrow();
        for host in &hosts {
            host.until(|status| status.connected && status.failed.is_empty()).await.expect("connected");
        }
        // Status comes back as reports, which are no changes: nothing circles.
        assert_eq!(*api.store().versions().borrow(), version);
        for host in hosts {
            host.stop().await.expect("a clean end");
        }
        server.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_says_it_is_another_is_refused() {
    let api = TestApi::new(isospin_store_kit::Engine::Sqlite).await;
    let realm = Realm::new();
    let server = Server::start(&realm, api.app.clone()).await;
    let config = ClientConfig {
        servers: vec![server.url()],
        identity: realm.identity("h1"),
        hello: hello("h2", &["l2"], "192.0.2.66"),
    };
    let (events, mut heard) = mpsc::channel(8);
    let (_applied, applied) = watch::channel(0);
    let shutdown = CancellationToken::new();
    let client = tokio::spawn(client::run(config, applied, events, shutdown.clone()));
    let first = tokio::time::timeout(PATIENCE, heard.recv()).await.expect("in time").expect("an event");
    let FeedEvent::Disconnected { reason } = first else { panic!("the server welcomed it: {first:?}") };
    assert!(reason.contains("'h1'") && reason.contains("'h2'"), "{reason}");
    let agents = api.expect(200, "admin", "GET", "/v2.0/agents", Value::Null).await;
    assert_eq!(agents["agents"], json!([]), "it left no trace");
    shutdown.cancel();
    client.await.expect("a clean end");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_of_the_release_before_and_after_are_served() {
    let api = TestApi::new(isospin_store_kit::Engine::Sqlite).await;
    let realm = Realm::new();
    let server = Server::start(&realm, api.app.clone()).await;
    for (host, feed_version) in [("h0", 0), ("h2", 2)] {
        let said = Hello { feed_version, ..hello(host, &["l2"], "") };
        let config =
            ClientConfig { servers: vec![server.url()], identity: realm.identity(host), hello: said };
        let (events, mut heard) = mpsc::channel(8);
        let (_applied, applied) = watch::channel(0);
        let shutdown = CancellationToken::new();
        let client = tokio::spawn(client::run(config, applied, events, shutdown.clone()));
        let mut next = async || tokio::time::timeout(PATIENCE, heard.recv()).await.expect("in time");
        assert!(matches!(next().await, Some(FeedEvent::Connected { .. })), "{feed_version}");
        assert!(matches!(next().await, Some(FeedEvent::Snapshot(_))), "{feed_version}");
        shutdown.cancel();
        client.await.expect("a clean end");
    }
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_token_lets_nobody_in() {
    let api = TestApi::new(isospin_store_kit::Engine::Sqlite).await;
    let realm = Realm::new();
    let server = Server::start(&realm, api.app.clone()).await;
    let token = realm.token("h1");
    let host = SimulatedHost::join(&server.url(), "h1", &token, &[Role::L2]).await.expect("joined");
    host.until(|status| status.ready).await.expect("ready");
    assert!(SimulatedHost::join(&server.url(), "h1", &token, &[Role::L2]).await.is_err());
    assert!(SimulatedHost::join(&server.url(), "h2", &realm.token("h1"), &[Role::L2]).await.is_err());
    host.stop().await.expect("a clean end");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_agent_that_is_alive_comes_back() {
    let api = TestApi::new(isospin_store_kit::Engine::Sqlite).await;
    let realm = Realm::new();
    let server = Server::start(&realm, api.app.clone()).await;
    let mut host =
        SimulatedHost::join(&server.url(), "h1", &realm.token("h1"), EVERYTHING).await.expect("joined");
    host.until(|status| status.ready).await.expect("ready");
    let list = async || api.expect(200, "admin", "GET", "/v2.0/agents", Value::Null).await["agents"].take();
    let before = list().await;
    assert_eq!(before.as_array().map(Vec::len), Some(4));
    for agent in before.as_array().expect("a list") {
        api.expect(204, "admin", "DELETE", &format!("/v2.0/agents/{}", id(agent)), Value::Null).await;
    }
    assert_eq!(list().await, json!([]));
    host.restart().await.expect("a clean end");
    until("its agents", async || list().await.as_array().map(Vec::len) == Some(4)).await;
    host.stop().await.expect("a clean end");
    server.end().await;
}

/// Two servers share one database, each with hosts of its own: what comes about at
/// one is told by the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_database_tell_the_same() {
    let database = isospin_testkit::databases::TestStore::postgres(&[MIGRATIONS]).await.expect("a database");
    let api = TestApi::over(database, crate::Settings::default()).await;
    let second = isospin_store_kit::Store::open(api.config(), &[MIGRATIONS]).await.expect("opened again");
    let second = App::new(second, crate::Settings::default()).expect("an app");
    let realm = Realm::new();
    let servers = [Server::start(&realm, api.app.clone()).await, Server::start(&realm, second).await];
    let mut hosts = Vec::new();
    for (n, server) in servers.iter().enumerate() {
        let host = SimulatedHost::start(vec![server.url()], realm.identity(&format!("h{n}")), &[Role::L2]);
        hosts.push(host.expect("started"));
    }
    for host in &hosts {
        host.until(|status| status.ready).await.expect("ready");
    }
    let network = id(&create(&api, "networks", "network", json!({})).await);
    for n in 0..2 {
        port(&api, &network, &format!("h{n}")).await;
    }
    until("both ports", async || count(&api, "ACTIVE").await == 2).await;
    for host in hosts {
        host.stop().await.expect("a clean end");
    }
    for server in servers {
        server.end().await;
    }
}
