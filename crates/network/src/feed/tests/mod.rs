//! Tests of the feed: histories against the snapshot, reports, registration,
//! sessions, and real servers with simulated hosts.

mod bad_rows;
mod forwardings;
mod history;
mod live;
mod metering;
mod qos;
mod registration;
mod reports;
mod scopes;
mod session;
mod trunks;

use std::collections::BTreeMap;

use isospin_feed::proto::{Hello, Record};
use isospin_store_kit::{ChangeKind, Engine, Store, Value as Stored};
use serde_json::{Value, json};

use super::load::key;
use super::snapshot::Snapshot;
use super::view::Difference;
use super::{Key, agents};
use crate::Settings;
use crate::testing::TestApi;

/// What an agent has been told, by key.
type Told = BTreeMap<Key, Record>;

fn told(snapshot: &Snapshot) -> Told {
    snapshot.records.iter().filter_map(|record| Some((key(record)?, record.clone()))).collect()
}

/// As an agent takes a change: what is set is there, what is removed is not.
fn tell(told: &mut Told, difference: Difference) {
    for record in difference.set {
        told.insert(key(&record).expect("a record with a fact"), record);
    }
    for key in difference.removed {
        assert!(told.remove(&key).is_some(), "{key:?} was removed, but never told");
    }
}

/// What `host` needs now, computed from the tables.
async fn fresh(store: &Store, host: &str) -> Told {
    told(&super::session::compute(store, host).await.expect("a snapshot"))
}

/// An API without limits on projects.
async fn roomy(engine: Engine) -> TestApi {
    let mut settings = Settings::default();
    settings.quotas.by_resource.clear();
    TestApi::with_settings(engine, settings).await
}

fn hello(host: &str, roles: &[&str], tunnel_ip: &str) -> Hello {
    Hello {
        feed_version: 1,
        host: host.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        started_at: 1_700_000_000,
        mechanism: "linuxbridge".to_owned(),
        tunnel_ip: tunnel_ip.to_owned(),
        bridge_mappings: [("external".to_owned(), "brext".to_owned())].into(),
        ..Hello::default()
    }
}

/// Registers a host with every role, as its session would.
async fn join(api: &TestApi, host: &str, tunnel_ip: &str) {
    let hello = hello(host, &["l2", "l3", "dhcp", "metadata"], tunnel_ip);
    agents::register(&api.app, hello).await.expect("registered");
    crate::background::scheduling::host_arrived(&api.app, host).await;
}

/// Asks as the administrator; the object under `key`, which must have come about.
async fn create(api: &TestApi, collection: &str, key: &str, object: Value) -> Value {
    api.create("admin", &format!("/v2.0/{collection}"), key, object).await
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

/// A network with one subnet; its id.
async fn network(api: &TestApi, cidr: &str) -> String {
    let network = id(&create(api, "networks", "network", json!({})).await);
    create(api, "subnets", "subnet", json!({"network_id": network, "ip_version": 4, "cidr": cidr})).await;
    network
}

/// A port of an instance, bound to the host; its id.
async fn port(api: &TestApi, network: &str, host: &str) -> String {
    let object = json!({"network_id": network, "binding:host_id": host, "device_owner": "compute:nova",
        "device_id": "an-instance"});
    id(&create(api, "ports", "port", object).await)
}

/// One attribute of an object, as the administrator sees it.
async fn shown(api: &TestApi, collection: &str, key: &str, id: &str, attribute: &str) -> Value {
    let path = format!("/v2.0/{collection}/{id}");
    api.expect(200, "admin", "GET", &path, Value::Null).await[key][attribute].take()
}

async fn status(api: &TestApi, port: &str) -> String {
    shown(api, "ports", "port", port, "status").await.as_str().expect("a status").to_owned()
}

/// Runs a statement, and records a change of `topic` when one is named.
async fn run(store: &Store, sql: &'static str, values: Vec<Stored>, change: Option<(&'static str, String)>) {
    store
        .write("", move |tx| {
            Box::pin(async move {
                tx.execute(sql, values).await?;
                if let Some((topic, id)) = change {
                    tx.record(topic, ChangeKind::Set, id);
                }
                Ok::<_, isospin_store_kit::StoreError>(())
            })
        })
        .await
        .expect("a unit of work");
}
