//! Against a small server that answers as Keystone and Nova do. Bodies and answers are those
//! of Neutron's notifier and of Nova's `os-server-external-events`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use isospin_feed::proto::{ItemStatus, Report, item_status::State as Reported};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::Settings;
use crate::feed::testing::{register, report};
use crate::testing::TestApi;

const SERVER: &str = "5ab1a1b1-0000-4000-8000-0000000000aa";
const PATIENCE: Duration = Duration::from_secs(30);

/// What the next requests are answered with, and what they said.
#[derive(Clone)]
struct Double {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    heard: mpsc::UnboundedSender<Value>,
    logins: Arc<Mutex<u32>>,
    url: String,
}

struct Nova {
    double: Double,
    heard: mpsc::UnboundedReceiver<Value>,
    task: JoinHandle<()>,
}

impl Drop for Nova {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Nova {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, heard) = mpsc::unbounded_channel();
        let double =
            Double { answers: Arc::default(), heard: sender, logins: Arc::default(), url: url.clone() };
        let router = Router::new()
            .route("/v3/auth/tokens", post(login))
            .route("/v2.1/os-server-external-events", post(events))
            .with_state(double.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { double, heard, task }
    }

    fn config(&self) -> NovaConfig {
        NovaConfig {
            user: ServiceUser {
                auth_url: format!("{}/v3", self.double.url),
                username: "neutron".to_owned(),
                password: "secret".to_owned(),
                user_domain_name: "Default".to_owned(),
                project_name: "service".to_owned(),
                project_domain_name: "Default".to_owned(),
                cafile: PathBuf::new(),
            },
            region_name: "RegionOne".to_owned(),
            endpoint_type: "internal".to_owned(),
            endpoint_override: String::new(),
        }
    }

    fn answers(&self, status: u16, body: Value) {
        self.double.answers.lock().push_back((status, body));
    }

    /// The next request's body.
    async fn hears(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.heard.recv()).await.expect("in time").expect("a request")
    }
}

async fn login(State(double): State<Double>, body: String) -> impl IntoResponse {
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["auth"]["identity"]["password"]["user"]["name"], "neutron");
    assert_eq!(body["auth"]["scope"]["project"]["name"], "service");
    let mut logins = double.logins.lock();
    *logins += 1;
    let endpoint = |interface: &str, region: &str, url: String| json!({"interface": interface, "region_id": region, "url": url});
    let catalog = json!([
        {"type": "network", "endpoints": [endpoint("internal", "RegionOne", "http://192.0.2.1".to_owned())]},
        {"type": "compute", "endpoints": [
            endpoint("public", "RegionOne", "http://192.0.2.2".to_owned()),
            endpoint("internal", "RegionTwo", "http://192.0.2.3".to_owned()),
            endpoint("internal", "RegionOne", format!("{}/v2.1", double.url)),
        ]},
    ]);
    let token = [("x-subject-token", format!("token-{logins}"))];
    (StatusCode::CREATED, token, json!({"token": {"catalog": catalog}}).to_string())
}

async fn events(State(double): State<Double>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(headers["content-type"], "application/json");
    if headers["x-auth-token"] != format!("token-{}", double.logins.lock()) {
        return (StatusCode::UNAUTHORIZED, "{}".to_owned());
    }
    let next = double.answers.lock().pop_front();
    let (status, answer) = next.unwrap_or_else(|| {
        let mut answer = body.clone();
        for event in answer["events"].as_array_mut().expect("events") {
            event["code"] = json!(200);
        }
        (200, answer)
    });
    let _ = double.heard.send(body);
    (StatusCode::from_u16(status).expect("a status"), answer.to_string())
}

/// An API that notes events, and the task that tells them.
async fn telling(nova: &Nova, engine: isospin_store_kit::Engine) -> (TestApi, JoinHandle<()>) {
    let settings = Settings { nova_events: true, ..Settings::default() };
    let api = TestApi::with_settings(engine, settings).await;
    let sender = start(&api, nova);
    // Nothing is noted before.
    let mut reader = api.store().reader().await.expect("a reader");
    loop {
        let row = reader.row("SELECT 1 FROM nova_sender", vec![]).await.expect("read");
        if row.is_some() {
            return (api, sender);
        }
        tokio::task::yield_now().await;
    }
}

fn start(api: &TestApi, nova: &Nova) -> JoinHandle<()> {
    let (store, config) = (api.store().clone(), nova.config());
    tokio::spawn(async move { run(store, config).await.expect("a configuration") })
}

/// A port of the instance on host `h1`; its id.
async fn port(api: &TestApi, server: &str) -> String {
    register(&api.app, "h1").await;
    let network = api.create("admin", "/v2.0/networks", "network", json!({})).await;
    let object = json!({"network_id": network["id"], "binding:host_id": "h1", "device_owner": "compute:nova",
        "device_id": server});
    let port = api.create("admin", "/v2.0/ports", "port", object).await;
    port["id"].as_str().expect("an id").to_owned()
}

async fn reports(api: &TestApi, port: &str, state: Reported) {
    let item = ItemStatus {
        kind: "port".to_owned(),
        id: port.to_owned(),
        party: "l2".to_owned(),
        state: state.into(),
        reason: String::new(),
    };
    report(&api.app, "h1", Report { items: vec![item], applied_version: 1 }).await;
}

fn event(name: &str, status: &str, port: &str) -> Value {
    match status {
        "" => json!({"name": name, "server_uuid": SERVER, "tag": port}),
        _ => json!({"name": name, "server_uuid": SERVER, "status": status, "tag": port}),
    }
}

fn only(event: Value) -> Value {
    json!({"events": [event]})
}

#[tokio::test]
async fn nova_is_told_of_the_life_of_a_port() {
    for engine in [isospin_store_kit::Engine::Sqlite, isospin_store_kit::Engine::Postgres] {
        let mut nova = Nova::start().await;
        let (api, sender) = telling(&nova, engine).await;
        let id = port(&api, SERVER).await;
        reports(&api, &id, Reported::Up).await;
        assert_eq!(nova.hears().await, only(event("network-vif-plugged", "completed", &id)));
        // Said again, it is no news.
        reports(&api, &id, Reported::Up).await;
        reports(&api, &id, Reported::Down).await;
        assert_eq!(nova.hears().await, only(event("network-vif-unplugged", "completed", &id)));
        reports(&api, &id, Reported::Failed).await;
        assert_eq!(nova.hears().await, only(event("network-vif-plugged", "failed", &id)));
        let path = format!("/v2.0/ports/{id}");
        api.expect(200, "admin", "PUT", &path, json!({"port": {"name": "eth0"}})).await;
        assert_eq!(nova.hears().await, only(event("network-changed", "", &id)));
        api.expect(204, "admin", "DELETE", &path, Value::Null).await;
        assert_eq!(nova.hears().await, only(event("network-vif-deleted", "", &id)));
        assert_eq!(*nova.double.logins.lock(), 1, "one token for all");
        sender.abort();
    }
}

#[tokio::test]
async fn ports_of_others_are_none_of_novas() {
    let mut nova = Nova::start().await;
    let (api, sender) = telling(&nova, isospin_store_kit::Engine::Sqlite).await;
    let other = port(&api, "a-name").await;
    reports(&api, &other, Reported::Up).await;
    let object = json!({"port": {"device_owner": "network:other", "device_id": SERVER}});
    let path = format!("/v2.0/ports/{}", port(&api, "").await);
    api.expect(200, "admin", "PUT", &path, object).await;
    let id = port(&api, SERVER).await;
    reports(&api, &id, Reported::Up).await;
    assert_eq!(nova.hears().await, only(event("network-vif-plugged", "completed", &id)));
    sender.abort();
}

#[tokio::test]
async fn what_nova_cannot_take_is_told_again_and_what_it_refuses_is_not() {
    let mut nova = Nova::start().await;
    let (api, sender) = telling(&nova, isospin_store_kit::Engine::Sqlite).await;
    let id = port(&api, SERVER).await;
    let (up, down) =
        (event("network-vif-plugged", "completed", &id), event("network-vif-unplugged", "completed", &id));
    nova.answers(503, json!({}));
    nova.answers(500, json!({}));
    reports(&api, &id, Reported::Up).await;
    for _ in 0..3 {
        assert_eq!(nova.hears().await, only(up.clone()), "until it is taken");
    }
    // Nothing of these is told twice: partly done, no such instance, not understood.
    let mut partly = down.clone();
    partly["code"] = json!(422);
    for (status, answer) in [(207, json!({"events": [partly]})), (404, json!({})), (422, json!({}))] {
        nova.answers(status, answer);
        reports(&api, &id, Reported::Down).await;
        assert_eq!(nova.hears().await, only(down.clone()));
        reports(&api, &id, Reported::Up).await;
        assert_eq!(nova.hears().await, only(up.clone()), "after {status}");
    }
    // A token that is over.
    *nova.double.logins.lock() += 1;
    reports(&api, &id, Reported::Down).await;
    assert_eq!(nova.hears().await, only(down));
    sender.abort();
}

#[tokio::test]
async fn events_survive_the_server_and_one_server_tells_them() {
    let mut nova = Nova::start().await;
    let (api, sender) = telling(&nova, isospin_store_kit::Engine::Sqlite).await;
    sender.abort();
    assert!(sender.await.expect_err("aborted").is_cancelled());
    let id = port(&api, SERVER).await;
    reports(&api, &id, Reported::Up).await;
    let senders = [start(&api, &nova), start(&api, &nova)];
    assert_eq!(nova.hears().await, only(event("network-vif-plugged", "completed", &id)));
    reports(&api, &id, Reported::Down).await;
    assert_eq!(nova.hears().await, only(event("network-vif-unplugged", "completed", &id)));
    senders.iter().for_each(JoinHandle::abort);
    forget(api.store()).await.expect("forgotten");
    reports(&api, &id, Reported::Up).await;
    let mut reader = api.store().reader().await.expect("a reader");
    assert_eq!(reader.rows("SELECT 1 FROM nova_events", vec![]).await.expect("read").len(), 0);
}
